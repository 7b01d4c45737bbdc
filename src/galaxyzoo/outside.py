"""Predictions made elsewhere on the same split: other people's networks, or weights from a hub.

What the project's own runs prove by their score cards, such a table has to show by itself: that it
holds each galaxy once, and that each was predicted in the fold it has here. Whether a network has
seen the galaxies before, in its pretraining, no table shows; users say so with a mark.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from galaxyzoo.catalogs import Catalog
from galaxyzoo.errors import InputError
from galaxyzoo.paths import shown
from galaxyzoo.scores import digest_table
from galaxyzoo.tables import FOLD, read_predictions
from galaxyzoo.tasks import Task

PREFIX = "outside/"  # of their names among the runs
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_FAR = 1.0  # beyond 0 and 1 by more, a number is no fraction but another unit


@dataclass(frozen=True)
class OutsideTable:
    """Somebody's out-of-fold and test predictions."""

    name: str
    oof_path: Path
    test_path: Path
    perhaps_seen: bool  # its networks may have learned from these galaxies' votes

    @property
    def run(self) -> str:
        """Its name among the runs."""
        return f"{PREFIX}{self.name}"

    def load_oof(self, task: Task, catalog: Catalog) -> np.ndarray:
        """(galaxy, column) float32 valid out-of-fold predictions, in the catalog's order.

        Args:
            task: the task.
            catalog: the task's galaxies.
        Raises:
            InputError: the table is missing or broken, lacks a galaxy or its folds, or was made
                with another split.
        """
        table = read_predictions(self.oof_path, task.columns, catalog.ids)
        if FOLD not in table.columns:
            raise InputError(
                f"{shown(self.oof_path)} has no column '{FOLD}', so nobody can tell which model "
                "predicted a galaxy: add the fold that each row was left out in, the same as in "
                f"folds/{catalog.dataset}/train.csv"
            )
        moved = np.flatnonzero(table[FOLD].to_numpy() != catalog.folds)
        if len(moved):
            first = moved[0]
            raise InputError(
                f"{shown(self.oof_path)} was made with another split (GalaxyID "
                f"{catalog.ids[first]}: fold {table[FOLD].iloc[first]:g}, here "
                f"{catalog.folds[first]}; {len(moved)} such rows): train it on the folds of "
                f"folds/{catalog.dataset}/train.csv"
            )
        return self._values(table[list(task.columns)].to_numpy(), self.oof_path, task)

    def load_test(self, task: Task, catalog: Catalog) -> np.ndarray:
        """(test galaxy, column) float32 valid predictions, in the sample submission's order.

        Raises:
            InputError: the table is missing or broken, or its ids are not the sample's.
        """
        table = read_predictions(self.test_path, task.columns, catalog.test_ids)
        return self._values(table[list(task.columns)].to_numpy(), self.test_path, task)

    def describe(self, score: float, is_used: bool) -> dict[str, Any]:
        """What the ensemble's card says of it."""
        return {
            "oof": digest_table(self.oof_path),
            "test": digest_table(self.test_path),
            "perhaps_seen": self.perhaps_seen,
            "used": is_used,
            "score": score,
        }

    def _values(self, values: np.ndarray, path: Path, task: Task) -> np.ndarray:
        """The table's numbers as our own runs' tables hold them."""
        far = np.abs(values - 0.5) > 0.5 + _FAR
        if far.any():
            row, column = np.argwhere(far)[0]
            raise InputError(
                f"{shown(path)}, column '{task.columns[column]}': {values[row, column]:g} is no "
                f"fraction between 0 and 1 ({far.sum():,} such values)"
            )
        return task.make_valid(values).astype(np.float32)


def make_tables(given: Sequence[Sequence[str]], seen: Sequence[str]) -> list[OutsideTable]:
    """The tables named on the command line, in alphabetical order.

    Args:
        given: name, out-of-fold table and test table of each.
        seen: names of those to mark.
    Raises:
        InputError: a name is not one, or stands there twice, or a marked one is not there.
    """
    names = [name for name, *_ in given]
    for name in names:
        if not _NAME.fullmatch(name):
            raise InputError(
                f"--outside {name!r} is no name: take letters, digits, '_', '.' and '-'"
            )
        if names.count(name) > 1:
            raise InputError(f"--outside {name} stands there twice: give each table its own name")
    for name in seen:
        if name not in names:
            known = ", ".join(names) or "none"
            raise InputError(f"--seen {name} marks no table: --outside names {known}")
    tables = [OutsideTable(name, Path(oof), Path(test), name in seen) for name, oof, test in given]
    return sorted(tables, key=lambda table: table.name)


def pick_tables(tables: Sequence[OutsideTable], asked: Sequence[str]) -> list[OutsideTable]:
    """Those to combine: all without a mark, and the marked ones that are asked for by name.

    Args:
        tables: what there is.
        asked: runs by name; of interest are those that start with `PREFIX`.
    Raises:
        InputError: one is asked for that is not there.
    """
    known = {table.run for table in tables}
    for run in asked:
        if run.startswith(PREFIX) and run not in known:
            name = run.removeprefix(PREFIX)
            raise InputError(f"run '{run}' is not there: add --outside {name} OOF.csv TEST.csv")
    return [table for table in tables if not table.perhaps_seen or table.run in asked]
