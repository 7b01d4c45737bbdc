"""HTML of one galaxy: a run's answers, the galaxy's facts, a heat map; pictures are embedded.

The decision tree is nested lists, each question under the answer that leads to it, so that screen
readers and keyboards can follow it; bars are decoration.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import matplotlib
import numpy as np
import pandas as pd

from galaxyzoo.app.service import PredictedGalaxy
from galaxyzoo.core.templates import render
from galaxyzoo.inference.survey import classes_of_votes
from galaxyzoo.reports.figures import readable
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, Question
from galaxyzoo.tasks.kinds import ClassTask, Task, VoteTask

_SHOWN_PX = 320


@dataclass(frozen=True)
class ShownAnswer:
    """An answer or class, with the questions that follow it."""

    text: str
    predicted: float  # share of those who are asked, or probability
    known: float | None  # the same of the volunteers
    likely: bool  # the likeliest of its question
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
        shown: the prediction; known votes are marks on the bars, a known class is named.
        description: the run's out-of-fold score, below its name.
    """
    truth, classes = shown.galaxy.truth, []
    questions: tuple[ShownQuestion, ...] = ()
    if isinstance(task, ClassTask):
        for i in np.argsort(-shown.prediction, kind="stable"):
            known = " ← volunteers" if truth is not None and truth[i] > 0.5 else ""
            text = f"{task.text(int(i))}{known}"
            classes.append(ShownAnswer(text, shown.prediction[i], None, likely=False))
    else:
        roots = [q for q in GALAXY_ZOO_2.questions if q.parent is None]
        questions = _nest(roots, shown.prediction, truth)
    return render(
        "galaxy_answers.html.j2",
        run=run,
        about=description,
        questions=questions,
        classes=classes,
        has_votes=truth is not None,
    )


def facts_html(task: Task, shown: PredictedGalaxy) -> str:
    """The galaxy's picture and name, and its class by each task's rule on the predicted votes."""
    votes = pd.DataFrame(shown.prediction[None], columns=list(task.columns))
    classes = classes_of_votes(votes) if isinstance(task, VoteTask) else ()
    return render(
        "galaxy_facts.html.j2",
        galaxy=shown.galaxy.name,
        picture=_data_uri(shown.picture),
        kind="training galaxy" if shown.galaxy.truth is not None else "no votes are known",
        classes=[(readable(name), label and readable(label)) for name, (label,) in classes],
    )


def heat_html(image: np.ndarray, heat: np.ndarray, answer: str) -> str:
    """The network's input, (H, W, 3) uint8, beside its heat map for an answer, (H, W) 0 to 1."""
    colors = matplotlib.colormaps["inferno"](heat)[..., :3] * 255
    share = (0.1 + 0.45 * heat)[..., None]
    mixed = np.clip(image * (1 - share) + colors * share, 0, 255).astype(np.uint8)
    figures = [
        (_data_uri(image), "network input"),
        (_data_uri(mixed), f"heat map for “{answer}”: brighter counts more"),
    ]
    return render("galaxy_heat.html.j2", figures=figures)


def caption(galaxy_id: int, row: Any) -> str:
    """Caption of a galaxy among the largest errors; `row` of `LoadedRun.worst`."""
    if np.isnan(row["predicted"]):
        return f"{galaxy_id} · RMSE {row['error']:.3f}"
    return f"{galaxy_id} · predicted {row['predicted']:.2f}, known {row['known']:.2f}"


def _nest(
    questions: Iterable[Question], prediction: np.ndarray, votes: np.ndarray | None
) -> tuple[ShownQuestion, ...]:
    """Questions, each answer with those that follow it."""
    nested = []
    for question in questions:
        span = GALAXY_ZOO_2.span(question)
        predicted = GALAXY_ZOO_2.shares(prediction[None])[0, span]
        voted = None if votes is None else GALAXY_ZOO_2.shares(votes[None])[0, span]
        answers = []
        for i, (column, text) in enumerate(zip(question.columns, question.answers, strict=True)):
            following = [q for q in GALAXY_ZOO_2.questions if q.parent == column]
            answers.append(
                ShownAnswer(
                    text,
                    float(predicted[i]),
                    None if voted is None else float(voted[i]),
                    i == predicted.argmax(),
                    _nest(following, prediction, votes),
                )
            )
        reached = float(GALAXY_ZOO_2.parents(prediction[None])[0, span.start])
        nested.append(ShownQuestion(question.text, reached, tuple(answers)))
    return tuple(nested)


def _data_uri(image: np.ndarray) -> str:
    """(H, W, 3) uint8 as the address of an embedded JPEG, 320 px a side."""
    sides = (_SHOWN_PX, _SHOWN_PX)
    resized = cv2.resize(image, sides, interpolation=cv2.INTER_CUBIC)
    good, encoded = cv2.imencode(".jpg", cv2.cvtColor(resized, cv2.COLOR_RGB2BGR))
    assert good
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"
