"""Blends: weighted sums of the runs, column by column, with fixed or fitted weights.

To add one: a function here, and its entry among the candidates in `selection.py`.

Both fits minimize the squared error of raw predictions; scores are of what is submitted, after
`Task.project`, which differs slightly.

Source: the idea of comparing a uniform with fitted blends, and why the uniform one must be beaten
first: benanne/kaggle-galaxies.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import reduce
from operator import add
from typing import Any, Protocol

import numpy as np

from galaxyzoo.tasks.kinds import Task


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """Sums over galaxies; "feature" counts every (run, column) pair, runs outermost."""

    gram: np.ndarray  # (feature, feature) sums of products of two features
    cross: np.ndarray  # (feature, column) sums of feature times target
    squares: np.ndarray  # (column,) sums of squared targets
    count: int  # galaxies

    def __add__(self, other: "LeastSquares") -> "LeastSquares":
        names = [field.name for field in fields(self)]
        return LeastSquares(*(getattr(self, name) + getattr(other, name) for name in names))

    @property
    def n_runs(self) -> int:
        """Number of base models."""
        return len(self.cross) // len(self.squares)

    def by_run(self, columns: slice) -> tuple[np.ndarray, np.ndarray]:
        """Normal equations of one weight per run, shared by the given columns.

        Args:
            columns: columns whose squared errors are added up.
        Returns:
            (run, run) products of predictions, (run,) products with targets, each column with
            itself only.
        """
        n_columns = len(self.squares)
        gram = self.gram.reshape(self.n_runs, n_columns, self.n_runs, n_columns)
        cross = self.cross.reshape(self.n_runs, n_columns, n_columns)
        own_gram, own_cross = np.einsum("rcsc->crs", gram), np.einsum("rcc->cr", cross)
        return own_gram[columns].sum(axis=0), own_cross[columns].sum(axis=0)

    def without_run(self, run: int) -> "LeastSquares":
        """Return the sums without one of the runs, by number."""
        remaining = np.delete(np.arange(len(self.cross)).reshape(self.n_runs, -1), run, axis=0)
        rows = remaining.ravel()
        return replace(self, gram=self.gram[np.ix_(rows, rows)], cross=self.cross[rows])

    def squared_error(self, weights: np.ndarray) -> np.ndarray:
        """Squared error of a linear model on the galaxies summed here.

        Args:
            weights: (feature, column).
        Returns:
            (column,) sums over galaxies of (features @ weights - targets)².
        """
        return np.sum(weights * (self.gram @ weights - 2 * self.cross), axis=0) + self.squares


@dataclass(frozen=True, eq=False)
class OofFold:
    """Rows of one fold: predictions of its galaxies by base models trained without the fold."""

    # (galaxy, run, column) float32 predictions, runs in name order, ids ascending
    features: np.ndarray
    targets: np.ndarray  # (galaxy, column) float64
    sums: LeastSquares

    def without_run(self, run: int) -> "OofFold":
        """Return the galaxies without one of the runs, by number."""
        features = np.delete(self.features, run, axis=1)
        return OofFold(features, self.targets, self.sums.without_run(run))


def make_fold(features: np.ndarray, targets: np.ndarray) -> OofFold:
    """Gather one fold's rows and sum their products in float64.

    Args:
        features: (galaxy, run, column) predictions.
        targets: (galaxy, column).
    Returns:
        The fold; its rows are kept as float32: half the memory, and a vote fraction moves by 6e-8
        at most.
    """
    features = np.ascontiguousarray(features, dtype=np.float32)
    flat = features.reshape(len(features), -1).astype(np.float64)
    targets = np.asarray(targets, dtype=np.float64)
    squares = np.square(targets).sum(axis=0)
    sums = LeastSquares(flat.T @ flat, flat.T @ targets, squares, len(targets))
    return OofFold(features, targets, sums)


def total(folds: Sequence[OofFold]) -> LeastSquares:
    """Sums of several folds together; at least one fold."""
    return reduce(add, (fold.sums for fold in folds))


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
        >>> from galaxyzoo.tasks.registry import get_task
        >>> targets = np.random.default_rng(0).random((9, 37))
        >>> features = np.stack([targets, targets + 0.3], axis=1)  # the second run is off
        >>> fit_greedy([make_fold(features, targets)], get_task("gz37")).weights[:, 0].tolist()
        [1.0, 0.0]

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

    Examples:
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
