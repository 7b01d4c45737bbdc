"""Members of an ensemble: finished runs, and predictions made elsewhere on the same split.

Tables are checked against the catalog. A class task whose rule works on votes also takes the runs
and tables that predict votes: the rule's soft side turns predicted fractions into class
probabilities, without training.

A run proves by its score card that its table is whole and of this split. An external table has to
prove it by itself: it holds each galaxy once, with the fold in which it was predicted. No table
shows whether a network was pretrained on these galaxies; users mark such tables.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.io.tables import read_csv
from galaxyzoo.results.card import RunCard
from galaxyzoo.results.layout import PREFIX, RunFolder, list_tables, oof_dir
from galaxyzoo.results.table import PredictionTable
from galaxyzoo.tasks.kinds import Task
from galaxyzoo.tasks.registry import get_task, task_name, task_of

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]*")
_FAR = 1.0  # a number further than this from 0 and 1 is not a fraction, perhaps a percentage


def find_runs(
    task: Task, catalog: Catalog, asked: Sequence[str], or_none: bool = False
) -> tuple[list[str], list[str]]:
    """Choose the runs to combine.

    Args:
        task: the task whose runs to look for.
        catalog: the dataset's whole catalog.
        asked: runs by name, `gz37/resnet18` or `resnet18`; empty for all that may be used.
        or_none: whether an empty result is allowed.
    Returns:
        Run names in alphabetical order, and one line for each run that was left out: one with
        missing folds or a fold that diverged, one whose epoch was chosen on the validation fold,
        and one whose first weights may have been trained on these galaxies. Runs asked
        for by name are never left out; a line names those that diverged.
    """
    if asked:
        runs = sorted({_full_name(name, task, catalog) for name in asked})
        cards = [RunCard.of(catalog.dataset, run) for run in runs]
        diverged = [card for card in cards if card.diverged]
        return runs, [f"{card.run} was asked for, but its {card.divergence}" for card in diverged]
    folder = oof_dir() / catalog.dataset
    kinds = _kinds(task, catalog)
    named = [run for kind in kinds for run in list_tables(catalog.dataset, kind)]
    reasons = {run: _reason_to_leave_out(run, catalog) for run in named}
    left_out = [f"{run} is left out: {reason}" for run, reason in reasons.items() if reason]
    runs = [run for run, reason in reasons.items() if not reason]
    if not or_none and not any(run.startswith(f"{task.name}/") for run in runs):
        why = "; ".join(left_out) or "no table found"
        raise InputError(f"no finished run in {shown(folder / task.name)} ({why})")
    return runs, left_out


class Member(Protocol):
    """Member of an ensemble: tables of a run of ours, or external ones."""

    @property
    def run(self) -> str:
        """Name on the card."""

    def load_oof(self, task: Task, catalog: Catalog) -> np.ndarray:
        """Load out-of-fold predictions.

        Args:
            task: that they are to serve.
            catalog: the dataset's whole catalog.
        Returns:
            (galaxy, column) float32, in the order of the task's catalog.
        """

    def load_test(self, task: Task, catalog: Catalog) -> np.ndarray:
        """Load (test galaxy, column) float32 predictions, in the sample submission's order."""


@dataclass(frozen=True)
class TrainedRun:
    """The tables of a finished run, as they are."""

    run: str

    def load_oof(self, task: Task, catalog: Catalog) -> np.ndarray:
        """See `Member.load_oof`."""
        galaxies = catalog.for_task(task_of(self.run))
        path = RunFolder(catalog.dataset, self.run).oof_csv
        card = RunCard.of(catalog.dataset, self.run).check(galaxies, path)
        if unfinished := _count_finished(card):
            raise InputError(
                f"{shown(path)} cannot be used: {unfinished}; train the others of {self.run} first"
            )
        cure = f"train {self.run} again"
        table = PredictionTable.read(path, task_of(self.run), galaxies.ids, galaxies.folds, cure)
        return _numbers(table.to_task(task).select(catalog.for_task(task).ids))

    def load_test(self, task: Task, catalog: Catalog) -> np.ndarray:
        """See `Member.load_test`."""
        run_task, path = task_of(self.run), RunFolder(catalog.dataset, self.run).test_csv
        RunCard.of(catalog.dataset, self.run).check(catalog.for_task(run_task), path)
        return _numbers(PredictionTable.read(path, run_task, catalog.test_ids).to_task(task))


def _kinds(task: Task, catalog: Catalog) -> list[str]:
    """Tasks whose runs can serve a task: its own, and the one that predicts votes."""
    by_votes = task.tasks_of_votes if catalog.has_votes else ()
    return list(dict.fromkeys([task.name, *by_votes]))


def _task_of_columns(columns: Iterable[str], task: Task, catalog: Catalog) -> Task:
    """Choose the task of a table's columns: `task`, or votes where its rule works on votes."""
    others = [get_task(name) for name in _kinds(task, catalog) if name != task.name]
    return next((other for other in others if {*other.columns} <= {*columns}), task)


def _full_name(name: str, task: Task, catalog: Catalog) -> str:
    run = name if "/" in name else f"{task.name}/{name}"
    if task_name(run) not in _kinds(task, catalog):
        raise InputError(f"run '{name}' is not of task '{task.name}': add --task, or leave it out")
    return run


def _reason_to_leave_out(run: str, catalog: Catalog) -> str:
    """Reason why a run is used only if named; empty if it is used."""
    card = RunCard.of(catalog.dataset, run)
    if card.selected_on_validation:
        return "its epochs were chosen on the validation folds, so its score is optimistic"
    if card.possible_leakage:
        return (
            "its first weights may have been trained on these galaxies, so its score counts as "
            "optimistic"
        )
    if card.diverged:
        folder = shown(RunFolder(catalog.dataset, run).path)
        return f"{card.divergence}; delete {folder} to train it again with a lower train.lr"
    return _count_finished(card)


def _count_finished(card: RunCard) -> str:
    """Describe how many of a run's folds are finished; empty if all are."""
    return "" if card.is_whole else f"{len(card.folds)} of {card.n_folds} folds are finished"


def _numbers(table: PredictionTable) -> np.ndarray:
    """(row, column) float32; half the memory, and a vote fraction moves by 6e-8 at most."""
    return table.values.astype(np.float32)


@dataclass(frozen=True)
class ExternalTable:
    """Out-of-fold and test predictions made elsewhere."""

    name: str
    oof_path: Path
    test_path: Path
    possible_leakage: bool  # its networks may have been trained on these galaxies' votes

    @property
    def run(self) -> str:
        """Name among the runs."""
        return f"{PREFIX}{self.name}"

    def load_oof(self, task: Task, catalog: Catalog) -> np.ndarray:
        """See `Member.load_oof`; valid predictions."""
        frame = read_csv(self.oof_path)
        table_task = _task_of_columns(frame.columns, task, catalog)
        galaxies = catalog.for_task(table_task)
        remedy = f"train it on the folds of folds/{catalog.dataset}/train.csv"
        table = PredictionTable.read(
            self.oof_path, table_task, galaxies.ids, galaxies.folds, remedy, frame
        )
        table = self._project(table, self.oof_path)
        if not self.possible_leakage:
            self._check_scores(table.values, table_task, galaxies)
        return _numbers(table.to_task(task).select(catalog.for_task(task).ids))

    def load_test(self, task: Task, catalog: Catalog) -> np.ndarray:
        """See `Member.load_test`; valid predictions."""
        frame = read_csv(self.test_path)
        table_task = _task_of_columns(frame.columns, task, catalog)
        table = PredictionTable.read(self.test_path, table_task, catalog.test_ids, frame=frame)
        return _numbers(self._project(table, self.test_path).to_task(task))

    def _check_scores(self, values: np.ndarray, task: Task, catalog: Catalog) -> None:
        """Refuse a fold that is too good to be predicted."""
        for fold in range(catalog.n_folds):
            rows = catalog.folds == fold
            predictions, targets = values[rows], catalog.targets(task.name)[rows]
            if task.is_too_good(predictions, targets):
                raise InputError(
                    f"{shown(self.oof_path)}, fold {fold}: {task.metric} "
                    f"{task.score(predictions, targets):.5f} is too good to be true, as if the "
                    "labels had been used; to combine it all the same, add --possible-leakage "
                    f"{self.name} and name {self.run} among the runs"
                )

    def _project(self, table: PredictionTable, path: Path) -> PredictionTable:
        """Make an external table's predictions valid, as those of runs are."""
        far = np.abs(table.values - 0.5) > 0.5 + _FAR
        if far.any():
            row, column = np.argwhere(far)[0]
            raise InputError(
                f"{shown(path)}, column '{table.task.columns[column]}': "
                f"{table.values[row, column]:g} is not a fraction between 0 and 1 "
                f"({far.sum():,} such values)"
            )
        valid = table.project()
        return replace(valid, values=valid.values.astype(np.float32))


def make_tables(given: Sequence[Sequence[str]], leaking: Sequence[str]) -> list[ExternalTable]:
    """The external tables of the command line, in alphabetical order.

    Args:
        given: name, out-of-fold table and test table of each.
        leaking: names of those to mark.
    """
    names = [name for name, *_ in given]
    for name in names:
        if not _NAME.fullmatch(name):
            raise InputError(
                f"--external {name!r} is no name: take letters, digits, '_', '.', '@' and '-'"
            )
        if names.count(name) > 1:
            raise InputError(f"--external {name} is given twice: give each table its own name")
    for name in leaking:
        if name not in names:
            known = ", ".join(names) or "none"
            raise InputError(f"--possible-leakage {name} marks no table: --external names {known}")
    tables = [
        ExternalTable(name, Path(oof), Path(test), name in leaking) for name, oof, test in given
    ]
    return sorted(tables, key=lambda table: table.name)


def pick_tables(tables: Sequence[ExternalTable], asked: Sequence[str]) -> list[ExternalTable]:
    """Select tables to combine: those without a mark, and marked ones asked for by name.

    Args:
        tables: all that are given.
        asked: runs by name, those of external tables with `PREFIX`.
    """
    known = {table.run for table in tables}
    for run in asked:
        if run.startswith(PREFIX) and run not in known:
            name = run.removeprefix(PREFIX)
            raise InputError(f"run '{run}' is not there: add --external {name} OOF.csv TEST.csv")
    return [table for table in tables if not table.possible_leakage or table.run in asked]
