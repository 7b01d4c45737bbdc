"""What tells how far off a predicted vote fraction is: its value, its parent's, and spreads.

Everything is computed alike for training and for test galaxies, or intervals that are calibrated on
the ones would not fit the others. So spreads are those of single networks: for a test galaxy, which
every fold's networks predict, their mean over the folds. How far the folds' networks differ among
each other is known of test galaxies alone and can therefore calibrate nothing; it is only reported.

Conformal intervals of vote fractions: how far off predictions like this one have been.

For each column apart, with folds taken in turn:
- a scale, how large the error of a galaxy tends to be, is fitted to the sizes of errors by
  non-negative least squares on a few features (`interval_features.py`);
- galaxies are put into bins of their prediction, as an answer that hardly anybody gives errs to one
  side only; in each bin the errors over their scale are ranked, each by a scale that was fitted
  without its fold, and the ones that leave the allowed share out become the two limits;
- an end that cannot be missed, because fractions stop at 0 and 1, leaves its share of the misses to
  the other end.

Sources: Lei et al. 2018 (JASA 113, 1094), section 5.2, for errors over a fitted scale; Vovk 2012
(ACML), "Conditional validity of inductive conformal predictors", for a calibration per bin; Vovk
2015 (Ann. Math. Artif. Intell. 74, 9), cross-conformal prediction, for pooling the folds' errors.

From the ensemble and its runs' folds to an interval of every answer, and a card that checks it.

Calibrated on the ensemble's cross-fitted predictions of the training galaxies. A test galaxy is
predicted by the mean of all folds' networks, which errs no more than a single one on average, so on
test galaxies the intervals hold their level or more, as far as those resemble the training ones.

How good intervals are: how often they hold the target, how wide they are, and both in one.

What each fold's network of a run says alone: of its own galaxies, and of the test galaxies.

A training galaxy is predicted by the one network that never saw it, a test galaxy in the run's test
table by the mean of all folds' networks, which is smoother. Whatever has to mean the same on both
sides starts from single networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import pairwise
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from galaxyzoo.config.loading import load_run_config
from galaxyzoo.core import files
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import (
    ensemble_csv,
    ensemble_oof_csv,
    fold_dir,
    intervals_csv,
    oof_csv,
    run_dir,
    shown,
)
from galaxyzoo.core.version import code_version
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.ensemble.blends import nnls_weights
from galaxyzoo.ensemble.members import PREFIX as EXTERNAL
from galaxyzoo.inference.oof import TEST_SPREAD, TEST_TABLE, VAL_SPREAD, VAL_TABLE
from galaxyzoo.inference.score_card import UNREADABLE, card_path, digest_table, rounded
from galaxyzoo.io.tables import read_predictions, write_predictions
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.registry import COMPETITION_TASK, get_task, task_of

CONSTANT, RUNS, VIEWS = "constant", "spread of runs", "spread of views"


@dataclass(frozen=True, eq=False)
class Spreads:
    """How far predictions of one galaxy differ, by what makes them differ (`RUNS`, `VIEWS`)."""

    own: dict[str, np.ndarray]  # (galaxy, column) of the training galaxies
    test: dict[str, np.ndarray]  # (test galaxy, column)
    # (test galaxy, column) over the folds' networks, mean over runs; None where no run is left
    folds: np.ndarray | None
    runs: Sequence[str]  # whose networks have a say
    view_runs: Sequence[str]  # those of them that noted how far their views differ
    problems: Sequence[str]  # why others have none


def read_spreads(runs: Sequence[str], whole: Catalog) -> Spreads:
    """The spreads that the runs' folds have left; each is absent where nothing can be said of it.

    Args:
        runs: base models of the ensemble.
        whole: the dataset's whole catalog.
    Raises:
        InputError: a table is broken.
    """
    networks, problems = [], []
    for run in runs:
        try:
            networks.append(NetworkTables.open(run, whole))
        except InputError as error:
            problems.append(f"{run} has no say in the spreads: {error}")
    viewed = [network for network in networks if network.has_spread]
    own, test, of_folds = {}, {}, None
    if networks:
        every = range(whole.n_folds)
        tests = np.stack([[network.test(fold) for fold in every] for network in networks])
        of_folds = tests.std(axis=1).mean(axis=0)
        if len(networks) > 1:
            own[RUNS] = np.std([network.own() for network in networks], axis=0)
            test[RUNS] = tests.std(axis=0).mean(axis=0)
    if viewed:
        own[VIEWS] = np.mean([network.own(spread=True) for network in viewed], axis=0)
        test[VIEWS] = np.mean([n.test(k, spread=True) for n in viewed for k in every], axis=0)
    return Spreads(
        own, test, of_folds, [n.run for n in networks], [n.run for n in viewed], problems
    )


def scale_features(
    predictions: np.ndarray, spreads: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Features that an error's size is fitted on, none below 0.

    Given the fraction q of the answer before, the votes for p of it scatter like sqrt(p (q - p)),
    as in a binomial draw; where q itself is unsure, like sqrt(p (1 - p)).

    Args:
        predictions: (galaxy, answer) valid vote fractions.
        spreads: by name, each (galaxy, answer).
    Returns:
        By name, each (galaxy, answer).
    """
    parents = np.ones_like(predictions)
    for question in GALAXY_ZOO_2.questions:
        index = GALAXY_ZOO_2.parent_index(question)
        if index is not None:
            parents[:, GALAXY_ZOO_2.span(question)] = predictions[:, [index]]
    return {
        CONSTANT: np.ones_like(predictions),
        "prediction": predictions,
        "parent": parents,
        "scatter": np.sqrt(np.maximum(predictions * (1 - predictions), 0)),
        "scatter below the parent": np.sqrt(np.maximum(predictions * (parents - predictions), 0)),
        **spreads,
    }


MOST_BINS, LEAST_GALAXIES = 10, 200  # of a bin: fewer leave a tail of 2.5 % to one galaxy or two
SMALLEST_SCALE = 1e-4  # so that an error over its scale stays a number
_ROUNDING = 1e-9  # a limit nearer to a bound is at the bound
NONE: frozenset[int] = frozenset()


@dataclass(frozen=True, eq=False)
class Column:
    """Training galaxies of one column, with what their scale is fitted on."""

    predictions: np.ndarray  # (galaxy,) each from a fit without its fold, 0 to 1
    features: np.ndarray  # (galaxy, feature) >= 0
    targets: np.ndarray  # (galaxy,)
    folds: np.ndarray  # (galaxy,)
    n_bins: int = MOST_BINS  # at most
    _sums: dict[int, tuple[np.ndarray, np.ndarray]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        sizes = np.abs(self.targets - self.predictions)
        sums = {}
        for fold in np.unique(self.folds).tolist():
            own = self.features[self.folds == fold]
            sums[fold] = own.T @ own, own.T @ sizes[self.folds == fold]
        object.__setattr__(self, "_sums", sums)

    def scales(self, features: np.ndarray, without: frozenset[int] = NONE) -> np.ndarray:
        """(row,) expected size of the error, fitted on all folds but some; (row, feature) given."""
        kept = [self._sums[fold] for fold in self._sums if fold not in without]
        gram, cross = (reduce(add, sums) for sums in zip(*kept, strict=True))
        return np.maximum(features @ nnls_weights(gram, cross), SMALLEST_SCALE)

    def held_out_scales(self, without: frozenset[int] = NONE) -> np.ndarray:
        """(galaxy,) each from a fit without its fold and without some others; NaN in those."""
        out = np.full(len(self.folds), np.nan)
        for fold in self._sums.keys() - without:
            rows = self.folds == fold
            out[rows] = self.scales(self.features[rows], without | {fold})
        return out

    def intervals(
        self,
        predictions: np.ndarray,
        features: np.ndarray,
        levels: Sequence[float],
        without: frozenset[int] = NONE,
    ) -> np.ndarray:
        """Intervals around other predictions of the column, calibrated on all folds but some.

        Args:
            predictions: (row,).
            features: (row, feature).
            levels: parts of galaxies whose target the intervals are to hold, 0 to 1.
            without: folds whose targets have no say; at least two must remain.
        Returns:
            (level, row, 2) lower and upper ends, 0 to 1; each interval holds its prediction.
        """
        scales, rows = self.held_out_scales(without), ~np.isin(self.folds, list(without))
        known, known_scales, targets = self.predictions[rows], scales[rows], self.targets[rows]
        edges = bin_edges(known, self.n_bins)
        place, new_place = (np.searchsorted(edges, p, "right") for p in (known, predictions))
        new_scales = self.scales(features, without)
        out = np.empty((len(levels), len(predictions), 2))
        for number in np.unique(new_place):
            here, new = place == number, new_place == number
            for i, level in enumerate(levels):
                low, high = find_limits(known[here], known_scales[here], targets[here], level)
                out[i, new] = _ends(predictions[new], new_scales[new], low, high)
        return out

    def cross_intervals(self, levels: Sequence[float]) -> np.ndarray:
        """(level, galaxy, 2) intervals of the training galaxies, each without its fold's targets.

        At least three folds.
        """
        out = np.empty((len(levels), len(self.folds), 2))
        for fold in self._sums:
            rows = self.folds == fold
            given = self.predictions[rows], self.features[rows]
            out[:, rows] = self.intervals(*given, levels, frozenset({fold}))
        return out


def bin_edges(predictions: np.ndarray, n_bins: int) -> np.ndarray:
    """(bin - 1,) edges between bins of about as many galaxies each, `LEAST_GALAXIES` at least.

    An edge belongs to the bin above it; equal predictions, such as many zeros, are in one bin.
    """
    ordered, edges, start = np.sort(predictions), list[float](), 0
    for part in range(1, n_bins):
        edge = ordered[len(ordered) * part // n_bins]
        place = int(np.searchsorted(ordered, edge))
        if min(place - start, len(ordered) - place) >= LEAST_GALAXIES:
            edges.append(edge)
            start = place
    return np.array(edges)


def find_limits(
    predictions: np.ndarray, scales: np.ndarray, targets: np.ndarray, level: float
) -> tuple[float, float]:
    """Limits of errors over their scale, between which a new galaxy's lies with the probability.

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
    # Where nobody can be below zero, the upper end may leave out more, and the other way round.
    above = max(each, places - used)
    high = -_limit(-errors[::-1], above)
    used = _used(np.clip(predictions + high * scales, 0, 1) - targets, 1 - targets, above)
    return _limit(errors, max(each, places - used)), high


def _limit(errors: np.ndarray, places: int) -> float:
    """The limit below which so many places are; (galaxy,) errors ascending."""
    return float(errors[places - 1]) if places else -np.inf


def _used(above_limit: np.ndarray, above_bound: np.ndarray, places: int) -> int:
    """How many of the places at an end can be missed at all, seeing where the limits are cut.

    Args:
        above_limit: (galaxy,) how far the target is inside the limit after the cut.
        above_bound: (galaxy,) the same of the bound itself.
        places: given to that end.
    """
    if (above_bound - above_limit).max() < _ROUNDING:  # every limit is at the bound
        return 0
    return min(places, int((above_limit < -_ROUNDING).sum()) + 1)


def _ends(predictions: np.ndarray, scales: np.ndarray, low: float, high: float) -> np.ndarray:
    """(row, 2) ends of intervals that hold their prediction; limits may be infinite."""
    lower = np.minimum(predictions + low * scales, predictions)
    upper = np.maximum(predictions + high * scales, predictions)
    return np.clip(np.stack([lower, upper], axis=1), 0.0, 1.0)


LEVELS = (0.5, 0.8, 0.9, 0.95)  # of which coverage is always measured
FEWEST_FOLDS = 3  # one to score, one to predict, one to fit
_DIGITS = 6  # decimals kept in the card
OURS, NO_SPREADS, CONSTANT_WIDTH, TIMES_SPREAD = (
    "conformal",
    "without spreads",
    "constant width",
    "runs' spread times a factor",
)


@dataclass(frozen=True)
class Intervals:
    """Which intervals to make, and from what."""

    whole: Catalog  # the dataset's
    level: float  # part of the galaxies whose target an interval is to hold

    @property
    def path(self) -> Path:
        """The table; its card has the same stem and ends in `.json`."""
        return intervals_csv(self.whole.dataset, COMPETITION_TASK)

    def make(self) -> tuple[dict[str, Any], Sequence[str]]:
        """Calibrate, measure coverage, write the test galaxies' intervals and the card.

        Returns:
            The card, and a line for each run that has no say in the spreads.
        Raises:
            InputError: there is no whole ensemble of this split, too few folds, or something cannot
                be read or written.
        """
        if self.whole.n_folds < FEWEST_FOLDS:
            raise InputError(
                f"intervals are calibrated across folds: '{self.whole.dataset}' has "
                f"{self.whole.n_folds}, at least {FEWEST_FOLDS} are needed"
            )
        if oof_csv(self.whole.dataset, f"{COMPETITION_TASK}/{self.path.stem}").exists():
            raise InputError(
                f"run '{COMPETITION_TASK}/{self.path.stem}' has its table where the intervals go: "
                "rename it"
            )
        # The ensemble's own lock: it must not change while it is read.
        with files.holding(self.path.parent / files.LOCK, "making this ensemble or its intervals"):
            return self._make()

    def _make(self) -> tuple[dict[str, Any], Sequence[str]]:
        ensemble = read_ensemble(self.whole)
        task, catalog = get_task(COMPETITION_TASK), self.whole
        tables = (ensemble_oof_csv, catalog.ids), (ensemble_csv, catalog.test_ids)
        oof, test = (
            read_predictions(of(catalog.dataset, task.name), task.columns, ids)[list(task.columns)]
            for of, ids in tables
        )
        spreads = read_spreads(list(ensemble["runs"]), catalog)
        features = scale_features(oof.to_numpy(), spreads.own)
        sample = Sample(oof.to_numpy(), features, catalog.targets(task.name), catalog.folds)
        unreadable = np.isin(catalog.test_ids, ensemble.get(UNREADABLE, []))
        ends = sample.predict(
            test.to_numpy(), scale_features(test.to_numpy(), spreads.test), self.level
        )
        ends[unreadable] = _blind_ends(sample.targets, self.level)
        names = [f"{column}_{end}" for column in task.columns for end in ("lower", "upper")]
        write_predictions(self.path, pd.DataFrame(ends.reshape(len(ends), -1), test.index, names))
        card = {
            "task": task.name,
            "dataset": catalog.dataset,
            "fingerprint": catalog.fingerprint,
            "ensemble": ensemble["table"],  # digest of the predictions that the intervals are of
            "level": self.level,
            "runs": list(ensemble["runs"]),
            "spread_of_runs": list(spreads.runs) if RUNS in spreads.own else [],
            "spread_of_views": list(spreads.view_runs),
            **rounded(_measure(sample, sorted({*LEVELS, self.level})), _DIGITS),
            "test": rounded(_describe_test(ends[~unreadable], spreads, ~unreadable), _DIGITS),
            "code_version": code_version(),
            "table": digest_table(self.path),
        }
        files.write_json(card_path(self.path), card)
        return card, spreads.problems


@dataclass(frozen=True, eq=False)
class Sample:
    """Training galaxies with cross-fitted predictions, on which intervals are calibrated."""

    predictions: np.ndarray  # (galaxy, column)
    features: dict[str, np.ndarray]  # by name, each (galaxy, column)
    targets: np.ndarray  # (galaxy, column)
    folds: np.ndarray  # (galaxy,)
    n_bins: int = MOST_BINS

    def cross_intervals(self, levels: Sequence[float]) -> np.ndarray:
        """(level, galaxy, column, 2) each galaxy's without its fold's targets."""
        columns = range(self.targets.shape[1])
        return np.stack([self._column(i).cross_intervals(levels) for i in columns], axis=2)

    def predict(
        self, predictions: np.ndarray, features: dict[str, np.ndarray], level: float
    ) -> np.ndarray:
        """(row, column, 2) intervals around other predictions, with the same features."""
        ends = [
            self._column(i).intervals(predictions[:, i], self._stack(features, i), [level])[0]
            for i in range(self.targets.shape[1])
        ]
        return np.stack(ends, axis=1)

    def keep(self, names: Sequence[str], n_bins: int) -> "Sample":
        """The same galaxies with fewer features and bins."""
        features = {name: self.features[name] for name in names}
        return Sample(self.predictions, features, self.targets, self.folds, n_bins)

    def _column(self, i: int) -> Column:
        features = self._stack(self.features, i)
        return Column(self.predictions[:, i], features, self.targets[:, i], self.folds, self.n_bins)

    def _stack(self, features: dict[str, np.ndarray], i: int) -> np.ndarray:
        return np.stack([features[name][:, i] for name in self.features], axis=1)


def read_ensemble(catalog: Catalog) -> dict[str, Any]:
    """Card of the vote task's ensemble, whose two tables are the ones that it was written for.

    Raises:
        InputError: there is none, or it is not whole or of another split.
    """
    path, oof_path = (
        of(catalog.dataset, COMPETITION_TASK) for of in (ensemble_csv, ensemble_oof_csv)
    )
    again = "run `python src/ensemble.py` first"
    if not card_path(path).exists():
        raise InputError(f"{shown(card_path(path))} is missing: {again}")
    card = files.read_json(card_path(path))
    if not isinstance(card, dict) or card.get("fingerprint") != catalog.fingerprint:
        raise InputError(f"{shown(card_path(path))} is of another catalog or split: {again}")
    for key, table in (("oof_table", oof_path), ("table", path)):
        if not table.exists() or card.get(key) != digest_table(table):
            raise InputError(
                f"{shown(table)} is missing or not the table of {shown(card_path(path))}: {again}"
            )
    return card


def compare_methods(sample: Sample) -> dict[str, Sample]:
    """Ours first, then simpler ones to hold it against, as far as there are spreads."""
    plain = [name for name in sample.features if name not in (RUNS, VIEWS)]
    methods = {OURS: sample}
    if len(plain) < len(sample.features):
        methods[NO_SPREADS] = sample.keep(plain, MOST_BINS)
    methods[CONSTANT_WIDTH] = sample.keep([CONSTANT], 1)
    if RUNS in sample.features:
        methods[TIMES_SPREAD] = sample.keep([RUNS], 1)
    return methods


def _measure(sample: Sample, levels: Sequence[float]) -> dict[str, Any]:
    """What the card says of the intervals' quality, all of it cross-fitted."""
    methods, columns = compare_methods(sample), get_task(COMPETITION_TASK).columns
    bar = tqdm(methods.items(), "calibrating", unit="method", disable=None, leave=False)
    made = {name: method.cross_intervals(levels) for name, method in bar}
    scores = {
        name: {
            f"{level:g}": _scores(sample, ends, level)
            for level, ends in zip(levels, ends_by_level, strict=True)
        }
        for name, ends_by_level in made.items()
    }
    ours = scores.pop(OURS)
    for i, level in enumerate(levels):
        ends = made[OURS][i]
        held, widths = are_held(sample.targets, ends), ends[..., 1] - ends[..., 0]
        for key, values in (("coverage_per_column", held), ("width_per_column", widths)):
            means = values.mean(axis=0).tolist()
            ours[f"{level:g}"][key] = dict(zip(columns, means, strict=True))
        for name, others in scores.items():
            gap, error = difference(sample.targets, ends, made[name][i], level)
            others[f"{level:g}"] |= {"minus_ours": gap, "minus_ours_se": error}
    return {
        "galaxies": len(sample.targets),
        "scored": "cross-fitted on the runs' folds",
        "levels": ours,
        "others": scores,
    }


def _scores(sample: Sample, ends: np.ndarray, level: float) -> dict[str, Any]:
    """Scores of a level's (galaxy, column, 2) intervals, and coverage of parts of the answers."""
    by_spread = {
        f"by {name}, thirds": coverage_by_third(sample.features[name], sample.targets, ends)
        for name in (RUNS, VIEWS)
        if name in sample.features
    }
    return {
        **score_intervals(sample.targets, ends, level),
        "by_value": coverage_by_value(sample.predictions, sample.targets, ends),
        **by_spread,
    }


def _describe_test(ends: np.ndarray, spreads: Spreads, readable: np.ndarray) -> dict[str, Any]:
    """Mean width on test galaxies, beside the spreads there; that of folds calibrates nothing."""
    of_folds = None if spreads.folds is None else float(spreads.folds[readable].mean())
    return {
        "width": float((ends[..., 1] - ends[..., 0]).mean()) if len(ends) else None,
        **{name: float(values[readable].mean()) for name, values in spreads.test.items()},
        **{f"{name}, training": float(values.mean()) for name, values in spreads.own.items()},
        "spread of folds (not used)": of_folds,
    }


def _blind_ends(targets: np.ndarray, level: float) -> np.ndarray:
    """(column, 2) where a galaxy has no image: ends between which most training targets lie."""
    zeros, ones = np.zeros(len(targets)), np.ones(len(targets))
    limits = [find_limits(zeros, ones, column, level) for column in targets.T]
    return np.clip(limits, 0.0, 1.0)


# Edges of predicted values between which coverage is counted apart.
VALUE_EDGES = (0.0, 0.01, 0.03, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)


def interval_scores(targets: np.ndarray, intervals: np.ndarray, level: float) -> np.ndarray:
    """(galaxy, column) width, plus what missing the target costs: 2 / (1 - level) per unit.

    Lower is better; quantiles as ends are best.

    Args:
        targets: (galaxy, column).
        intervals: (galaxy, column, 2).
        level: nominal.
    Source: Winkler 1972 (JASA 67, 187); Gneiting and Raftery 2007 (JASA 102, 359), section 6.2.
    """
    lower, upper = intervals[..., 0], intervals[..., 1]
    missed = np.maximum(lower - targets, 0) + np.maximum(targets - upper, 0)
    return upper - lower + 2 / (1 - level) * missed


def are_held(targets: np.ndarray, intervals: np.ndarray) -> np.ndarray:
    """(galaxy, column) bool: the target is in its closed interval."""
    return (intervals[..., 0] <= targets) & (targets <= intervals[..., 1])


def score_intervals(targets: np.ndarray, intervals: np.ndarray, level: float) -> dict[str, float]:
    """Coverage with its standard error over galaxies, mean width, mean interval score."""
    held = are_held(targets, intervals).mean(axis=1)
    return {
        "coverage": float(held.mean()),
        "coverage_se": float(held.std(ddof=1) / np.sqrt(len(held))),
        "width": float((intervals[..., 1] - intervals[..., 0]).mean()),
        "score": float(interval_scores(targets, intervals, level).mean()),
    }


def coverage_by_value(
    predictions: np.ndarray, targets: np.ndarray, intervals: np.ndarray
) -> dict[str, dict[str, Any]]:
    """Coverage of the answers whose prediction lies between two of `VALUE_EDGES`, all columns.

    Returns:
        "<from>-<to>" -> number of `answers` and their `coverage`, None where there is none.
    """
    held, out = are_held(targets, intervals), {}
    place = np.clip(np.digitize(predictions, VALUE_EDGES) - 1, 0, len(VALUE_EDGES) - 2)
    for i, (low, high) in enumerate(pairwise(VALUE_EDGES)):
        here = held[place == i]
        coverage = float(here.mean()) if len(here) else None
        out[f"{low:g}-{high:g}"] = {"answers": len(here), "coverage": coverage}
    return out


def coverage_by_third(
    values: np.ndarray, targets: np.ndarray, intervals: np.ndarray
) -> list[float]:
    """Coverage where values are small, middling and large for their column, all columns together.

    Args:
        values: (galaxy, column), such as a spread; equal ones count in the galaxies' order.
        targets: (galaxy, column).
        intervals: (galaxy, column, 2).
    """
    places = np.argsort(np.argsort(values, axis=0, kind="stable"), axis=0, kind="stable")
    thirds, held = places * 3 // len(values), are_held(targets, intervals)
    return [float(held[thirds == third].mean()) for third in range(3)]


def difference(
    targets: np.ndarray, ours: np.ndarray, other: np.ndarray, level: float
) -> tuple[float, float]:
    """Mean interval score of `other` minus ours, and its standard error over galaxies.

    Args:
        targets: (galaxy, column).
        ours: (galaxy, column, 2).
        other: (galaxy, column, 2).
        level: nominal.
    """
    gaps = interval_scores(targets, other, level) - interval_scores(targets, ours, level)
    per_galaxy = gaps.mean(axis=1)
    return float(per_galaxy.mean()), float(per_galaxy.std(ddof=1) / np.sqrt(len(per_galaxy)))


@dataclass(frozen=True)
class NetworkTables:
    """Tables that the folds' networks of a finished run have left."""

    run: str
    catalog: Catalog  # galaxies of the run's task

    @classmethod
    def open(cls, run: str, whole: Catalog) -> "NetworkTables":
        """The tables of a run.

        Args:
            run: such as `gz37/resnet18`.
            whole: the dataset's whole catalog.
        Raises:
            InputError: a fold's tables are missing, or of another split; the run was trained
                elsewhere.
        """
        if run.startswith(EXTERNAL):
            raise InputError("only its mean over networks came")
        catalog = whole.for_task(task_of(run))
        folder = run_dir(catalog.dataset, run)
        for fold in range(catalog.n_folds):
            for name in (VAL_TABLE, TEST_TABLE):
                path = fold_dir(catalog.dataset, run, fold) / name
                if not path.exists():
                    raise InputError(f"{shown(path)} is missing: training {run} again writes it")
        if load_run_config(folder)[1] != catalog.fingerprint:
            raise InputError(
                f"{shown(folder)} was trained on another split: delete it and train {run} again"
            )
        return cls(run, catalog)

    @property
    def has_spread(self) -> bool:
        """Whether every fold has noted how far its views differ."""
        folders = [
            fold_dir(self.catalog.dataset, self.run, fold) for fold in range(self.catalog.n_folds)
        ]
        names = (VAL_SPREAD, TEST_SPREAD)
        return all((folder / name).exists() for folder in folders for name in names)

    def own(self, spread: bool = False) -> np.ndarray:
        """(galaxy, column) each training galaxy by the network of its own fold.

        Args:
            spread: the deviation over the views instead of their mean.
        Raises:
            InputError: a table is missing or broken, or its ids are not the fold's.
        """
        catalog, name = self.catalog, VAL_SPREAD if spread else VAL_TABLE
        out = np.empty((len(catalog.ids), len(self.columns)))
        for fold in range(catalog.n_folds):
            rows = catalog.folds == fold
            out[rows] = self._read(fold, name, catalog.ids[rows])
        return out

    def test(self, fold: int, spread: bool = False) -> np.ndarray:
        """(test galaxy, column) of one fold's network, in the sample submission's order.

        Args:
            fold: the network's.
            spread: the deviation over the views instead of their mean.
        Raises:
            InputError: the table is missing or broken, or its ids are not the sample's.
        """
        return self._read(fold, TEST_SPREAD if spread else TEST_TABLE, self.catalog.test_ids)

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the run's task: what its networks predict."""
        return task_of(self.run).columns

    def _read(self, fold: int, name: str, ids: np.ndarray) -> np.ndarray:
        path = fold_dir(self.catalog.dataset, self.run, fold) / name
        return read_predictions(path, self.columns, ids).to_numpy()
