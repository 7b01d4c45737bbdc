"""Tables of predictions, keyed by id.

An out-of-fold table also has the fold in which each galaxy was held out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from galaxyzoo.core import files, manifest, paths, versions
from galaxyzoo.core.errors import DamageError, InputError, advise
from galaxyzoo.io.tables import FOLD, check_columns, key_of, read_csv, select_numbers
from galaxyzoo.io.writing import format_predictions
from galaxyzoo.tasks.kinds import Task


@dataclass(frozen=True, eq=False)
class PredictionTable:
    """Predictions of galaxies.

    Args:
        task: whose columns they are of.
        ids: (galaxy,) int64 GalaxyIDs, or text.
        values: (galaxy, column).
        folds: (galaxy,) in which each was held out; None: not an out-of-fold table.

    Examples:
        >>> from galaxyzoo.tasks.registry import get_task
        >>> table = PredictionTable(get_task("zoo5"), np.array([42]), np.full((1, 5), 0.5))
        >>> table.project().frame["spiral"].to_dict()
        {42: 0.2}
    """

    task: Task
    ids: np.ndarray
    values: np.ndarray
    folds: np.ndarray | None = None

    @classmethod
    def read(cls, path: Path, task: Task, ids: np.ndarray, folds: np.ndarray | None = None) -> Self:
        """Read a table by the names of its rows and columns; arguments as of `of_frame`."""
        with advise("recreate it"):
            frame = read_csv(path, key=key_of(ids))
        return cls.of_frame(frame, path, task, ids, folds)

    @classmethod
    @advise("recreate it")
    def of_frame(
        cls,
        frame: pd.DataFrame,
        path: Path,
        task: Task,
        ids: np.ndarray,
        folds: np.ndarray | None = None,
    ) -> Self:
        """Take a table by the names of its rows and columns.

        Args:
            frame: as `read_csv` reads it.
            path: the CSV, also compressed.
            task: whose columns it has.
            ids: (galaxy,) that it holds once each, in the wanted order.
            folds: (galaxy,) that an out-of-fold table must have.
        Raises:
            InputError: a column or galaxy is missing, or a cell is no number.
            DamageError: it has other folds.
        """
        frame = select_predictions(frame, task.columns, ids, path)
        if folds is not None:
            _check_folds(frame, folds, path)
        values = frame[list(task.columns)].to_numpy()
        return cls(task, ids, values, folds)

    @property
    def frame(self) -> pd.DataFrame:
        """The values alone, as a table indexed by id."""
        index = pd.Index(self.ids, name=key_of(self.ids))
        return pd.DataFrame(self.values, index, list(self.task.columns))

    def format(self, prior: np.ndarray | None = None, number: str = "%.9f") -> str:
        """The table as CSV text.

        Args:
            prior: (column,) means of the training targets, by which a class task decides; None:
                without a column of classes.
            number: form of values.
        """
        frame = self.frame
        if prior is not None:
            frame = self.task.with_decision(frame, prior)
        if self.folds is not None:
            frame[FOLD] = self.folds
        return format_predictions(frame, number)

    def write(self, path: Path, prior: np.ndarray | None = None, number: str = "%.9f") -> str:
        """Write the table atomically, as `format` has it; returns its digest."""
        files.write_text(path, self.format(prior, number))
        return digest_table(path)

    def project(self) -> Self:
        """Return valid predictions, as a submission holds them."""
        return replace(self, values=self.task.project(self.values))

    def to_task(self, task: Task) -> Self:
        """Return predictions for another task: class probabilities follow from predicted votes."""
        if self.task.name == task.name or task.rule is None:
            return self
        shares = task.rule.shares(self.frame)[list(task.columns)]
        return replace(self, task=task, values=task.project(shares.to_numpy()))


def _check_folds(frame: pd.DataFrame, folds: np.ndarray, path: Path) -> None:
    """Refuse an out-of-fold table without folds, or with other ones."""
    if FOLD not in frame.columns:
        raise DamageError(
            f"{paths.shown(path)} has no column '{FOLD}', the fold in which each row was held out"
        )
    moved = np.flatnonzero(frame[FOLD].to_numpy() != folds)
    if len(moved):
        first = moved[0]
        raise DamageError(
            f"{paths.shown(path)} was made with another split "
            f"({key_of(frame.index)} {frame.index[first]}: fold {frame[FOLD].iloc[first]:g}, "
            f"but {folds[first]} in the catalog; such rows: {len(moved)})"
        )


def select_predictions(
    frame: pd.DataFrame, columns: Sequence[str], ids: np.ndarray, path: Path
) -> pd.DataFrame:
    """Select the numbers of a prediction table, its rows in the order of `ids`.

    Args:
        frame: as of `read_csv`.
        columns: names.
        ids: (galaxy,) that it holds once each.
        path: the file, for messages.
    Returns:
        (galaxy, column) float64 table indexed by id; an out-of-fold table keeps its `fold` column
        last.
    Raises:
        InputError: a column or an id is missing, an id is unknown, or a cell is no number.
    """
    check_columns(frame, columns, path)  # else a table of another task lacks ids
    wanted = pd.Index(ids)
    missing = wanted[~wanted.isin(frame.index)].sort_values()
    extra = frame.index[~frame.index.isin(ids)].sort_values()
    if len(missing) or len(extra):
        if len(missing):
            problem = f"{missing[0]} is missing"
            advice = "predict these too"
        else:
            problem = f"{extra[0]} is not in the dataset"
            advice = "leave these out"
        counts = f"{len(missing)} missing, {len(extra)} extra"
        raise InputError(f"{paths.shown(path)}: {key_of(ids)} {problem} ({counts}): {advice}")
    numbers = select_numbers(frame, columns, path)
    if FOLD in frame.columns:
        numbers[FOLD] = select_numbers(frame, [FOLD], path)
    return numbers.loc[ids]


def score_table(
    task: Task,
    predictions: np.ndarray,
    targets: np.ndarray,
    folds: np.ndarray | None,
    unscored: np.ndarray | None = None,
) -> dict[str, Any]:
    """Score predictions overall, per fold and per column.

    Args:
        predictions: (galaxy, column), as they would be submitted.
        targets: (galaxy, column).
        folds: (galaxy,) fold of each galaxy; None: all are in one.
        unscored: (other galaxy, column) targets of the galaxies that are not scored here; a class
            task decides by frequencies that leave the scored fold out.
    Returns:
        Plain dict: `metric`, `score` over all rows, `per_fold`, their `mean` and `sd` (sample
        standard deviation; None for one fold), `per_column`, and `classes` with more scores of a
        class task.
    """
    if folds is None:
        folds = np.zeros(len(targets), np.int64)
    per_fold = {}
    for fold in np.unique(folds).tolist():
        rows = folds == fold
        per_fold[str(fold)] = task.score(predictions[rows], targets[rows])
    fold_scores = list(per_fold.values())
    sd = None
    if len(fold_scores) > 1:
        sd = float(np.std(fold_scores, ddof=1))
    per_column = {}
    for i, column in enumerate(task.columns):
        per_column[column] = task.score(predictions[:, [i]], targets[:, [i]])

    table = {
        "metric": task.metric,
        "score": task.score(predictions, targets),
        "per_fold": per_fold,
        "mean": float(np.mean(fold_scores)),
        "sd": sd,
        "per_column": per_column,
        "galaxies": len(targets),
        "code_version": versions.code_version(),
    }
    class_scores = task.class_scores(predictions, targets, folds, unscored)
    if class_scores:
        table["classes"] = class_scores
    return table


def digest_table(table: Path) -> str:
    """Digest of a table's file, noted in its score card.

    The two are written one after the other, and a kill may come between.
    """
    return manifest.digest_file(table)[:16]
