"""Parts of the page as HTML: answers, facts and heat of a galaxy; pictures stand in it."""

import base64
from html import escape
from typing import Any

import cv2
import matplotlib
import numpy as np

from galaxyzoo import app_runs
from galaxyzoo.app_runs import LoadedRun, Look
from galaxyzoo.explanation_figures import describe
from galaxyzoo.figures import readable
from galaxyzoo.tree_page import tree_html

HINT = "<p>Type a GalaxyID, take any galaxy, or drop an image.</p>"
_SHOWN_PX = 320


def result_html(one: LoadedRun, look: Look) -> str:
    """A run's answers: the tree, or the classes."""
    title = f"<h3>{escape(one.config.run)}</h3>"
    truth = look.galaxy.truth
    if not one.task.is_classes:
        return title + tree_html(look.prediction, truth)
    rows = []
    for i in np.argsort(-look.prediction, kind="stable"):
        known = " ← volunteers" if truth is not None and truth[i] > 0.5 else ""
        rows.append(
            f"<li><div class='answer'><span class='text'>{escape(describe(one.task, int(i)))}"
            f"{known}</span><span class='bar'><span style='width:{100 * look.prediction[i]:.1f}%'>"
            f"</span></span><span class='value'>{look.prediction[i]:.0%}</span></div></li>"
        )
    return f"{title}<ul class='tree'>{''.join(rows)}</ul>"


def facts_html(one: LoadedRun, look: Look) -> str:
    """The galaxy's picture, its name, and the class that each task's rule gives it."""
    picture = cv2.resize(look.galaxy.image, (_SHOWN_PX, _SHOWN_PX), interpolation=cv2.INTER_CUBIC)
    rows = ""
    if not one.task.is_classes:
        for task, name in app_runs.classes_of_votes(look.prediction).items():
            text = f"<b>{escape(readable(name))}</b>" if name else "not clear enough"
            kind = "" if name else " class='unclear'"
            rows += f"<tr{kind}><td>{escape(readable(task))}</td><td>{text}</td></tr>"
        said = "<p>Classes by the rules on the predicted votes:</p>"
        rows = f"{said}<table class='facts'>{rows}</table>"
    kind = "training galaxy" if look.galaxy.truth is not None else "no votes are known"
    name = escape(look.galaxy.name)
    return (
        f"<div class='pair'><figure><img alt='{name}' src='{_data_address(picture)}'>"
        f"<figcaption>{name}: {kind}</figcaption></figure></div>{rows}"
    )


def heat_html(image: np.ndarray, heat: np.ndarray, answer: str) -> str:
    """What the network sees, (H, W, 3) uint8, and the heat over it, (H, W) 0 to 1."""
    colors = matplotlib.colormaps["inferno"](heat)[..., :3] * 255
    share = (0.1 + 0.45 * heat)[..., None]
    mixed = np.clip(image * (1 - share) + colors * share, 0, 255).astype(np.uint8)
    sides = (_SHOWN_PX, _SHOWN_PX)
    figures = []
    for picture, text in (
        (image, "what the network sees"),
        (mixed, f"brighter: speaks more for “{answer}”"),
    ):
        shown = cv2.resize(picture, sides, interpolation=cv2.INTER_CUBIC)
        caption = escape(text)
        figures.append(
            f"<figure><img alt='{caption}' src='{_data_address(shown)}'>"
            f"<figcaption>{caption}</figcaption></figure>"
        )
    return f"<div class='pair'>{''.join(figures)}</div>"


def caption(galaxy_id: int, row: Any) -> str:
    """Below a galaxy among the largest errors; `row` of `LoadedRun.worst`."""
    if np.isnan(row["predicted"]):
        return f"{galaxy_id} · RMSE {row['error']:.3f}"
    return f"{galaxy_id} · predicted {row['predicted']:.2f}, known {row['known']:.2f}"


def _data_address(image: np.ndarray) -> str:
    """(H, W, 3) uint8 as an address that holds the picture itself."""
    good, encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    assert good
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"
