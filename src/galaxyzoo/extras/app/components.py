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
from galaxyzoo.extras.explain.gradcam import HeatMap, likeliest
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
    questions: tuple[ShownQuestion, ...] = ()
    if task.name == COMPETITION_TASK:
        questions = _nest(None, shown)
    classes = []
    for column in np.argsort(-shown.prediction, kind="stable").tolist():
        classes.append(ShownAnswer(task.text(column), shown.prediction[column], likely=False))
    return render(
        "galaxy_answers.html.j2",
        run=run,
        about=description,
        questions=questions,
        classes=classes,
        has_intervals=shown.bounds is not None,
    )


def facts_html(task: Task, shown: Sequence[PredictedGalaxy]) -> str:
    """The first galaxy's picture, name and classes by the rules; the names of all, and a download.

    Args:
        task: the run's.
        shown: one galaxy, or several that were uploaded together.
    """
    first = shown[0]
    names = [predicted.galaxy.name for predicted in shown]
    predictions = [predicted.prediction for predicted in shown]
    table = pd.DataFrame(predictions, pd.Index(names, name="galaxy"), list(task.columns))
    classes = []
    if task.name == COMPETITION_TASK:
        for class_task, [label] in classes_of_votes(table.iloc[[0]]).items():
            classes.append((readable(class_task), readable(label)))
    others = []
    for name, column in zip(names, likeliest(table.to_numpy(), task), strict=True):
        others.append((name, task.text(column)))
    csv = without_formulas(table).to_csv()
    return render(
        "galaxy_facts.html.j2",
        galaxy=first.galaxy.name,
        picture=_data_uri(first.picture),
        classes=classes,
        others=others[1:],
        table=base64.b64encode(csv.encode()).decode(),
    )


def heat_html(heat_map: HeatMap, answer: str) -> str:
    """The network's input beside its heat map for an answer."""
    text = f"Heat map for “{answer}”. Color: pixels that support it. Contour: half maximum."
    plain = _data_uri(heat_map.image)
    hot = _data_uri(blend_heat(heat_map))
    figures = [(plain, "network input"), (hot, text)]
    return render("galaxy_heat.html.j2", figures=figures)


def _nest(parent: str | None, shown: PredictedGalaxy) -> tuple[ShownQuestion, ...]:
    """Questions after an answer, or first ones (None), each answer with those that follow it."""
    tree = GALAXY_ZOO_2
    shares = tree.shares(shown.prediction[None])[0]
    parents = tree.parents(shown.prediction[None])[0]
    questions = []
    for question in tree.questions:
        if question.parent != parent:
            continue
        span = tree.span(question)
        reached = float(parents[span.start])
        likeliest_answer = span.start + shares[span].argmax()
        answers = []
        for i, text in enumerate(question.answers):
            column = span.start + i
            answer = ShownAnswer(
                text,
                predicted=float(shares[column]),
                likely=column == likeliest_answer,
                interval=_interval(shown, column, reached),
                questions=_nest(question.columns[i], shown),
            )
            answers.append(answer)
        questions.append(ShownQuestion(question.text, reached, tuple(answers)))
    return tuple(questions)


def _interval(shown: PredictedGalaxy, column: int, reached: float) -> tuple[float, float] | None:
    """Interval of an answer's share of those who are asked; None: not shown."""
    if shown.bounds is None or reached < _REACHED:
        return None
    low, high = np.clip(shown.bounds[column] / reached, 0, 1)
    return float(low), float(high)


def _data_uri(image: np.ndarray) -> str:
    """(H, W, 3) uint8 as the address of an embedded JPEG, 320 px a side."""
    sides = (_SHOWN_PX, _SHOWN_PX)
    resized = cv2.resize(image, sides, interpolation=cv2.INTER_CUBIC)
    return jpeg_address(resized)
