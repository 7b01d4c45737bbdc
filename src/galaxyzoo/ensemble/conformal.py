"""Conformal intervals of fractions between 0 and 1, calibrated across folds.

For each column separately, each fold held out in turn:
- a scale, the expected absolute error of a galaxy, is fitted by non-negative least squares on a few
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
from functools import cached_property, reduce
from operator import add

import numpy as np

from galaxyzoo.ensemble.blends import nnls_weights

MAX_BINS, MIN_GALAXIES = 10, 200  # of a bin: fewer leave a tail of 2.5 % to one galaxy or two
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
        scales, rows = self.held_out_scales(without), ~np.isin(self.folds, list(without))
        known, known_scales, targets = self.predictions[rows], scales[rows], self.targets[rows]
        edges = bin_edges(known)
        place, limits = np.searchsorted(edges, known, "right"), []
        for level in levels:
            bins = (place == number for number in range(len(edges) + 1))
            limits.append([find_limits(known[b], known_scales[b], targets[b], level) for b in bins])
        return Calibration(self._weights(without), edges, np.array(limits))

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

    def held_out_scales(self, without: frozenset[int] = NO_FOLDS) -> np.ndarray:
        """(galaxy,) scales, each fitted without its own fold and `without`; NaN in the latter."""
        out = np.full(len(self.folds), np.nan)
        for fold in self._sums.keys() - without:
            rows = self.folds == fold
            out[rows] = _scales(self.features[rows], self._weights(without | {fold}))
        return out

    def _weights(self, without: frozenset[int]) -> np.ndarray:
        """(feature,) weights of the expected size of the error, fitted without some folds."""
        fold_sums = [self._sums[fold] for fold in self._sums if fold not in without]
        gram, cross = (reduce(add, sums) for sums in zip(*fold_sums, strict=True))
        return nnls_weights(gram, cross)

    @cached_property
    def _sums(self) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """Fold -> Gram matrix of its features, and their products with the absolute errors."""
        sizes, sums = np.abs(self.targets - self.predictions), {}
        for fold in np.unique(self.folds).tolist():
            features = self.features[self.folds == fold]
            sums[fold] = features.T @ features, features.T @ sizes[self.folds == fold]
        return sums


def bin_edges(predictions: np.ndarray) -> np.ndarray:
    """(bin - 1,) edges between bins of about as many galaxies each, `MIN_GALAXIES` at least.

    An edge belongs to the bin above it; equal predictions, such as many zeros, are in one bin.
    """
    ordered, edges, start = np.sort(predictions), list[float](), 0
    for part in range(1, MAX_BINS):
        edge = ordered[len(ordered) * part // MAX_BINS]
        place = int(np.searchsorted(ordered, edge))
        if min(place - start, len(ordered) - place) >= MIN_GALAXIES:
            edges.append(edge)
            start = place
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
    places = int(np.floor(round((len(errors) + 1) * (1 - level), 9)))  # 1.0 in floats may be less
    each = places // 2  # at either end
    low = _limit(errors, each)
    used = _used(targets - np.clip(predictions + low * scales, 0, 1), targets, each)
    # Where no target can be below the lower bound, the upper one may miss more, and vice versa.
    above = max(each, places - used)
    high = -_limit(-errors[::-1], above)
    used = _used(np.clip(predictions + high * scales, 0, 1) - targets, 1 - targets, above)
    return _limit(errors, max(each, places - used)), high


def _limit(errors: np.ndarray, places: int) -> float:
    """Quantile of ascending (galaxy,) errors for a conformal bound."""
    return float(errors[places - 1]) if places else -np.inf


def _used(above_limit: np.ndarray, above_bound: np.ndarray, places: int) -> int:
    """Count the misses that a bound uses up, with intervals cut at 0 and 1.

    Args:
        above_limit: (galaxy,) distance of the target inside the limit after the cut.
        above_bound: (galaxy,) the same of the bound itself.
        places: misses allowed at that bound.
    """
    if (above_bound - above_limit).max() < _ROUNDING:  # every limit is at the bound
        return 0
    return min(places, int((above_limit < -_ROUNDING).sum()) + 1)


def _scales(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(row, feature) -> (row,) expected size of the error."""
    return np.maximum(features @ weights, MIN_SCALE)
