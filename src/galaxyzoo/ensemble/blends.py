"""Blends: weighted sums of the runs, column by column, with fixed or fitted weights.

Both fits minimize the squared error of raw predictions; scores are of what is submitted, after
`Task.project`, which differs slightly.

Source: the idea of comparing a uniform with fitted blends, and why the uniform one must be beaten
first: benanne/kaggle-galaxies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from galaxyzoo.ensemble.least_squares import OofFold, total
from galaxyzoo.tasks.kinds import Task

ALL_COLUMNS = slice(None)


class MetaModel(Protocol):
    """A fitted candidate."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(galaxy, run, column) predictions of runs -> (galaxy, column) raw ones, float64."""

    def about(self, runs: Sequence[str], task: Task) -> dict[str, Any]:
        """Weights or settings for the score card, plain types."""


@dataclass(frozen=True, eq=False)
class Blend:
    """A weighted sum of the runs, column by column."""

    weights: np.ndarray  # (run, column)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(galaxy, run, column) -> (galaxy, column), float64."""
        return np.einsum("grc,rc->gc", features, self.weights)

    def about(self, runs: Sequence[str], task: Task) -> dict[str, Any]:
        """Weights: one number per run where all columns share it, else one per run and column."""
        if (self.weights == self.weights[:, :1]).all():
            return {"weights": dict(zip(runs, self.weights[:, 0].tolist(), strict=True))}
        rows = (dict(zip(task.columns, row.tolist(), strict=True)) for row in self.weights)
        return {"weights": dict(zip(runs, rows, strict=True))}


def uniform_weights(n_runs: int, n_columns: int) -> np.ndarray:
    """(run, column) equal weights that sum to one."""
    return np.full((n_runs, n_columns), 1.0 / n_runs)


def fit_mean(folds: Sequence[OofFold], task: Task) -> Blend:
    """Uniform mean of all runs; nothing is fitted."""
    return Blend(uniform_weights(folds[0].features.shape[1], len(task.columns)))


def fit_greedy(folds: Sequence[OofFold], task: Task, steps: int = 100) -> Blend:
    """Greedy selection with replacement, the same weights for all columns.

    Draws, again and again, the run that helps the mean most, and keeps the best mean on the way;
    the shortest draw and the first run win ties.

    Args:
        folds: rows to fit on.
        task: whose columns share the weights.
        steps: runs to draw at most, so that the finest weight is 1 / steps.
    Source: Caruana et al. 2004 (ICML), "Ensemble selection from libraries of models", without its
        bagging.
    """
    gram, cross = total(folds).by_run(ALL_COLUMNS)
    counts, best, best_loss = np.zeros(len(cross)), np.zeros(len(cross)), np.inf
    for n in range(1, steps + 1):
        # (run,) squared error, less the targets' squares, of the mean with each run drawn once more
        pull = gram @ counts
        before = np.sum(counts * (pull - 2 * n * cross))
        losses = (before + 2 * pull + np.diag(gram) - 2 * n * cross) / n**2
        drawn = losses.argmin()
        counts[drawn] += 1
        if losses[drawn] < best_loss:
            best, best_loss = counts / n, losses[drawn]
    return Blend(np.repeat(best[:, None], len(task.columns), axis=1))


def fit_nnls(folds: Sequence[OofFold], task: Task) -> Blend:
    """Non-negative least squares: one weight per run and group of columns (a question's answers).

    The weights are not made to sum to one: for calibrated runs least squares lands there by itself,
    and where runs are over-confident a smaller sum is what it should find. `Task.project`
    restores the answers' sums.
    """
    sums, weights = total(folds), uniform_weights(folds[0].features.shape[1], len(task.columns))
    for columns in task.groups:
        weights[:, columns] = nnls_weights(*sums.by_run(columns))[:, None]
    return Blend(weights)


def nnls_weights(gram: np.ndarray, cross: np.ndarray) -> np.ndarray:
    """Non-negative weights that minimize w·gram·w - 2 w·cross, also where runs are copies.

    Args:
        gram: (run, run) sums of products of predictions.
        cross: (run,) sums of products with the targets.
    Returns:
        (run,) weights >= 0.
    """
    weights, lengths = np.zeros(len(cross)), np.sqrt(np.diag(gram))
    used = lengths > 0  # the weight of a run that is always zero would be rounding noise
    if not used.any():
        return weights
    # All of one length, or the part of a short one would go where rounding is cut off.
    lengths = lengths[used]
    gram, cross = gram[np.ix_(used, used)] / np.outer(lengths, lengths), cross[used] / lengths
    values, vectors = np.linalg.eigh(gram)
    regular = values > values[-1] * len(values) * np.finfo(np.float64).eps
    root = np.sqrt(values[regular])
    # The same problem as rows: |root·vectorsᵀ w - vectorsᵀ cross / root|² has these products.
    from scipy.optimize import nnls  # here: it takes a second to import

    scaled = nnls(root[:, None] * vectors[:, regular].T, vectors[:, regular].T @ cross / root)[0]
    weights[used] = scaled / lengths
    return weights
