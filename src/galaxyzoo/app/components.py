"""Parts of the page as HTML: answers, facts and heat of a galaxy; pictures stand in it.

The decision tree as HTML: each question under the answer that leads to it, with its shares.

Nested lists, so that readers of the screen and keyboards find their way; bars are decoration.
"""

import base64
from collections.abc import Callable
from html import escape
from typing import Any

import cv2
import matplotlib
import numpy as np

from galaxyzoo.app import service
from galaxyzoo.app.service import LoadedRun, Look
from galaxyzoo.reports.figures import readable
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, Question
from galaxyzoo.tasks.registry import ClassTask, Task, VoteTask

HINT = "<p>Type a GalaxyID, take any galaxy, or drop an image.</p>"
_SHOWN_PX = 320


def result_html(one: LoadedRun, look: Look) -> str:
    """A run's answers: the tree, or the classes."""
    title = f"<h3>{escape(one.config.run)}</h3>"
    truth = look.galaxy.truth
    return title + _ANSWERS[type(one.task)](one.task, look.prediction, truth)


def _tree(_task: Task, prediction: np.ndarray, truth: np.ndarray | None) -> str:
    return tree_html(prediction, truth)


def _classes(task: Task, prediction: np.ndarray, truth: np.ndarray | None) -> str:
    rows = []
    for i in np.argsort(-prediction, kind="stable"):
        known = " ← volunteers" if truth is not None and truth[i] > 0.5 else ""
        rows.append(
            f"<li><div class='answer'><span class='text'>{escape(task.text(int(i)))}"
            f"{known}</span><span class='bar'><span style='width:{100 * prediction[i]:.1f}%'>"
            f"</span></span><span class='value'>{prediction[i]:.0%}</span></div></li>"
        )
    return f"<ul class='tree'>{''.join(rows)}</ul>"


_ANSWERS: dict[type[Task], Callable[[Task, np.ndarray, np.ndarray | None], str]] = {
    VoteTask: _tree,
    ClassTask: _classes,
}


def facts_html(one: LoadedRun, look: Look) -> str:
    """The galaxy's picture, its name, and the class that each task's rule gives it."""
    picture = cv2.resize(look.galaxy.image, (_SHOWN_PX, _SHOWN_PX), interpolation=cv2.INTER_CUBIC)
    rows = ""
    if isinstance(one.task, VoteTask):
        for task, name in service.classes_of_votes(look.prediction).items():
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


STYLE = """
.tree, .tree ul { list-style: none; margin: 0; padding: 0; }
.tree .question { margin: .5rem 0 .75rem; padding: .5rem .75rem; border: 1px solid #8886;
  border-radius: 8px; }
.tree .asked { font-weight: 600; display: flex; justify-content: space-between; gap: 0 1rem;
  flex-wrap: wrap; }
.tree .reached { font-weight: 400; opacity: .75; font-size: .85em; }
.tree .answer { display: grid; grid-template-columns: minmax(7rem, 11rem) 1fr 3.2rem;
  gap: .6rem; align-items: center; padding: .12rem 0; }
.tree .answer.likely .text, .tree .answer.likely .value { font-weight: 600; }
.tree .value { text-align: right; font-variant-numeric: tabular-nums; }
.tree .bar { position: relative; height: .95rem; background: #8883; border-radius: 4px;
  overflow: hidden; }
.tree .bar span { position: absolute; inset: 0 auto 0 0; background: #e07a2f; border-radius: 4px; }
.tree .answer.likely .bar span { background: #c2571a; }
.tree .bar i { position: absolute; top: 0; bottom: 0; width: 3px; background: #2b5fb8; }
.tree ul.under { margin-left: clamp(.5rem, 2vw, 1.5rem); border-left: 3px solid #8886;
  padding-left: clamp(.4rem, 1.5vw, 1rem); }
.tree .unlikely { opacity: .7; }
@media (max-width: 40rem) {
  .tree .answer { grid-template-columns: minmax(3rem, 5.5rem) minmax(1.5rem, 1fr) 2.6rem;
    gap: .35rem; }
  .tree .text, .tree .asked { overflow-wrap: anywhere; min-width: 0; }
  .tree .question { padding: .35rem .4rem; }
  .tree ul.under { margin-left: .1rem; padding-left: .3rem; border-left-width: 2px; }
}
.tree-key { font-size: .85em; opacity: .85; }
.tree-key b { display: inline-block; width: 1.1em; height: .7em; border-radius: 3px;
  background: #c2571a; margin: 0 .3em; }
.tree-key i { display: inline-block; width: 3px; height: .9em; background: #2b5fb8;
  margin: 0 .4em; vertical-align: middle; }
"""
_UNLIKELY = 0.1  # questions that fewer reach are shown paler


def tree_html(prediction: np.ndarray, votes: np.ndarray | None = None) -> str:
    """The tree of one galaxy.

    Args:
        prediction: (37,) vote fractions that obey the tree.
        votes: (37,) those of the volunteers, where they are known; shown as marks on the bars.
    Returns:
        HTML without scripts; `STYLE` goes with it.
    """
    key = "<p class='tree-key'><b></b>predicted share of those who are asked the question"
    key += "<i></i>volunteers" if votes is not None else ""
    roots = [q for q in GALAXY_ZOO_2.questions if q.parent is None]
    items = "".join(_question(q, prediction, votes) for q in roots)
    return f"{key}</p><ul class='tree'>{items}</ul>"


def shares(question: Question, values: np.ndarray) -> np.ndarray:
    """(answer,) part of those who were asked; (37,) published fractions; 0 where nobody was."""
    span, parent = GALAXY_ZOO_2.span(question), GALAXY_ZOO_2.parent_index(question)
    asked = 1.0 if parent is None else float(values[parent])
    return values[span] / asked if asked > 0 else np.zeros(len(question.answers))


def _question(question: Question, prediction: np.ndarray, votes: np.ndarray | None) -> str:
    parent = GALAXY_ZOO_2.parent_index(question)
    reached = 1.0 if parent is None else float(prediction[parent])
    said = shares(question, prediction)
    voted = None if votes is None else shares(question, votes)
    likely = int(said.argmax())
    parts = []
    for i, (column, text) in enumerate(zip(question.columns, question.answers, strict=True)):
        mark = "" if voted is None else _mark(voted[i])
        known = "" if voted is None else f", volunteers {voted[i]:.0%}"
        label = f"{text}: predicted {said[i]:.0%}{known}"
        parts.append(
            f"<li><div class='answer{' likely' if i == likely else ''}' title='{escape(label)}'>"
            f"<span class='text'>{escape(text)}</span>"
            f"<span class='bar' role='img' aria-label='{escape(label)}'>"
            f"<span style='width:{100 * said[i]:.1f}%'></span>{mark}</span>"
            f"<span class='value'>{said[i]:.0%}</span></div>"
        )
        under = [q for q in GALAXY_ZOO_2.questions if q.parent == column]
        if under:
            items = "".join(_question(q, prediction, votes) for q in under)
            parts.append(f"<ul class='under'>{items}</ul>")
        parts.append("</li>")
    pale = " unlikely" if reached < _UNLIKELY else ""
    return (
        f"<li class='question{pale}'><div class='asked'><span>{escape(question.text)}</span>"
        f"<span class='reached'>asked of {reached:.0%}</span></div><ul>{''.join(parts)}</ul></li>"
    )


def _mark(share: float) -> str:
    return f"<i style='left:calc({100 * share:.1f}% - 1.5px)'></i>"
