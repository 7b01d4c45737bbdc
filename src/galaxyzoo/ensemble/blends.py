"""Blends: weighted sums of the runs, column by column, with fixed or fitted weights.

Greedy selection minimizes a given loss: of vote fractions the squared error, of class probabilities
the log-loss. Losses and least squares take raw predictions, scores are of what is submitted, after
`Task.project`, which differs slightly.

Source: the idea of comparing a uniform with fitted blends, and why the uniform one must be beaten
first: benanne/kaggle-galaxies.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from galaxyzoo.ensemble.least_squares import OofFold, total
from galaxyzoo.tasks.kinds import Task
from galaxyzoo.tasks.metrics import SMALLEST_PROBABILITY

ALL_COLUMNS = slice(None)
# (run,) how often each run has been drawn -> (run,) loss of the mean with each run drawn once more
DrawLoss = Callable[[np.ndarray], np.ndarray]


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


def fit_greedy(
    folds: Sequence[OofFold],
    task: Task,
    loss: Callable[[Sequence[OofFold]], DrawLoss],
    steps: int,
) -> Blend:
    """Greedy selection with replacement, the same weights for all columns.

    Draws, again and again, the run that helps the mean most, and keeps the best mean on the way;
    the shortest draw and the first run win ties.

    Args:
        folds: rows to fit on.
        task: whose columns share the weights.
        loss: `squared_error` or `log_loss`.
        steps: runs to draw at most, so that the finest weight is 1 / steps; one step picks the best
            single run.
    Source: Caruana et al. 2004 (ICML), "Ensemble selection from libraries of models", without its
        bagging.
    """
    losses_with = loss(folds)
    n_runs = folds[0].features.shape[1]
    counts, best, best_loss = np.zeros(n_runs), np.zeros(n_runs), np.inf
    for n in range(1, steps + 1):
        losses = losses_with(counts)
        drawn = losses.argmin()
        counts[drawn] += 1
        if losses[drawn] < best_loss:
            best, best_loss = counts / n, losses[drawn]
    return Blend(np.repeat(best[:, None], len(task.columns), axis=1))


def squared_error(folds: Sequence[OofFold]) -> DrawLoss:
    """Sums of squared errors of raw predictions, less the sum of squared targets."""
    gram, cross = total(folds).by_run(ALL_COLUMNS)

    def loss(counts: np.ndarray) -> np.ndarray:
        n = counts.sum() + 1
        pull = gram @ counts
        so_far = np.sum(counts * (pull - 2 * n * cross))
        return (so_far + 2 * pull + np.diag(gram) - 2 * n * cross) / n**2

    return loss


def log_loss(folds: Sequence[OofFold]) -> DrawLoss:
    """Mean log-losses of class probabilities, in nats."""
    # (galaxy, run) probability of the true class
    parts = [np.einsum("grc,gc->gr", fold.features, fold.targets) for fold in folds]
    likelihoods = np.maximum(np.concatenate(parts), SMALLEST_PROBABILITY)

    def loss(counts: np.ndarray) -> np.ndarray:
        summed = (likelihoods @ counts)[:, None] + likelihoods
        return -np.log(summed / (counts.sum() + 1)).mean(axis=0)

    return loss


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
