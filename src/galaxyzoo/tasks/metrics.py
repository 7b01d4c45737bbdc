"""Scores of predictions, and the standard error of a difference between two of them.

The standard error counts the draw of the galaxies alone: training the same networks again would
move both predictions by more.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# The least that a log-loss counts, so that one wrong, certain prediction does not decide it
MIN_PROBABILITY = 1e-6
_ROUNDING = 1e-12  # blends that are the same differ by no more


@dataclass(frozen=True)
class Difference:
    """A difference of two scores on the same galaxies."""

    value: float  # below 0 where the first is better
    error: float  # standard error over galaxies, each compared with itself

    @property
    def is_within_error(self) -> bool:
        """Check whether the first is worse by no more than one standard error."""
        return self.value <= self.error + _ROUNDING


def rmse(predictions: np.ndarray, targets: np.ndarray) -> float:
    """Root of the mean squared error over all galaxies and columns, as the competition scores.

    Examples:
        >>> rmse(np.array([[0.0, 1.0]]), np.array([[0.3, 0.6]]))
        0.3535533905932738
    """
    _check_shapes(predictions, targets)
    errors = predictions.astype(np.float64) - targets.astype(np.float64)
    return float(np.sqrt(np.mean(np.square(errors))))


def log_loss(predictions: np.ndarray, targets: np.ndarray) -> float:
    """Mean over galaxies of -sum(targets · log(predictions)), in nats.

    Args:
        predictions: (galaxy, class) probabilities; below `MIN_PROBABILITY` they count as that.
        targets: (galaxy, class) one-hot classes. Of one column alone: its part of the whole.
    Examples:
        >>> round(log_loss(np.array([[0.5, 0.5], [0.1, 0.9]]), np.array([[1, 0], [0, 1]])), 4)
        0.3993
    """
    _check_shapes(predictions, targets)
    logs = np.log(np.maximum(predictions.astype(np.float64), MIN_PROBABILITY))
    return float(-np.sum(targets * logs) / len(targets))


def mean_recall(truth: np.ndarray, decided: np.ndarray) -> float:
    """Mean recall over the classes that occur: balanced accuracy, of (galaxy,) class numbers.

    Examples:
        >>> mean_recall(truth=np.array([0, 0, 0, 1]), decided=np.array([0, 0, 0, 0]))
        0.5
    """
    recalls = [np.mean(decided[truth == k] == k) for k in np.unique(truth)]
    return float(np.mean(recalls))


def jackknife(
    ours: np.ndarray, theirs: np.ndarray, score: Callable[[np.ndarray], np.ndarray]
) -> Difference:
    """Difference of two scores, ours less theirs, with its standard error.

    Args:
        ours: (galaxy,) losses.
        theirs: (galaxy,) losses of the same galaxies.
        score: mean losses -> scores, element by element.
    Returns:
        The difference and its standard error; the error of a single galaxy is 0.
    Examples:
        >>> ours, theirs = np.array([0.1, 0.3]), np.array([0.2, 0.2])
        >>> difference = jackknife(ours, theirs, score=lambda mean: mean)
        >>> round(difference.value, 3), round(difference.error, 3)
        (0.0, 0.1)

    Source: jackknife over galaxies (Shao and Tu 1995), which follows a root in the score too.
    """
    value = float(score(ours.mean()) - score(theirs.mean()))
    n = len(ours)
    if n < 2:
        return Difference(value, 0.0)
    # (galaxy,) scores and their difference where one galaxy is left out
    our_scores = score((ours.sum() - ours) / (n - 1))
    their_scores = score((theirs.sum() - theirs) / (n - 1))
    differences = our_scores - their_scores
    variance = (n - 1) / n * np.sum(np.square(differences - differences.mean()))
    return Difference(value, float(np.sqrt(variance)))


def _check_shapes(predictions: np.ndarray, targets: np.ndarray) -> None:
    if predictions.shape != targets.shape:
        raise ValueError(f"shapes differ: {predictions.shape} and {targets.shape}")
