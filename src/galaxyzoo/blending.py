"""Blends: each run has a weight, fixed or fitted; a column is blended from that column of the runs.

Fitted blends minimise the squared error of raw predictions (for class probabilities, the Brier
score), because then `Moments` are enough. They are scored as submitted, after `Task.make_valid`,
which differs slightly.

Source: the idea of comparing a uniform with fitted blends, and why the uniform one must be beaten
first: benanne/kaggle-galaxies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.optimize import nnls

from galaxyzoo.moments import OofFold, total
from galaxyzoo.tasks import Task

GREEDY_STEPS = 100  # runs drawn at most; the finest weight is then 1/100
ALL_COLUMNS = slice(None)


class MetaModel(Protocol):
    """What every fitted candidate can do."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(galaxy, run, column) predictions of runs -> (galaxy, column) raw ones, float64."""

    def about(self, runs: Sequence[str], task: Task) -> dict[str, Any]:
        """What the score card says of it: weights or settings, plain types."""


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


def fit_mean(folds: Sequence[OofFold], task: Task, _seed: int) -> Blend:
    """Uniform mean of all runs; nothing is fitted."""
    return Blend(uniform_weights(folds[0].features.shape[1], len(task.columns)))


def fit_best(folds: Sequence[OofFold], task: Task, _seed: int) -> Blend:
    """The one run with the smallest squared error on the folds; the first by name among equals."""
    gram, cross = total(folds).by_run(ALL_COLUMNS)
    chosen = np.eye(len(cross))[np.argmin(np.diag(gram) - 2 * cross)]
    return shared_weights(chosen, task)


def fit_greedy(folds: Sequence[OofFold], task: Task, _seed: int) -> Blend:
    """Greedy selection with replacement, the same weights for all columns.

    Source: Caruana et al. 2004 (ICML), "Ensemble selection from libraries of models"; without its
    bagging, which guards against overfitting thousands of models, where here there are a few.
    """
    gram, cross = total(folds).by_run(ALL_COLUMNS)
    return shared_weights(greedy_weights(gram, cross), task)


def greedy_weights(gram: np.ndarray, cross: np.ndarray, steps: int = GREEDY_STEPS) -> np.ndarray:
    """Draw, again and again, the run that helps the mean most; keep the best mean on the way.

    Args:
        gram: (run, run) sums of products of predictions.
        cross: (run,) sums of products with the targets.
        steps: runs to draw.
    Returns:
        (run,) weights, multiples of 1/n that sum to one; the shortest draw and the first run win
        ties.
    """
    counts, best, best_error = np.zeros(len(cross)), np.zeros(len(cross)), np.inf
    for n in range(1, steps + 1):
        pull = gram @ counts
        # n² times the squared error of the mean with each run added, less the targets' own squares
        errors = counts @ pull + 2 * pull + np.diag(gram) - 2 * n * (counts @ cross + cross)
        drawn = int(np.argmin(errors))
        counts[drawn] += 1
        if errors[drawn] / n**2 < best_error:
            best, best_error = counts / n, errors[drawn] / n**2
    return best


def fit_nnls(folds: Sequence[OofFold], task: Task, _seed: int) -> Blend:
    """Non-negative least squares: one weight per run and group of columns (a question's answers).

    The weights are not made to sum to one: for calibrated runs least squares lands there by itself,
    and where runs are over-confident a smaller sum is what it should find. `Task.make_valid`
    restores the answers' sums.
    """
    moments, weights = total(folds), uniform_weights(folds[0].features.shape[1], len(task.columns))
    for columns in task.groups:
        weights[:, columns] = nnls_weights(*moments.by_run(columns))[:, None]
    return Blend(weights)


def nnls_weights(gram: np.ndarray, cross: np.ndarray) -> np.ndarray:
    """Non-negative weights that minimise w·gram·w - 2 w·cross, also where runs are copies.

    Args:
        gram: (run, run) sums of products of predictions.
        cross: (run,) sums of products with the targets.
    Returns:
        (run,) weights >= 0.
    """
    weights, lengths = np.zeros(len(cross)), np.sqrt(np.diag(gram))
    told = lengths > 0  # a run that is always zero has nothing to say, and rounding speaks for it
    if not told.any():
        return weights
    # All of one length, or the part of a short one would go where rounding is cut off.
    lengths = lengths[told]
    gram, cross = gram[np.ix_(told, told)] / np.outer(lengths, lengths), cross[told] / lengths
    values, vectors = np.linalg.eigh(gram)
    kept = values > values[-1] * len(values) * np.finfo(np.float64).eps
    root = np.sqrt(values[kept])
    # The same problem as rows: |root·vectorsᵀ w - vectorsᵀ cross / root|² has these products.
    found = nnls(root[:, None] * vectors[:, kept].T, vectors[:, kept].T @ cross / root)[0]
    weights[told] = found / lengths
    return weights


def shared_weights(weights: np.ndarray, task: Task) -> Blend:
    """A blend whose columns all have the same (run,) weights."""
    return Blend(np.repeat(weights[:, None], len(task.columns), axis=1))
