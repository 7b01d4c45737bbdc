"""Blends: weighted sums of the runs, column by column, with fixed or fitted weights.

To add one: a function here, and its entry among the candidates in `selection.py`.

Both fits minimize the squared error of raw predictions; scores are of what is submitted, after
`Task.project`, which differs slightly.

Source: the idea of comparing a uniform with fitted blends, and why the uniform one must be beaten
first: benanne/kaggle-galaxies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from galaxyzoo.ensemble.least_squares import ALL_COLUMNS, OofFold, total
from galaxyzoo.tasks.kinds import Task


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
        by_run = {}
        for run, weights in zip(runs, self.weights.tolist(), strict=True):
            by_run[run] = dict(zip(task.columns, weights, strict=True))
        return {"weights": by_run}


def fit_mean(folds: Sequence[OofFold], task: Task) -> Blend:
    """Uniform mean of all runs; nothing is fitted."""
    n_runs = folds[0].features.shape[1]
    return Blend(np.full((n_runs, len(task.columns)), 1.0 / n_runs))


def fit_greedy(folds: Sequence[OofFold], task: Task, steps: int = 100) -> Blend:
    """Greedy selection with replacement, the same weights for all columns.

    Draws, again and again, the run that helps the mean most, and keeps the best mean on the way;
    the shortest draw and the first run win ties.

    Args:
        folds: rows to fit on.
        task: whose columns share the weights.
        steps: runs to draw at most, so that the finest weight is 1 / steps.
    Examples:
        >>> from galaxyzoo.ensemble.least_squares import make_fold
        >>> from galaxyzoo.tasks.registry import get_task
        >>> targets = np.random.default_rng(0).random((9, 37))
        >>> features = np.stack([targets, targets + 0.3], axis=1)  # the second run is off
        >>> fit_greedy([make_fold(features, targets)], get_task("gz37")).weights[:, 0].tolist()
        [1.0, 0.0]

    Source: Caruana et al. 2004 (ICML), "Ensemble selection from libraries of models", without its
        bagging.
    """
    gram, cross = total(folds).by_run(ALL_COLUMNS)
    counts = np.zeros(len(cross))  # how often each run has been drawn
    best_weights = np.zeros(len(cross))
    best_loss = np.inf
    for step in range(1, steps + 1):
        # (run,) squared error, less the targets' squares, of the mean with each run drawn once more
        products = gram @ counts
        before = np.sum(counts * (products - 2 * step * cross))
        losses = (before + 2 * products + np.diag(gram) - 2 * step * cross) / step**2
        drawn = losses.argmin()
        counts[drawn] += 1
        if losses[drawn] < best_loss:
            best_weights = counts / step
            best_loss = losses[drawn]
    return Blend(np.repeat(best_weights[:, None], len(task.columns), axis=1))


def fit_nnls(folds: Sequence[OofFold], task: Task) -> Blend:
    """Non-negative least squares: one weight per run and group of columns (a question's answers).

    The weights are not made to sum to one: for calibrated runs least squares lands there by itself,
    and where runs are over-confident a smaller sum is what it should find. `Task.project`
    restores the answers' sums.

    Examples:
        >>> from galaxyzoo.ensemble.least_squares import make_fold
        >>> from galaxyzoo.tasks.registry import get_task
        >>> targets = np.random.default_rng(0).random((9, 37))
        >>> features = np.stack([targets / 2, np.zeros((9, 37))], axis=1)
        >>> blend = fit_nnls([make_fold(features, targets)], get_task("gz37"))
        >>> blend.weights[:, 0].round(3).tolist()
        [2.0, 0.0]
    """
    sums = total(folds)
    weights = np.empty((sums.n_runs, len(task.columns)))
    for columns in task.groups:
        gram, cross = sums.by_run(columns)
        weights[:, columns] = nnls_weights(gram, cross)[:, None]
    return Blend(weights)


def nnls_weights(gram: np.ndarray, cross: np.ndarray) -> np.ndarray:
    """Non-negative weights that minimize w·gram·w - 2 w·cross, also where runs are copies.

    Args:
        gram: (run, run) sums of products of predictions.
        cross: (run,) sums of products with the targets.
    Returns:
        (run,) weights >= 0.
    """
    weights = np.zeros(len(cross))
    lengths = np.sqrt(np.diag(gram))
    used = lengths > 0  # the weight of a run that is always zero would be rounding noise
    if not used.any():
        return weights

    # All of one length, or the part of a short one would go where rounding is cut off.
    lengths = lengths[used]
    gram = gram[np.ix_(used, used)] / np.outer(lengths, lengths)
    cross = cross[used] / lengths
    eigenvalues, eigenvectors = np.linalg.eigh(gram)
    rounding = eigenvalues[-1] * len(eigenvalues) * np.finfo(np.float64).eps
    is_regular = eigenvalues > rounding
    root = np.sqrt(eigenvalues[is_regular])
    vectors = eigenvectors[:, is_regular].T

    # The same problem as rows: |root·vectors w - vectors cross / root|² has these products.
    from scipy.optimize import nnls  # here: it takes a second to import

    scaled, _ = nnls(root[:, None] * vectors, vectors @ cross / root)
    weights[used] = scaled / lengths
    return weights
