"""From the ensemble and its runs' folds to an interval of every answer, and a card that checks it.

Calibrated on the ensemble's cross-fitted predictions of the training galaxies. A test galaxy is
predicted by the mean of all folds' networks, which errs no more than a single one on average, so on
test galaxies the intervals hold their level or more, as far as those resemble the training ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from galaxyzoo import atomic, locks
from galaxyzoo.catalogs import Catalog
from galaxyzoo.conformal import MOST_BINS, Column, find_limits
from galaxyzoo.errors import InputError
from galaxyzoo.interval_features import CONSTANT, RUNS, VIEWS, Spreads, read_spreads, scale_features
from galaxyzoo.interval_scores import (
    are_held,
    coverage_by_third,
    coverage_by_value,
    difference,
    score_intervals,
)
from galaxyzoo.paths import ensemble_csv, ensemble_oof_csv, intervals_csv, oof_csv, shown
from galaxyzoo.scores import UNREADABLE, card_path, code_version, digest_table, rounded
from galaxyzoo.tables import read_predictions, write_predictions
from galaxyzoo.tasks import COMPETITION_TASK, get_task

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
        with locks.holding(self.path.parent / locks.NAME, "making this ensemble or its intervals"):
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
        atomic.write_json(card_path(self.path), card)
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
    card = atomic.read_json(card_path(path))
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
