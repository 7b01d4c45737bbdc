"""Rows of a fold and their sums of products, from which linear models are fitted.

Sums of several folds add up, so each fold's rows are multiplied once, whatever is fitted on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

ALL_COLUMNS = slice(None)


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """Sums over galaxies; "feature" counts every (run, column) pair, runs outermost."""

    gram: np.ndarray  # (feature, feature) sums of products of two features
    cross: np.ndarray  # (feature, column) sums of feature times target
    squares: np.ndarray  # (column,) sums of squared targets
    count: int  # galaxies

    def __add__(self, other: "LeastSquares") -> "LeastSquares":
        return LeastSquares(
            gram=self.gram + other.gram,
            cross=self.cross + other.cross,
            squares=self.squares + other.squares,
            count=self.count + other.count,
        )

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
        same_column_gram = np.einsum("rcsc->crs", gram)
        same_column_cross = np.einsum("rcc->cr", cross)
        return same_column_gram[columns].sum(axis=0), same_column_cross[columns].sum(axis=0)

    def without_run(self, run: int) -> "LeastSquares":
        """Return the sums without one of the runs, by number."""
        features = np.arange(len(self.cross)).reshape(self.n_runs, -1)  # (run, column)
        remaining = np.delete(features, run, axis=0).ravel()
        return replace(
            self, gram=self.gram[np.ix_(remaining, remaining)], cross=self.cross[remaining]
        )

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
    sums = folds[0].sums
    for fold in folds[1:]:
        sums = sums + fold.sums
    return sums
