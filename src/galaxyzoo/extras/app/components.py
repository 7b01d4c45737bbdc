"""HTML of one galaxy: a run's answers, the galaxy's facts, a heat map; pictures are embedded.

The decision tree is nested lists, each question under the answer that leads to it, so that screen
readers and keyboards can follow it; bars are decoration.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd

from galaxyzoo.extras.app.service import PredictedGalaxy
from galaxyzoo.extras.explain.figures import blend_heat
from galaxyzoo.extras.explain.gradcam import likeliest
from galaxyzoo.extras.pages.answers import readable
from galaxyzoo.extras.pages.templates import jpeg_address, render
from galaxyzoo.extras.surveys.survey import classes_of_votes
from galaxyzoo.io.writing import without_formulas
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.kinds import COMPETITION_TASK, Task

_SHOWN_PX = 320
_REACHED = 0.1  # questions that fewer are asked are shown pale, without intervals


@dataclass(frozen=True)
class ShownAnswer:
    """An answer or class, with the questions that follow it."""

    text: str
    predicted: float  # share of those who are asked, or probability
    likely: bool  # the likeliest of its question
    interval: tuple[float, float] | None = None  # of the predicted share
    questions: "tuple[ShownQuestion, ...]" = ()


@dataclass(frozen=True)
class ShownQuestion:
    """A question of the decision tree."""

    text: str
    reached: float  # predicted share of volunteers who are asked it
    answers: tuple[ShownAnswer, ...]


def answers_html(run: str, task: Task, shown: PredictedGalaxy, description: str = "") -> str:
    """A run's answers: the decision tree, or the classes, the likeliest first.

    Args:
        run: its name, the heading.
        task: the run's.
        shown: the prediction.
        description: the run's out-of-fold score, below its name.
    """
    is_votes, order = task.name == COMPETITION_TASK, np.argsort(-shown.prediction, kind="stable")
    classes = [ShownAnswer(task.text(i), shown.prediction[i], likely=False) for i in order.tolist()]
    return render(
        "galaxy_answers.html.j2",
        run=run,
        about=description,
        questions=_nest(None, shown) if is_votes else (),
        classes=classes,
        has_intervals=shown.bounds is not None,
    )


def facts_html(task: Task, shown: Sequence[PredictedGalaxy]) -> str:
    """The first galaxy's picture, name and classes by the rules; the names of all, and a download.

    Args:
        task: the run's.
        shown: one galaxy, or several that were uploaded together.
    """
    first, names = shown[0], [galaxy.galaxy.name for galaxy in shown]
    table = pd.DataFrame([galaxy.prediction for galaxy in shown], names, list(task.columns))
    table.index.name = "galaxy"
    votes = table.iloc[[0]].reset_index(drop=True)
    classes = classes_of_votes(votes) if task.name == COMPETITION_TASK else {}
    texts = [task.text(column) for column in likeliest(table.to_numpy(), task)]
    others = [*zip(names, texts, strict=True)]
    return render(
        "galaxy_facts.html.j2",
        galaxy=first.galaxy.name,
        picture=_data_uri(first.picture),
        classes=[(readable(name), label and readable(label)) for name, (label,) in classes.items()],
        others=others[1:],
        table=base64.b64encode(without_formulas(table).to_csv().encode()).decode(),
    )


def heat_html(image: np.ndarray, heat: np.ndarray, answer: str) -> str:
    """The network's input, (H, W, 3) uint8, beside its heat map for an answer, (H, W) 0 to 1."""
    text = f"Heat map for “{answer}”. Color: pixels that support it. Contour: half maximum."
    figures = [(_data_uri(image), "network input"), (_data_uri(blend_heat(image, heat)), text)]
    return render("galaxy_heat.html.j2", figures=figures)


def _nest(parent: str | None, shown: PredictedGalaxy) -> tuple[ShownQuestion, ...]:
    """Questions after an answer, or first ones (None), each answer with those that follow it."""
    tree, nested = GALAXY_ZOO_2, []
    shares = tree.shares(shown.prediction[None])[0]
    for question in (q for q in tree.questions if q.parent == parent):
        span = tree.span(question)
        reached = float(tree.parents(shown.prediction[None])[0, span.start])
        answers = []
        for i, (column, text) in enumerate(zip(question.columns, question.answers, strict=True)):
            place, interval = span.start + i, None
            if shown.bounds is not None and reached >= _REACHED:
                low, high = np.clip(shown.bounds[place] / reached, 0, 1)
                interval = float(low), float(high)
            likely, share = i == shares[span].argmax(), float(shares[place])
            answers.append(ShownAnswer(text, share, likely, interval, _nest(column, shown)))
        nested.append(ShownQuestion(question.text, reached, tuple(answers)))
    return tuple(nested)


def _data_uri(image: np.ndarray) -> str:
    """(H, W, 3) uint8 as the address of an embedded JPEG, 320 px a side."""
    sides = (_SHOWN_PX, _SHOWN_PX)
    resized = cv2.resize(image, sides, interpolation=cv2.INTER_CUBIC)
    return jpeg_address(resized)
