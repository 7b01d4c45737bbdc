"""How sure a difference of two scores is: both are taken on the same galaxies."""

import numpy as np

from galaxyzoo.tasks import Task

JACKKNIFE_BLOCKS = 100  # gives a standard error to about 7 %


def paired_difference(
    task: Task, ours: np.ndarray, others: np.ndarray, targets: np.ndarray
) -> tuple[float, float]:
    """How the scores of two sets of predictions of the same galaxies differ.

    Args:
        task: whose score is taken.
        ours: (galaxy, column) predictions.
        others: (galaxy, column), rows as above.
        targets: (galaxy, column), rows as above.
    Returns:
        Difference (ours - others) and its standard error over galaxies, each compared with itself.
    Source: delete-a-group jackknife (Shao and Tu 1995), which works for any score; a group is every
        n-th galaxy.
    """
    n_blocks = min(JACKKNIFE_BLOCKS, len(ours))
    block = np.arange(len(ours)) % n_blocks

    def difference(rows: np.ndarray) -> float:
        return task.score(ours[rows], targets[rows]) - task.score(others[rows], targets[rows])

    left = np.array([difference(block != number) for number in range(n_blocks)])
    variance = (n_blocks - 1) / n_blocks * np.sum(np.square(left - left.mean()))
    return difference(np.ones(len(ours), dtype=bool)), float(np.sqrt(variance))
