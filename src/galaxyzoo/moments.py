"""What ensembles are fitted on: the out-of-fold rows of each fold, and their sums of products.

Least squares needs no rows, only these sums, and sums of folds add up. So blends fitted on any
number of sets of folds cost one pass over the rows in all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over galaxies; "feature" counts every (run, column) pair, runs outermost."""

    gram: np.ndarray  # (feature, feature) sums of products of two features
    cross: np.ndarray  # (feature, column) sums of feature times target
    squares: np.ndarray  # (column,) sums of squared targets
    features: np.ndarray  # (feature,) sums of features
    targets: np.ndarray  # (column,) sums of targets
    count: int  # galaxies

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(
            self.gram + other.gram,
            self.cross + other.cross,
            self.squares + other.squares,
            self.features + other.features,
            self.targets + other.targets,
            self.count + other.count,
        )

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

    def squared_error(self, weights: np.ndarray, intercept: np.ndarray) -> np.ndarray:
        """Squared error of a linear model over the galaxies summed here.

        Args:
            weights: (feature, column).
            intercept: (column,).
        Returns:
            (column,) sums over galaxies of (features @ weights + intercept - targets)².
        """
        fit = np.sum(weights * (self.gram @ weights - 2 * self.cross), axis=0) + self.squares
        return fit + intercept * (
            2 * self.features @ weights - 2 * self.targets + self.count * intercept
        )


@dataclass(frozen=True, eq=False)
class OofFold:
    """Out-of-fold rows of one fold: what base models trained without it say of its galaxies."""

    # (galaxy, run, column) float32 predictions, runs in name order, ids ascending
    features: np.ndarray
    targets: np.ndarray  # (galaxy, column) float64
    moments: Moments


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
    sums = Moments(
        flat.T @ flat,
        flat.T @ targets,
        np.square(targets).sum(0),
        flat.sum(0),
        targets.sum(0),
        len(targets),
    )
    return OofFold(features, targets, sums)


def total(folds: Sequence[OofFold]) -> Moments:
    """Moments of several folds together; at least one fold."""
    return reduce(add, (fold.moments for fold in folds))
