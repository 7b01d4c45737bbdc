"""Blends: each run has a weight, fixed or fitted; a column is blended from that column of the runs.

Fitted blends minimise the squared error of raw predictions (for class probabilities, the Brier
score), because then `Moments` are enough. They are scored as submitted, after `Task.project`,
which differs slightly.

Source: the idea of comparing a uniform with fitted blends, and why the uniform one must be beaten
first: benanne/kaggle-galaxies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.optimize import nnls

from galaxyzoo.ensemble.least_squares import OofFold, total
from galaxyzoo.tasks.registry import Task

GREEDY_STEPS = 100  # runs drawn at most; the finest weight is then 1/100
BAGS = 20
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

    Source: Caruana et al. 2004 (ICML), "Ensemble selection from libraries of models".
    """
    gram, cross = total(folds).by_run(ALL_COLUMNS)
    return shared_weights(greedy_weights(gram, cross), task)


def fit_bagged(folds: Sequence[OofFold], task: Task, seed: int) -> Blend:
    """Mean of the weights of greedy selections on resampled galaxies.

    A bag is a bootstrap of the folds' blocks of galaxies. It holds every run: halves of the runs,
    which keep thousands of models from being overfitted, would of three runs leave one or two.

    Source: Caruana et al. 2004 (ICML), section 2.3, where a bag is a random part of the models.
    """
    blocks = [fold.blocks for fold in folds]
    gram = np.concatenate([gram for gram, _ in blocks])  # (block, run, run)
    cross = np.concatenate([cross for _, cross in blocks])  # (block, run)
    rng = np.random.default_rng(seed)
    # (bag, block) how often a block is drawn; the blocks are of one size, but for a galaxy
    drawn = rng.multinomial(len(gram), np.full(len(gram), 1 / len(gram)), size=BAGS)
    drawn = drawn.astype(np.float64)
    bags = greedy_weights(np.tensordot(drawn, gram, 1), drawn @ cross)
    return shared_weights(bags.mean(axis=0), task)


def greedy_weights(gram: np.ndarray, cross: np.ndarray, steps: int = GREEDY_STEPS) -> np.ndarray:
    """Draw, again and again, the run that helps the mean most; keep the best mean on the way.

    Args:
        gram: (run, run) sums of products of predictions; or of several bags, (bag, run, run).
        cross: (run,) sums of products with the targets; or (bag, run).
        steps: runs to draw.
    Returns:
        Weights of `cross`'s shape, multiples of 1/n that sum to one; the shortest draw and the
        first run win ties.
    """
    counts, best = np.zeros_like(cross), np.zeros_like(cross)
    best_error, own = np.full((*cross.shape[:-1], 1), np.inf), np.einsum("...rr->...r", gram)
    for n in range(1, steps + 1):
        pull = (gram @ counts[..., None])[..., 0]
        # n² times the squared error of the mean with each run added, less the targets' own squares
        so_far = np.sum(counts * (pull - 2 * n * cross), axis=-1, keepdims=True)
        errors = so_far + 2 * pull + own - 2 * n * cross
        drawn = errors.argmin(axis=-1, keepdims=True)
        np.put_along_axis(counts, drawn, np.take_along_axis(counts, drawn, -1) + 1, -1)
        error = np.take_along_axis(errors, drawn, -1) / n**2
        best = np.where(error < best_error, counts / n, best)
        best_error = np.minimum(error, best_error)
    return best


def fit_nnls_shared(folds: Sequence[OofFold], task: Task, _seed: int) -> Blend:
    """Non-negative least squares: one weight per run, the same for all columns."""
    return shared_weights(nnls_weights(*total(folds).by_run(ALL_COLUMNS)), task)


def fit_nnls(folds: Sequence[OofFold], task: Task, _seed: int) -> Blend:
    """Non-negative least squares: one weight per run and group of columns (a question's answers).

    The weights are not made to sum to one: for calibrated runs least squares lands there by itself,
    and where runs are over-confident a smaller sum is what it should find. `Task.project`
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
