"""Out-of-fold rows of each fold, and the sums of products by which least squares is fitted on them.

Least squares needs these sums alone, and the sums of folds add up: linear meta-models fitted on any
number of sets of folds cost one pass over the rows in all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import reduce
from operator import add

import numpy as np


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """Sums over galaxies; "feature" counts every (run, column) pair, runs outermost."""

    gram: np.ndarray  # (feature, feature) sums of products of two features
    cross: np.ndarray  # (feature, column) sums of feature times target
    squares: np.ndarray  # (column,) sums of squared targets
    features: np.ndarray  # (feature,) sums of features
    targets: np.ndarray  # (column,) sums of targets
    count: int  # galaxies

    def __add__(self, other: "LeastSquares") -> "LeastSquares":
        names = [field.name for field in fields(self)]
        return LeastSquares(*(getattr(self, name) + getattr(other, name) for name in names))

    @property
    def n_runs(self) -> int:
        """Number of base models."""
        return len(self.features) // len(self.targets)

    def by_run(self, columns: slice) -> tuple[np.ndarray, np.ndarray]:
        """Normal equations of one weight per run, shared by the given columns.

        Args:
            columns: columns whose squared errors are added up.
        Returns:
            (run, run) products of predictions, (run,) products with targets, each column with
            itself only.
        """
        n_columns = len(self.targets)
        gram = self.gram.reshape(self.n_runs, n_columns, self.n_runs, n_columns)
        cross = self.cross.reshape(self.n_runs, n_columns, n_columns)
        own_gram, own_cross = np.einsum("rcsc->crs", gram), np.einsum("rcc->cr", cross)
        return own_gram[columns].sum(axis=0), own_cross[columns].sum(axis=0)

    def without_run(self, run: int) -> "LeastSquares":
        """Return the sums without one of the runs, by number."""
        remaining = np.delete(np.arange(len(self.features)).reshape(self.n_runs, -1), run, axis=0)
        rows = remaining.ravel()
        gram, cross = self.gram[np.ix_(rows, rows)], self.cross[rows]
        return replace(self, gram=gram, cross=cross, features=self.features[rows])

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
    sums = LeastSquares(
        flat.T @ flat,
        flat.T @ targets,
        np.square(targets).sum(0),
        flat.sum(0),
        targets.sum(0),
        len(targets),
    )
    return OofFold(features, targets, sums)


def total(folds: Sequence[OofFold]) -> LeastSquares:
    """Sums of several folds together; at least one fold."""
    return reduce(add, (fold.sums for fold in folds))
