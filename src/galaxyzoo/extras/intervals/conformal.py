"""Calibrate conformal intervals of one column's predictions.

From the cross-fitted predictions of the training galaxies, each fold held out in turn:
- a scale, the expected absolute error of a galaxy, is fitted by non-negative least squares on its
  features;
- galaxies are binned by their prediction, because rare answers err to one side only; the two limits
  of a bin are quantiles of its errors divided by their scales, which are fitted without their fold;
- if one bound is already 0 or 1, the other gets the whole error budget.

Sources: Lei et al. 2018 (JASA 113, 1094), section 5.2, for errors over a fitted scale; Vovk 2012
(ACML), "Conditional validity of inductive conformal predictors", for a calibration per bin; Vovk
2015 (Ann. Math. Artif. Intell. 74, 9), cross-conformal prediction, for pooling the folds' errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from galaxyzoo.ensemble import blends

MAX_BINS = 10
MIN_GALAXIES = 200  # of a bin: fewer leave a tail of 2.5 % to one galaxy or two
MIN_SCALE = 1e-4  # so that an error over its scale stays a number
_ROUNDING = 1e-9  # a limit nearer to a bound is at the bound
NO_FOLDS: frozenset[int] = frozenset()


@dataclass(frozen=True, eq=False)
class Calibration:
    """Calibrated widths of one column's prediction intervals."""

    weights: np.ndarray  # (feature,) of the scale
    edges: np.ndarray  # (bin - 1,) between bins of predictions, ascending
    limits: np.ndarray  # (level, bin, 2) as of `find_limits`

    def intervals(self, predictions: np.ndarray, features: np.ndarray) -> np.ndarray:
        """(row,) predictions and (row, feature) features -> (level, row, 2) bounds, 0 to 1.

        Each interval holds its prediction.
        """
        limits = self.limits[:, np.searchsorted(self.edges, predictions, "right")]
        bounds = predictions[:, None] + limits * _scales(features, self.weights)[:, None]
        lower = np.minimum(bounds[..., 0], predictions)  # limits may be infinite
        upper = np.maximum(bounds[..., 1], predictions)
        return np.clip(np.stack([lower, upper], axis=-1), 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class FoldSums:
    """Sums over the galaxies of a fold, from which least squares are solved."""

    gram: np.ndarray  # (feature, feature) Gram matrix of the features
    cross: np.ndarray  # (feature,) products of the features with the absolute errors


@dataclass(frozen=True, eq=False)
class Column:
    """Training galaxies of one column, on which its intervals are calibrated."""

    predictions: np.ndarray  # (galaxy,) each from a fit without its fold, 0 to 1
    features: np.ndarray  # (galaxy, feature) >= 0, of the scale
    targets: np.ndarray  # (galaxy,)
    folds: np.ndarray  # (galaxy,)

    def calibrate(self, levels: Sequence[float], without: frozenset[int] = NO_FOLDS) -> Calibration:
        """Calibrate intervals, leaving out some folds.

        Args:
            levels: shares of galaxies whose target the intervals should cover, 0 to 1.
            without: folds whose targets are not used; at least two must remain.
        """
        rows = ~np.isin(self.folds, list(without))
        predictions = self.predictions[rows]
        scales = self.held_out_scales(without)[rows]
        targets = self.targets[rows]
        edges = bin_edges(predictions)
        bins = np.searchsorted(edges, predictions, "right")
        limits = np.empty((len(levels), len(edges) + 1, 2))
        limits[:] = -np.inf, np.inf
        if np.ptp(targets) == 0:  # a constant column says nothing of other values
            levels = ()
        for i, level in enumerate(levels):
            for k in range(len(edges) + 1):
                rows = bins == k
                limits[i, k] = find_limits(predictions[rows], scales[rows], targets[rows], level)
        return Calibration(self._weights(without), edges, limits)

    def cross_intervals(self, levels: Sequence[float]) -> np.ndarray:
        """(level, galaxy, 2) intervals of the training galaxies, each without its fold's targets.

        At least three folds.
        """
        out = np.empty((len(levels), len(self.folds), 2))
        for fold in self._sums:
            rows = self.folds == fold
            calibration = self.calibrate(levels, frozenset({fold}))
            out[:, rows] = calibration.intervals(self.predictions[rows], self.features[rows])
        return out

    def held_out_scales(self, without: frozenset[int]) -> np.ndarray:
        """(galaxy,) scales, each fitted without its own fold and `without`; NaN in the latter."""
        out = np.full(len(self.folds), np.nan)
        for fold in self._sums.keys() - without:
            rows = self.folds == fold
            out[rows] = _scales(self.features[rows], self._weights(without | {fold}))
        return out

    def _weights(self, without: frozenset[int]) -> np.ndarray:
        """(feature,) weights of the expected size of the error, fitted without some folds."""
        grams = []
        crosses = []
        for fold, sums in self._sums.items():
            if fold not in without:
                grams.append(sums.gram)
                crosses.append(sums.cross)
        return blends.nnls_weights(np.sum(grams, axis=0), np.sum(crosses, axis=0))

    @cached_property
    def _sums(self) -> dict[int, FoldSums]:
        errors = np.abs(self.targets - self.predictions)
        sums = {}
        for fold in np.unique(self.folds).tolist():
            rows = self.folds == fold
            features = self.features[rows]
            sums[fold] = FoldSums(features.T @ features, features.T @ errors[rows])
        return sums


def bin_edges(predictions: np.ndarray) -> np.ndarray:
    """(bin - 1,) edges between bins of about as many galaxies each, `MIN_GALAXIES` at least.

    An edge belongs to the bin above it; equal predictions, such as many zeros, are in one bin.
    """
    ordered = np.sort(predictions)
    edges = list[float]()
    start = 0  # of the bin that the next edge ends
    for k in range(1, MAX_BINS):
        edge = ordered[len(ordered) * k // MAX_BINS]
        stop = int(np.searchsorted(ordered, edge))
        if min(stop - start, len(ordered) - stop) >= MIN_GALAXIES:
            edges.append(edge)
            start = stop
    return np.array(edges)


def find_limits(
    predictions: np.ndarray, scales: np.ndarray, targets: np.ndarray, level: float
) -> tuple[float, float]:
    """Find the limits that hold a new galaxy's error over its scale with probability `level`.

    The error of a new galaxy is as likely to fall into any of the n + 1 places before, between and
    after the n known ones; floor((n + 1) (1 - level)) of the places may be left out.

    Args:
        predictions: (galaxy,), 0 to 1.
        scales: (galaxy,) > 0, from fits without the galaxy's target.
        targets: (galaxy,), 0 to 1.
        level: 0 to 1.
    Returns:
        Lower and upper limit: an interval is the prediction plus limit times scale, cut at 0 and 1.
        Infinite where there are too few galaxies for the level.
    """
    errors = np.sort((targets - predictions) / scales)
    budget = int(np.floor(round((len(errors) + 1) * (1 - level), 9)))  # 1.0 in floats may be less
    half = budget // 2
    low = _limit(errors, half)
    lower = np.clip(predictions + low * scales, 0, 1)
    spent_below = _count_misses(targets - lower, targets, half)
    # Where no target can be below the lower bound, the upper one may miss more, and vice versa.
    left_above = max(half, budget - spent_below)
    high = -_limit(-errors[::-1], left_above)
    upper = np.clip(predictions + high * scales, 0, 1)
    spent_above = _count_misses(upper - targets, 1 - targets, left_above)
    left_below = max(half, budget - spent_above)
    return _limit(errors, left_below), high


def _limit(errors: np.ndarray, misses: int) -> float:
    """Limit below which that many of the ascending (galaxy,) errors and places lie; -inf for 0."""
    if misses == 0:
        return -np.inf
    return float(errors[misses - 1])


def _count_misses(inside: np.ndarray, to_end: np.ndarray, allowed: int) -> int:
    """Count the misses that an end of the intervals uses up.

    Args:
        inside: (galaxy,) distance of the target from that end, negative outside the interval.
        to_end: (galaxy,) distance of the target from 0 or 1, where no interval goes further.
        allowed: the most to count.
    """
    if (to_end - inside).max() < _ROUNDING:  # all intervals reach 0 or 1: none can be missed
        return 0
    return min(allowed, int((inside < -_ROUNDING).sum()) + 1)


def _scales(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(row, feature) -> (row,) expected size of the error."""
    return np.maximum(features @ weights, MIN_SCALE)
