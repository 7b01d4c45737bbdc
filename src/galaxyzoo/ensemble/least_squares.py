"""What ensembles are fitted on: the out-of-fold rows of each fold, and their sums of products.

Least squares needs no rows, only these sums, and sums of folds add up. So blends fitted on any
number of sets of folds cost one pass over the rows in all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add

import numpy as np

BLOCKS = 50  # parts of a fold that a bootstrap draws; fewer where galaxies are


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

    def without_run(self, run: int) -> "Moments":
        """The same sums of the other runs; `run` is a number."""
        kept = np.delete(np.arange(len(self.features)).reshape(self.n_runs, -1), run, axis=0)
        rows = kept.ravel()
        return Moments(
            self.gram[np.ix_(rows, rows)],
            self.cross[rows],
            self.squares,
            self.features[rows],
            self.targets,
            self.count,
        )

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

    @cached_property
    def blocks(self) -> tuple[np.ndarray, np.ndarray]:
        """Normal equations as of `Moments.by_run` for all columns, of parts of the fold.

        Returns:
            (block, run, run) and (block, run), float64; block b holds every `BLOCKS`-th galaxy
            from the b-th on.
        """
        n_blocks = min(BLOCKS, len(self.targets))
        gram, cross = [], []
        for block in range(n_blocks):
            features = self.features[block::n_blocks].astype(np.float64)
            by_run = features.transpose(1, 0, 2).reshape(features.shape[1], -1)
            gram.append(by_run @ by_run.T)
            cross.append(by_run @ self.targets[block::n_blocks].ravel())
        return np.array(gram), np.array(cross)

    def without_run(self, run: int) -> "OofFold":
        """The same galaxies without one of the runs, by number."""
        features = np.delete(self.features, run, axis=1)
        return OofFold(features, self.targets, self.moments.without_run(run))


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
