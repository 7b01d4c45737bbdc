"""What is predicted: each task's label columns, its score, and what makes predictions valid.

To add a task: one entry in `TASKS` and one config folder of the same name.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from galaxyzoo.decision_tree import GALAXY_ZOO_2
from galaxyzoo.errors import InputError


@dataclass(frozen=True)
class Task:
    """A task: name, label columns, the score of predictions, and how predictions are made valid."""

    name: str
    columns: tuple[str, ...]
    metric: str  # name of the score, as tables and cards print it
    lower_is_better: bool
    # (galaxy, column) predictions, targets -> score
    score: Callable[[np.ndarray, np.ndarray], float]
    # (galaxy, column) -> (galaxy, column), what may be submitted
    make_valid: Callable[[np.ndarray], np.ndarray]
    # columns that share one blend weight per run, such as a question's
    groups: tuple[slice, ...] = (slice(None),)


def rmse(predictions: np.ndarray, targets: np.ndarray) -> float:
    """Root of the mean squared error over all galaxies and columns, as the competition scores."""
    if predictions.shape != targets.shape:
        raise ValueError(f"shapes differ: {predictions.shape} and {targets.shape}")
    return float(
        np.sqrt(np.mean(np.square(predictions.astype(np.float64) - targets.astype(np.float64))))
    )


def valid_votes(predictions: np.ndarray) -> np.ndarray:
    """Clip to [0, 1] and project onto the decision tree: what a submission may hold."""
    return GALAXY_ZOO_2.project(np.clip(predictions, 0.0, 1.0))


QUESTIONS = tuple(GALAXY_ZOO_2.span(question) for question in GALAXY_ZOO_2.questions)

TASKS = {"gz37": Task("gz37", GALAXY_ZOO_2.columns, "RMSE", True, rmse, valid_votes, QUESTIONS)}


def get_task(name: str) -> Task:
    """The task of that name.

    Raises:
        InputError: there is none.
    """
    if name not in TASKS:
        raise InputError(f"unknown task '{name}': known are {', '.join(TASKS)}")
    return TASKS[name]
