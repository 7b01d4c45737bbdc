"""Conformal intervals of an ensemble's vote fractions, and a card of how often they hold.

Calibrated on the cross-fitted predictions of the training galaxies. For each column separately,
each fold held out in turn:
- a scale, the expected absolute error of a galaxy, is fitted by non-negative least squares on its
  predicted fraction and that of the answer that leads to its question;
- galaxies are binned by their prediction, because rare answers err to one side only; the two limits
  of a bin are quantiles of its errors divided by their scales, which are fitted without their fold;
- if one bound is already 0 or 1, the other gets the whole error budget.

A test galaxy is predicted by the mean of all folds' networks, which errs no more than a single one
on average, so on test galaxies the intervals hold their level or more, as far as those resemble the
training ones.

Sources: Lei et al. 2018 (JASA 113, 1094), section 5.2, for errors over a fitted scale; Vovk 2012
(ACML), "Conditional validity of inductive conformal predictors", for a calibration per bin; Vovk
2015 (Ann. Math. Artif. Intell. 74, 9), cross-conformal prediction, for pooling the folds' errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from galaxyzoo.core import console, files, manifest
from galaxyzoo.core.errors import InputError, advise
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.data.catalog import Catalog, load_catalog, task_of
from galaxyzoo.ensemble import blends, fitted, members
from galaxyzoo.io.writing import write_predictions
from galaxyzoo.results import layout, table
from galaxyzoo.results.card import EnsembleCard, SubmissionCard, rounded
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.kinds import COMPETITION_TASK
from galaxyzoo.tasks.registry import get_task, is_ensemble, split_ensemble

LEVELS = (0.5, 0.8, 0.9, 0.95)  # nominal; the coverage at each is always measured
LEVEL = 0.9  # nominal, by default
FEWEST_FOLDS = 3  # one to score, one to predict, one to fit
_DIGITS = 6  # decimals kept in the card
MAX_BINS, MIN_GALAXIES = 10, 200  # of a bin: fewer leave a tail of 2.5 % to one galaxy or two
MIN_SCALE = 1e-4  # so that an error over its scale stays a number
_ROUNDING = 1e-9  # a limit nearer to a bound is at the bound
INTERVALS_FILE = "intervals.safetensors"  # in the folder of exported networks
NO_FOLDS: frozenset[int] = frozenset()


class IntervalCard(SubmissionCard):
    """The card of an ensemble's intervals."""

    task: str
    fingerprint: str
    ensemble: str  # digest of the predictions that the intervals are of
    level: float
    runs: list[str]
    galaxies: int
    scored: str = "cross-fitted on the runs' folds"
    levels: dict[str, dict[str, Any]]  # level -> `score_intervals`
    code_version: str


def intervals_csv(folder: layout.EnsembleFolder) -> Path:
    """Intervals of an ensemble's submission; their card has the same stem and ends in `.json`."""
    return folder.path / "intervals.csv"


def make_intervals(name: str, whole: Catalog, level: float) -> IntervalCard:
    """Calibrate, measure coverage, write the test galaxies' intervals and the card.

    Args:
        name: of the ensemble of the competition's task.
        whole: the dataset's catalog.
        level: nominal coverage, the part of galaxies whose target is to lie in the interval.
    Returns:
        The card.
    """
    _check_folds(whole)
    folder = layout.EnsembleFolder(whole.dataset, COMPETITION_TASK, name)
    task, path = get_task(COMPETITION_TASK), intervals_csv(folder)
    # The ensemble's own lock: it must not change while it is read.
    with files.hold_lock(folder.path / files.LOCK, "building this ensemble or its intervals"):
        ensemble, oof, test = _read_ensemble(folder, whole)
        targets = whole.targets(task)
        columns = _columns(oof, whole)
        bounds = VoteIntervals.fit(columns, level).bounds(test)
        unreadable = np.isin(whole.test_ids, ensemble.unreadable_test_images)
        bounds[unreadable] = 0, 1  # nothing is known
        names = [f"{column}_{end}" for column in task.columns for end in ("lower", "upper")]
        bounds = bounds.reshape(len(bounds), -1)
        write_predictions(path, pd.DataFrame(bounds, whole.test_ids, names))
        levels = sorted({*LEVELS, level})
        bar = console.ProgressBar(columns, "calibrating", unit="column", leave=False)
        crossed = np.stack([column.cross_intervals(levels) for column in bar], axis=2)
        scores = {
            f"{nominal:g}": score_intervals(targets, crossed[i], nominal, task.columns)
            for i, nominal in enumerate(levels)
        }
        card = IntervalCard(
            task=task.name,
            dataset=whole.dataset,
            fingerprint=whole.fingerprint,
            ensemble=ensemble.table,
            level=level,
            runs=list(ensemble.runs),
            galaxies=len(targets),
            levels=rounded(scores, _DIGITS),
            code_version=manifest.code_version(),
            table=table.digest_table(path),
        )
        card.write(layout.card_path(path))
        return card


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

    def held_out_scales(self, without: frozenset[int]) -> np.ndarray:
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
        return blends.nnls_weights(gram, cross)

    @cached_property
    def _sums(self) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """Fold -> Gram matrix of its features, and their products with the absolute errors."""
        sizes, sums = np.abs(self.targets - self.predictions), {}
        for fold in np.unique(self.folds).tolist():
            features = self.features[self.folds == fold]
            sums[fold] = features.T @ features, features.T @ sizes[self.folds == fold]
        return sums


@dataclass(frozen=True, eq=False)
class VoteIntervals:
    """Prediction intervals for any galaxies, calibrated on out-of-fold predictions."""

    calibrations: tuple[Calibration, ...]  # by column

    @classmethod
    def fit(cls, columns: Sequence[Column], level: float = LEVEL) -> "VoteIntervals":
        """Calibrate intervals that hold this share of the votes of similar galaxies."""
        return cls(tuple(column.calibrate([level]) for column in columns))

    @classmethod
    def calibrate(cls, name: str, whole: Catalog) -> "VoteIntervals":
        """Calibrate on the out-of-fold predictions of a run or `ensemble:NAME`, at `LEVEL`."""
        _check_folds(whole)
        if is_ensemble(name):
            folder = layout.EnsembleFolder(whole.dataset, COMPETITION_TASK, split_ensemble(name)[1])
            oof = _read_ensemble(folder, whole)[1]
        else:
            task = get_task(COMPETITION_TASK)
            oof = task.project(members.load_oof(name, task, whole).astype(float))
        return cls.fit(_columns(oof, whole))

    def bounds(self, predictions: np.ndarray) -> np.ndarray:
        """(galaxy, column) valid predictions -> (galaxy, column, 2) lower and upper bounds."""
        features = scale_features(predictions)
        bounds = [
            calibration.intervals(predictions[:, i], features[:, i])[0]
            for i, calibration in enumerate(self.calibrations)
        ]
        return np.stack(bounds, axis=1)


def _check_folds(whole: Catalog) -> None:
    if whole.n_folds < FEWEST_FOLDS:
        raise InputError(
            f"intervals are calibrated across at least {FEWEST_FOLDS} folds, but '{whole.dataset}' "
            f"has {whole.n_folds}"
        )


def _read_ensemble(
    folder: layout.EnsembleFolder, whole: Catalog
) -> tuple[EnsembleCard, np.ndarray, np.ndarray]:
    """Card, out-of-fold and test predictions, (galaxy, column) each, of an ensemble."""
    task = get_task(COMPETITION_TASK)
    card = EnsembleCard.of(folder).check(whole, folder.oof_csv, folder.csv)
    oof = table.PredictionTable.read(folder.oof_csv, task, whole.ids).values
    return card, oof, table.PredictionTable.read(folder.csv, task, whole.test_ids).values


def _columns(oof: np.ndarray, whole: Catalog) -> list[Column]:
    """Features that each column is calibrated on; `oof` (galaxy, column)."""
    targets = whole.targets(get_task(COMPETITION_TASK))
    features = scale_features(oof)
    return [
        Column(oof[:, i], features[:, i], targets[:, i], whole.folds) for i in range(oof.shape[1])
    ]


def scale_features(predictions: np.ndarray) -> np.ndarray:
    """Features that an error's size is fitted on, none below 0.

    Given the fraction q of its parent, an answer's fraction p scatters like sqrt(p (q - p)), as in
    a binomial draw of a fixed number of votes; where q itself is uncertain, like sqrt(p (1 - p)).

    Args:
        predictions: (galaxy, answer) valid vote fractions.
    Returns:
        (galaxy, answer, feature).
    """
    parents = GALAXY_ZOO_2.parents(predictions)
    features = (
        np.ones_like(predictions),
        predictions,
        parents,
        np.sqrt(np.maximum(predictions * (1 - predictions), 0)),
        np.sqrt(np.maximum(predictions * (parents - predictions), 0)),
    )
    return np.stack(features, axis=2)


def score_intervals(
    targets: np.ndarray, intervals: np.ndarray, level: float, columns: Sequence[str]
) -> dict[str, Any]:
    """Coverage with its standard error over galaxies, mean width, mean interval score.

    The interval score of an answer is the width, plus 2 / (1 - level) times the distance of the
    target from the interval. Lower is better; it is lowest where the bounds are the target's
    quantiles (1 - level) / 2 and (1 + level) / 2.

    Args:
        targets: (galaxy, column).
        intervals: (galaxy, column, 2), closed.
        level: nominal.
        columns: names.
    Returns:
        Plain dict, with coverage and width per column too.
    Source: Winkler 1972 (JASA 67, 187); Gneiting and Raftery 2007 (JASA 102, 359), section 6.2.
    """
    lower, upper = intervals[..., 0], intervals[..., 1]
    held, widths = (lower <= targets) & (targets <= upper), upper - lower
    missed = np.maximum(lower - targets, 0) + np.maximum(targets - upper, 0)
    per_galaxy = held.mean(axis=1)
    return {
        "coverage": float(per_galaxy.mean()),
        "coverage_se": float(per_galaxy.std(ddof=1) / np.sqrt(len(held))),
        "width": float(widths.mean()),
        "score": float((widths + 2 / (1 - level) * missed).mean()),
        "coverage_per_column": dict(zip(columns, held.mean(axis=0).tolist(), strict=True)),
        "width_per_column": dict(zip(columns, widths.mean(axis=0).tolist(), strict=True)),
    }


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


def load_intervals(dataset: str, name: str) -> VoteIntervals:
    """Load or calibrate intervals for predictions of a run or an ensemble."""
    task = task_of(name)
    if task.name != COMPETITION_TASK:
        raise InputError(f"--with intervals needs predictions of votes: {name} predicts classes")
    if dataset != BUNDLED:
        return VoteIntervals.calibrate(name, load_catalog(dataset))
    files = layout.exported_files(layout.bundled_dir() / name)
    path = files.path(INTERVALS_FILE)
    with advise(files.advice):
        return fitted.load_fitted(path, table.digest_table(path))


fitted.register(VoteIntervals, Calibration)
