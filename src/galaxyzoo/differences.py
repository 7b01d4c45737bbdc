"""How far apart two predictions of the same galaxies are in score, and the error of that.

Only the draw of the galaxies is in the standard error: other trainings of the same networks would
move both predictions by more.
"""

from dataclasses import dataclass

import numpy as np

from galaxyzoo.tasks import SMALLEST_PROBABILITY, Task

_ROUNDING = 1e-12  # blends that are the same differ by no more


@dataclass(frozen=True)
class Difference:
    """A difference of two scores on the same galaxies."""

    value: float  # below 0 where the first is better
    error: float  # standard error over galaxies, each compared with itself

    @property
    def is_within_error(self) -> bool:
        """Whether the first is worse by no more than one standard error."""
        return self.value <= self.error + _ROUNDING


def galaxy_losses(task: Task, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """What the task's score averages, by galaxy; the lower the better.

    Args:
        task: the task.
        predictions: (galaxy, column), as they would be submitted.
        targets: (galaxy, column).
    Returns:
        (galaxy,) squared error, mean over columns; of classes the log-loss, in nats.
    """
    if task.is_classes:
        return -np.sum(targets * np.log(np.maximum(predictions, SMALLEST_PROBABILITY)), axis=1)
    return np.square(predictions - targets).mean(axis=1)


def score_of(task: Task, mean_loss: np.ndarray) -> np.ndarray:
    """Means of `galaxy_losses` as scores: the root of squared errors, a log-loss as it is."""
    return mean_loss if task.is_classes else np.sqrt(np.maximum(mean_loss, 0.0))


def difference(task: Task, ours: np.ndarray, theirs: np.ndarray) -> Difference:
    """Difference of two scores, ours less theirs.

    Args:
        task: the task.
        ours: (galaxy,) `galaxy_losses`.
        theirs: (galaxy,) of the same galaxies.
    Returns:
        The difference and its standard error; the error of a single galaxy is 0.
    Source: jackknife over galaxies (Shao and Tu 1995), which follows the root in the score too.
    """
    n = len(ours)
    value = float(score_of(task, ours.mean()) - score_of(task, theirs.mean()))
    if n < 2:
        return Difference(value, 0.0)
    # (galaxy,) the difference where one galaxy is left out
    left = score_of(task, (ours.sum() - ours) / (n - 1)) - score_of(
        task, (theirs.sum() - theirs) / (n - 1)
    )
    variance = (n - 1) / n * np.sum(np.square(left - left.mean()))
    return Difference(value, float(np.sqrt(variance)))
