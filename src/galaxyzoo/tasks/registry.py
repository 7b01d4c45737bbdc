"""What is predicted: each task's label columns, its score, and what makes predictions valid.

A task is of one of two kinds: vote fractions on the decision tree, or one class per galaxy, whose
predictions are probabilities. To add a task: one entry in `TASKS` and one config folder of the same
name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import task_name
from galaxyzoo.tasks import label_rules
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.label_rules import ClassRule

COMPETITION_TASK = "gz37"
SMALLEST_PROBABILITY = (
    1e-6  # so that one wrong, certain prediction does not make a log-loss useless
)


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
    # whether the columns are classes, of which each galaxy has one
    is_classes: bool = False
    # how classes follow from the 37 votes; None where only a label file knows them
    rule: ClassRule | None = None
    # class decided by probability over class frequency, for tasks judged by balanced accuracy
    balanced: bool = False
    # coarser classes: name -> the columns that make it up
    macro: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def rmse(predictions: np.ndarray, targets: np.ndarray) -> float:
    """Root of the mean squared error over all galaxies and columns, as the competition scores."""
    _check_shapes(predictions, targets)
    return float(
        np.sqrt(np.mean(np.square(predictions.astype(np.float64) - targets.astype(np.float64))))
    )


def log_loss(predictions: np.ndarray, targets: np.ndarray) -> float:
    """Mean over galaxies of -sum(targets · log(predictions)), in nats.

    Args:
        predictions: (galaxy, class) probabilities; below `SMALLEST_PROBABILITY` they count as that.
        targets: (galaxy, class) one-hot classes. Of one column alone: its part of the whole.
    """
    _check_shapes(predictions, targets)
    logs = np.log(np.maximum(predictions.astype(np.float64), SMALLEST_PROBABILITY))
    return float(-np.sum(targets * logs) / len(targets))


def valid_votes(predictions: np.ndarray) -> np.ndarray:
    """Clip to [0, 1] and project onto the decision tree: what a submission may hold."""
    return GALAXY_ZOO_2.project(np.clip(predictions, 0.0, 1.0))


def valid_probabilities(predictions: np.ndarray) -> np.ndarray:
    """Clip to [0, 1], scale rows to add up to 1, lift to about `SMALLEST_PROBABILITY`; float64."""
    probs = np.clip(predictions.astype(np.float64), 0.0, 1.0)
    for smallest in (1e-12, SMALLEST_PROBABILITY):  # the first only for rows of zeros
        probs = np.maximum(probs, smallest)
        probs /= probs.sum(axis=1, keepdims=True)
    return probs


def get_task(name: str) -> Task:
    """The task of that name.

    Raises:
        InputError: there is none.
    """
    if name not in TASKS:
        raise InputError(f"unknown task '{name}': known are {', '.join(TASKS)}")
    return TASKS[name]


def task_of(run: str) -> Task:
    """The task of a run, such as `gz37/resnet18`.

    Raises:
        InputError: its name begins with no task's.
    """
    return get_task(task_name(run))


def _check_shapes(predictions: np.ndarray, targets: np.ndarray) -> None:
    if predictions.shape != targets.shape:
        raise ValueError(f"shapes differ: {predictions.shape} and {targets.shape}")


def _class_task(
    name: str,
    columns: tuple[str, ...],
    rule: ClassRule | None = None,
    balanced: bool = False,
    macro: Mapping[str, tuple[str, ...]] | None = None,
) -> Task:
    return Task(
        name,
        columns,
        "log-loss",
        True,
        log_loss,
        valid_probabilities,
        is_classes=True,
        rule=rule,
        balanced=balanced,
        macro=macro or {},
    )


_QUESTIONS = tuple(GALAXY_ZOO_2.span(question) for question in GALAXY_ZOO_2.questions)
_HUBBLE_MACRO = {
    "elliptical": ("E_round", "E_intermediate", "E_cigar"),
    "spiral": ("edge_on_bulge", "edge_on_no_bulge", "S_early", "S_late", "SB"),
    # where the source system had its artifacts, which are too few here to learn and are dropped
    "peculiar": ("merger", "irregular"),
}
# Class names in the order of the numbers in astroNN's files
# (https://astronn.readthedocs.io/en/latest/galaxy10.html, "Galaxy10 SDSS" and "Galaxy10 DECaLS").
_GALAXY10 = (
    "disk_face_on_no_spiral",
    "smooth_completely_round",
    "smooth_in_between_round",
    "smooth_cigar_shaped",
    "disk_edge_on_rounded_bulge",
    "disk_edge_on_boxy_bulge",
    "disk_edge_on_no_bulge",
    "disk_face_on_tight_spiral",
    "disk_face_on_medium_spiral",
    "disk_face_on_loose_spiral",
)
_GALAXY10_DECALS = (
    "disturbed",
    "merging",
    "round_smooth",
    "in_between_round_smooth",
    "cigar_shaped_smooth",
    "barred_spiral",
    "unbarred_tight_spiral",
    "unbarred_loose_spiral",
    "edge_on_without_bulge",
    "edge_on_with_bulge",
)
TASKS = {
    task.name: task
    for task in (
        Task(COMPETITION_TASK, GALAXY_ZOO_2.columns, "RMSE", True, rmse, valid_votes, _QUESTIONS),
        _class_task(
            "elliptical_spiral",
            ("elliptical", "spiral"),
            ClassRule(label_rules.elliptical_spiral, label_rules.elliptical_spiral_shares),
        ),
        _class_task(
            "hubble10",
            tuple(name for names in _HUBBLE_MACRO.values() for name in names),
            ClassRule(label_rules.hubble10, label_rules.hubble10_shares),
            balanced=True,
            macro=_HUBBLE_MACRO,
        ),
        _class_task("galaxy10", _GALAXY10),
        _class_task("galaxy10_decals", _GALAXY10_DECALS),
        _class_task(
            "anomaly4",
            ("normal", "ringed", "merger", "irregular"),
            ClassRule(label_rules.anomaly4, label_rules.anomaly4_shares),
            balanced=True,
        ),
        _class_task(
            "zoo5",
            (
                "completely_round_smooth",
                "in_between_smooth",
                "cigar_shaped_smooth",
                "edge_on",
                "spiral",
            ),
            ClassRule(label_rules.zoo5, label_rules.zoo5_shares),
        ),
    )
}
