"""Intervals of every predicted vote fraction of an ensemble, and a card of how often they hold.

Calibrated (`conformal.py`) on the ensemble's cross-fitted predictions of the training galaxies. The
expected size of an answer's error is a function of its predicted fraction and of that of the answer
that leads to its question. A test galaxy is predicted by the mean of all folds' networks, which
errs no more than a single one on average, so on test galaxies the intervals hold their level or
more, as far as those resemble the training ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from galaxyzoo.core import files
from galaxyzoo.core.console import Bar
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.version import code_version
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.ensemble.conformal import Calibration, Column, find_limits
from galaxyzoo.ensemble.members import TrainedRun
from galaxyzoo.io.tables import write_predictions
from galaxyzoo.results.card import EnsembleCard, IntervalCard, rounded
from galaxyzoo.results.layout import EnsembleFolder, card_path
from galaxyzoo.results.table import PredictionTable, digest_table
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.kinds import COMPETITION_TASK
from galaxyzoo.tasks.registry import get_task, is_ensemble, split_ensemble

LEVELS = (0.5, 0.8, 0.9, 0.95)  # nominal; the coverage at each is always measured
LEVEL = 0.9  # nominal, by default
FEWEST_FOLDS = 3  # one to score, one to predict, one to fit
_DIGITS = 6  # decimals kept in the card


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
    folder = EnsembleFolder(whole.dataset, COMPETITION_TASK, name)
    # The ensemble's own lock: it must not change while it is read.
    with files.hold_lock(folder.path / files.LOCK, "making this ensemble or its intervals"):
        return _make_intervals(folder, whole, level)


def _make_intervals(folder: EnsembleFolder, catalog: Catalog, level: float) -> IntervalCard:
    task, path = get_task(COMPETITION_TASK), folder.intervals_csv
    ensemble, oof, test = _read_ensemble(folder, catalog)
    targets = catalog.targets(task.name)
    columns = _columns(oof, catalog)
    bounds = VoteIntervals.fit(columns, level).bounds(test)
    unreadable = np.isin(catalog.test_ids, ensemble.unreadable_test_images)
    bounds[unreadable] = _bounds_without_image(targets, level)
    names = [f"{column}_{end}" for column in task.columns for end in ("lower", "upper")]
    write_predictions(path, pd.DataFrame(bounds.reshape(len(bounds), -1), catalog.test_ids, names))
    levels = sorted({*LEVELS, level})
    bar = Bar(columns, "calibrating", unit="column", leave=False)
    crossed = np.stack([column.cross_intervals(levels) for column in bar], axis=2)
    scores = {
        f"{nominal:g}": score_intervals(targets, crossed[i], nominal, task.columns)
        for i, nominal in enumerate(levels)
    }
    card = IntervalCard(
        task=task.name,
        dataset=catalog.dataset,
        fingerprint=catalog.fingerprint,
        ensemble=ensemble.table,
        level=level,
        runs=list(ensemble.runs),
        galaxies=len(targets),
        levels=rounded(scores, _DIGITS),
        code_version=code_version(),
        table=digest_table(path),
    )
    card.write(card_path(path))
    return card


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
            folder = EnsembleFolder(whole.dataset, COMPETITION_TASK, split_ensemble(name)[1])
            oof = _read_ensemble(folder, whole)[1]
        else:
            task = get_task(COMPETITION_TASK)
            oof = task.project(TrainedRun(name).load_oof(task, whole).astype(float))
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
            f"intervals are calibrated across folds: '{whole.dataset}' has {whole.n_folds}, at "
            f"least {FEWEST_FOLDS} are needed"
        )


def _read_ensemble(
    folder: EnsembleFolder, whole: Catalog
) -> tuple[EnsembleCard, np.ndarray, np.ndarray]:
    """Card, out-of-fold and test predictions, (galaxy, column) each, of an ensemble."""
    task = get_task(COMPETITION_TASK)
    card = EnsembleCard.of(folder).check(whole, folder.oof_csv, folder.csv)
    oof = PredictionTable.read(folder.oof_csv, task, whole.ids).values
    return card, oof, PredictionTable.read(folder.csv, task, whole.test_ids).values


def _columns(oof: np.ndarray, whole: Catalog) -> list[Column]:
    """Features that each column is calibrated on; `oof` (galaxy, column)."""
    targets, features = whole.targets(COMPETITION_TASK), scale_features(oof)
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


def _bounds_without_image(targets: np.ndarray, level: float) -> np.ndarray:
    """(column, 2) bounds between which most training targets lie, for a galaxy without an image."""
    zeros, ones = np.zeros(len(targets)), np.ones(len(targets))
    limits = [find_limits(zeros, ones, column, level) for column in targets.T]
    return np.clip(limits, 0.0, 1.0)


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
