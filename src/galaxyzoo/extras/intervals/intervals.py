"""Intervals of predicted vote fractions, and a card of how often an ensemble's hold.

Each column is calibrated separately (`conformal.py`), on the cross-fitted predictions of the
training galaxies; the scale of an error follows from the predicted fraction and from that of the
answer that leads to its question.

A test galaxy is predicted by the mean of all folds' networks, which errs no more than a single one
on average, so on test galaxies the intervals hold their level or more, as far as those resemble the
training ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from galaxyzoo.core import console, files, versions
from galaxyzoo.core.errors import InputError, advise
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.data.catalog import Catalog, load_catalog, task_of
from galaxyzoo.ensemble import fitted, members
from galaxyzoo.extras.intervals.conformal import Calibration, Column
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
INTERVALS_FILE = "intervals.safetensors"  # in the folder of exported networks


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
    Raises:
        InputError: the dataset has fewer than `FEWEST_FOLDS` folds, a file of the ensemble is
            missing, damaged or of other data, or a member was retrained later.
    """
    _check_folds(whole)
    folder = layout.EnsembleFolder(whole.dataset, COMPETITION_TASK, name)
    path = intervals_csv(folder)
    # The ensemble's own lock: it must not change while it is read.
    with files.hold_lock(folder.path / files.LOCK, "building this ensemble or its intervals"):
        ensemble = _read_ensemble(folder, whole)
        columns = _columns(ensemble.oof, whole)
        bounds = VoteIntervals.fit(columns, level).bounds(ensemble.test)
        unreadable = np.isin(whole.test_ids, ensemble.card.unreadable_test_images)
        bounds[unreadable] = 0, 1  # nothing is known
        scores = _score_levels(columns, sorted({*LEVELS, level}))
        _write_bounds(path, bounds, whole.test_ids)  # once all is known: the card follows at once
        card = IntervalCard(
            task=COMPETITION_TASK,
            dataset=whole.dataset,
            fingerprint=whole.fingerprint,
            ensemble=ensemble.card.table,
            level=level,
            runs=list(ensemble.card.runs),
            galaxies=len(whole.ids),
            levels=rounded(scores, _DIGITS),
            code_version=versions.code_version(),
            table=table.digest_table(path),
        )
        card.write(layout.card_path(path))
        return card


def _write_bounds(path: Path, bounds: np.ndarray, ids: np.ndarray) -> None:
    """Write (galaxy, column, 2) bounds as columns such as Class1.1_lower and Class1.1_upper."""
    columns = [f"{column}_{end}" for column in GALAXY_ZOO_2.columns for end in ("lower", "upper")]
    write_predictions(path, pd.DataFrame(bounds.reshape(len(bounds), -1), ids, columns))


def _score_levels(columns: Sequence[Column], levels: Sequence[float]) -> dict[str, dict[str, Any]]:
    """Level -> `score_intervals` of the training galaxies, each held out of its calibration."""
    bar = console.ProgressBar(columns, "calibrating", unit="column", leave=False)
    bounds = np.stack([column.cross_intervals(levels) for column in bar], axis=2)
    targets = np.stack([column.targets for column in columns], axis=1)
    scores = {}
    for i, level in enumerate(levels):
        scores[f"{level:g}"] = score_intervals(targets, bounds[i], level, GALAXY_ZOO_2.columns)
    return scores


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
            oof = _read_ensemble(folder, whole).oof
        else:
            task = get_task(COMPETITION_TASK)
            oof = task.project(members.load_oof(name, task, whole).astype(float))
        return cls.fit(_columns(oof, whole))

    def bounds(self, predictions: np.ndarray) -> np.ndarray:
        """(galaxy, column) valid predictions -> (galaxy, column, 2) lower and upper bounds."""
        features = scale_features(predictions)
        bounds = np.empty((*predictions.shape, 2))
        for i, calibration in enumerate(self.calibrations):
            # of one level, the first
            bounds[:, i] = calibration.intervals(predictions[:, i], features[:, i])[0]
        return bounds


def _check_folds(whole: Catalog) -> None:
    if whole.n_folds < FEWEST_FOLDS:
        raise InputError(
            f"intervals are calibrated across at least {FEWEST_FOLDS} folds, but '{whole.dataset}' "
            f"has {whole.n_folds}"
        )


@dataclass(frozen=True, eq=False)
class _Ensemble:
    """Card and predictions of a built ensemble."""

    card: EnsembleCard
    oof: np.ndarray  # (training galaxy, column)
    test: np.ndarray  # (test galaxy, column)


def _read_ensemble(folder: layout.EnsembleFolder, whole: Catalog) -> _Ensemble:
    """Read an ensemble's files.

    Raises:
        InputError: a file is missing or damaged, or belongs to other data, or a member was
            retrained later.
    """
    task = get_task(COMPETITION_TASK)
    card = EnsembleCard.of(folder).check(whole, folder.oof_csv, folder.csv)
    fitted.check_not_retrained(card)
    oof = table.PredictionTable.read(folder.oof_csv, task, whole.ids)
    test = table.PredictionTable.read(folder.csv, task, whole.test_ids)
    return _Ensemble(card, oof.values, test.values)


def _columns(oof: np.ndarray, whole: Catalog) -> list[Column]:
    """Training galaxies of each column, by their (galaxy, column) out-of-fold predictions."""
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
    lower = intervals[..., 0]
    upper = intervals[..., 1]
    widths = upper - lower
    held = (lower <= targets) & (targets <= upper)
    distances = np.maximum(lower - targets, 0) + np.maximum(targets - upper, 0)
    scores = widths + 2 / (1 - level) * distances
    of_galaxies = held.mean(axis=1)
    of_columns = held.mean(axis=0).tolist()
    column_widths = widths.mean(axis=0).tolist()
    return {
        "coverage": float(of_galaxies.mean()),
        "coverage_se": float(of_galaxies.std(ddof=1) / np.sqrt(len(held))),
        "width": float(widths.mean()),
        "score": float(scores.mean()),
        "coverage_per_column": dict(zip(columns, of_columns, strict=True)),
        "width_per_column": dict(zip(columns, column_widths, strict=True)),
    }


def load_intervals(dataset: str, name: str) -> VoteIntervals:
    """Load intervals of a bundled run, or calibrate those of a run or an ensemble.

    Raises:
        InputError: it predicts classes, has too few folds, or its files are missing or damaged.
    """
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
