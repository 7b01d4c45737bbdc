"""Runs imported from predictions that were made elsewhere on the same split.

Their tables are checked once. The runs that they become have no networks.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from galaxyzoo.config.loading import check_run_name
from galaxyzoo.core.errors import InputError, advise
from galaxyzoo.core.paths import shown
from galaxyzoo.data.catalog import Catalog, task_of
from galaxyzoo.io.tables import FOLD, read_csv
from galaxyzoo.results import layout
from galaxyzoo.results.card import Digests, ImportedTables, RunCard
from galaxyzoo.results.oof import save_run
from galaxyzoo.results.table import PredictionTable, digest_table
from galaxyzoo.tasks.kinds import Task

_RUN = re.compile(r"[^/.][^/]*/[A-Za-z0-9][A-Za-z0-9_.@-]*")
_FAR = 1.0  # a number further than this from 0 and 1 is not a fraction, perhaps a percentage
_OOF = "_oof.csv"  # ends of the names of a folder's tables
_TEST = "_test.csv"
_MARGIN = 5  # standard errors
_FAR_MEAN = 0.5  # standard deviations of a column
_LEAST_SPREAD = 0.01  # of a column whose predictions hardly differ
_NOTICED = 0.001  # change of a value; below it, it is the table's last digit
_NUMBER = "%.9g"  # as many digits as float32 has, by which an ensemble reads them


@dataclass(frozen=True)
class TablePair:
    """A run to import, and the files of its predictions."""

    run: str  # `gz37/effnet`
    # predictions of each training galaxy of its task, by networks not trained on it
    oof: Path
    test: Path  # predictions of each test galaxy


def list_pairs(given: Sequence[str], task: str) -> list[TablePair]:
    """List the runs to import; a missing table, or a run that is named twice, is an error.

    Args:
        given: each `NAME=OOF,TEST`, or a folder of pairs `NAME_oof.csv`, `NAME_test.csv`.
        task: of names without one.
    """
    pairs: dict[str, TablePair] = {}
    for argument in given:
        for pair in _parse(argument, task):
            check_run_name(pair.run)
            for path in (pair.oof, pair.test):
                if not path.is_file():
                    raise InputError(
                        f"{shown(path)} is missing: --import {pair.run} needs both tables"
                    )
            if pair.run in pairs:
                raise InputError(f"--import names {pair.run} twice: give each run its own name")
            pairs[pair.run] = pair
    return list(pairs.values())


def _parse(argument: str, task: str) -> list[TablePair]:
    """Parse one argument of `--import`; one that names no pair is an error."""
    problem = InputError(
        f"--import {argument}: use NAME=OOF.csv,TEST.csv, or a folder of pairs NAME{_OOF}, "
        f"NAME{_TEST}; NAME takes letters, digits, '_', '.', '@' and '-'"
    )
    name, is_pair, tables = argument.partition("=")
    if is_pair:
        tables_by_name = {name: [Path(path) for path in tables.split(",")]}
    else:
        tables_by_name = _list_folder(Path(argument))
    pairs = []
    for stem, paths in sorted(tables_by_name.items()):
        run = stem if "/" in stem else f"{task}/{stem}"
        if len(paths) != 2 or not _RUN.fullmatch(run):
            raise problem
        oof, test = paths
        pairs.append(TablePair(run, oof, test))
    if not pairs:
        raise problem
    return pairs


def _list_folder(folder: Path) -> dict[str, list[Path]]:
    """Both tables of each name that one of a folder's tables has."""
    tables_by_name = {}
    for end in (_OOF, _TEST):
        for path in folder.glob(f"*{end}"):
            name = path.name.removesuffix(end)
            tables_by_name[name] = [folder / f"{name}{_OOF}", folder / f"{name}{_TEST}"]
    return tables_by_name


def import_runs(catalog: Catalog, pairs: Sequence[TablePair]) -> list[RunCard]:
    """Check the predictions of all pairs, then write them as runs.

    A run that was imported before stays as it is. A run is marked for possible leakage where its
    predictions give evidence of it, or have no column `fold`: then nothing shows that a galaxy's
    own label was not used.

    Args:
        catalog: the dataset's whole catalog.
        pairs: the runs and their tables. Exported tables have a score card beside them, whose marks
            stay, and test predictions of networks trained on all galaxies.
    Returns:
        The runs' cards, in the order of the pairs.
    Raises:
        InputError: tables do not fit, or are not those of their card; a run is there and of other
            predictions. Nothing is written.
    """
    checked = [_check_pair(catalog, pair) for pair in pairs]
    cards = []
    for run in checked:
        if isinstance(run, _CheckedRun):
            cards.append(run.save())
        else:
            cards.append(run)
    for place, run in enumerate(checked):
        if isinstance(run, _CheckedRun):  # compared with the others of these pairs, too
            cards[place] = run.compare(cards[place])
    return cards


@dataclass(frozen=True, eq=False)
class _CheckedRun:
    """Predictions to import, read and checked."""

    run: str
    labeled: Catalog  # galaxies of its task
    oof: PredictionTable  # valid
    tests: dict[str, PredictionTable]  # by networks, valid
    notes: dict[str, Any]  # values of the card, besides scores and tables
    imported: ImportedTables

    def save(self) -> RunCard:
        """Write tables and card."""
        return save_run(
            catalog=self.labeled,
            run=self.run,
            oof=self.oof,
            test=self.tests["test"],
            notes={**self.notes, "imported": self.imported},
            refit=self.tests.get("refit"),
            number=_NUMBER,
        )

    def compare(self, card: RunCard) -> RunCard:
        """Compare with the runs that are there; add to the card what this shows."""
        better = _compare_to_runs(self.labeled, self.run, self.oof)
        if not better:
            return card
        remarks = [*self.imported.remarks, *better]
        imported = self.imported.model_copy(update={"remarks": remarks})
        card = card.model_copy(update={"imported": imported})
        card.write(layout.RunFolder(self.labeled.dataset, self.run).card)
        return card


def _check_pair(catalog: Catalog, pair: TablePair) -> RunCard | _CheckedRun:
    """Read and check a pair; returns the card of a run that was imported from it before.

    Arguments and errors as of `import_runs`.
    """
    task = task_of(pair.run)
    labeled = catalog.for_task(task)
    given = _read_tables(catalog, labeled, pair)
    earlier_card = _find_imported(labeled, pair.run, given.digests)
    if earlier_card:
        return earlier_card
    folder = layout.RunFolder(labeled.dataset, pair.run)
    for path in (pair.oof, pair.test):
        if path.resolve() in (folder.oof_csv.resolve(), folder.test_csv.resolve()):
            raise InputError(
                f"{shown(path)} is where the imported run's table goes: move yours, or choose "
                "another name"
            )
    oof = _make_valid(given.oof)
    tests = {key: _make_valid(table) for key, table in given.tests.items()}
    targets = labeled.targets(task)
    leakage = task.find_leakage(given.oof.values, targets, labeled.folds)
    remarks = []
    if given.n_ignored:
        remarks.append(
            f"rows of {given.n_ignored:,} galaxies in {pair.oof.name} are ignored: {task.name} "
            "leaves them out"
        )
    remarks += _describe_adjustment(given, oof, tests, targets)
    if not given.has_folds:
        remarks.append(
            f"{pair.oof.name} has no column {FOLD}, the fold in which each row was held out"
        )
    notes: dict[str, Any] = {
        "about": f"imported from {pair.oof.name}",
        "start": "made elsewhere",
        "selected_on_validation": False,
        "possible_leakage": False,
    }
    if given.card:
        notes = given.card.model_dump()
    notes["possible_leakage"] |= bool(leakage) or not given.has_folds
    imported = ImportedTables(
        **given.digests.model_dump(),
        leakage=leakage,
        problems=_find_problems(oof, tests),
        remarks=remarks,
    )
    return _CheckedRun(pair.run, labeled, oof, tests, notes, imported)


@dataclass(frozen=True)
class _Tables:
    """Tables of a run to import, as they are in the files."""

    oof: PredictionTable
    has_folds: bool  # the out-of-fold table names them
    n_ignored: int  # its rows of galaxies that the task leaves out
    tests: dict[str, PredictionTable]  # by networks: test (the folds'), refit
    digests: Digests
    card: RunCard | None  # score card beside exported tables


def _read_tables(catalog: Catalog, labeled: Catalog, pair: TablePair) -> _Tables:
    """Read a run's tables and the score card beside them.

    Args:
        catalog: the dataset's whole catalog.
        labeled: galaxies of the run's task.
        pair: the run and its tables.
    Raises:
        InputError: a table does not fit the catalog, or is not the card's.
    """
    card_path = pair.oof.with_name(layout.SCORES)
    is_exported = pair.oof.name == layout.PACKED["oof"]
    card = None
    if is_exported and card_path.exists():
        card = RunCard.read(card_path)
    test_paths = {"test": pair.test}
    if card and card.refits:
        test_paths["refit"] = pair.oof.with_name(layout.PACKED["refit"])

    oof_frame = read_csv(pair.oof, key=catalog.key)
    _refuse_exchanged(oof_frame, catalog, pair)
    is_dropped = oof_frame.index.isin(np.setdiff1d(catalog.ids, labeled.ids))
    oof = _read_oof(oof_frame[~is_dropped], labeled, pair)
    tests = {}
    test_digests = {}
    for networks, path in test_paths.items():
        frame = read_csv(path, key=catalog.key)
        tests[networks] = _make_table(frame, path, oof.task, catalog.test_ids)
        test_digests[networks] = digest_table(path)
    digests = Digests(oof=digest_table(pair.oof), **test_digests)
    if card and card.tables != digests:
        raise InputError(
            f"{shown(pair.oof)} and {pair.test.name} do not match {shown(card_path)}: copy all "
            "three again"
        )
    return _Tables(
        oof=oof,
        has_folds=FOLD in oof_frame,
        n_ignored=int(is_dropped.sum()),
        tests=tests,
        digests=digests,
        card=card,
    )


def _refuse_exchanged(oof: pd.DataFrame, catalog: Catalog, pair: TablePair) -> None:
    """Refuse a pair whose out-of-fold table has the test galaxies."""
    if len(oof) and oof.index.isin(catalog.test_ids).all():
        raise InputError(
            f"{shown(pair.oof)} has the test galaxies: are OOF and TEST exchanged? The out-of-fold "
            "table comes first"
        )


def _find_imported(labeled: Catalog, run: str, digests: Digests) -> RunCard | None:
    """Find the card of a run that was imported from the same tables; another one is refused.

    Args:
        labeled: galaxies of the run's task.
        run: its name.
        digests: of the tables to import.
    Returns:
        The card; None where there is no such run, or one of its own tables was changed.
    """
    folder = layout.RunFolder(labeled.dataset, run)
    problem = f"{run} already exists on {labeled.dataset} with other tables: choose another name"
    if not folder.card.exists():
        if folder.folds:
            raise InputError(problem)
        return None
    with advise(f"delete {shown(folder.card)} to import the run again"):
        card = RunCard.of(labeled.dataset, run)
    if not card.imported:
        raise InputError(problem)
    if folder.folds or card.imported.digests != digests:
        raise InputError(f"{problem}, or delete {shown(folder.card)}")
    tables = [folder.oof_csv, folder.test_csv]
    if card.refits:
        tables.append(folder.refit_csv)
    try:
        return card.check(labeled, *tables)
    except InputError:  # made again where a table was changed
        return None


def _read_oof(frame: pd.DataFrame, labeled: Catalog, pair: TablePair) -> PredictionTable:
    """Read the out-of-fold table; its folds, if it names them, must be those of the split.

    Args:
        frame: the table as of `read_csv`, without rows of galaxies that the task leaves out.
        labeled: galaxies of the run's task.
        pair: the run and its tables.
    """
    folds = None
    if FOLD in frame:
        folds = labeled.folds
        cells = frame[FOLD].reindex(labeled.ids)
        written = pd.to_numeric(cells, errors="coerce")  # Parquet's cells are texts here
        if (written == labeled.folds + 1).all():  # the same split, numbered from 1
            folds = labeled.folds + 1
    with advise(f"train the run on the folds in folds/{labeled.dataset}/train.csv"):
        table = _make_table(frame, pair.oof, task_of(pair.run), labeled.ids, folds)
    return replace(table, folds=labeled.folds)


def _make_table(
    frame: pd.DataFrame,
    path: Path,
    task: Task,
    ids: np.ndarray,
    folds: np.ndarray | None = None,
) -> PredictionTable:
    """Take a table, as `PredictionTable.of_frame`, and refuse numbers that are no fractions."""
    table = PredictionTable.of_frame(frame, path, task, ids, folds)
    far = np.abs(table.values - 0.5) > 0.5 + _FAR
    if far.any():
        row, column = np.argwhere(far)[0]
        name = task.columns[column]
        raise InputError(
            f"{shown(path)}, column '{name}': {table.values[row, column]:g} is not a fraction "
            f"between 0 and 1 (such values: {far.sum():,})"
        )
    return table


def _make_valid(table: PredictionTable) -> PredictionTable:
    """Make predictions valid, as those of trained runs are."""
    valid = table.project()
    return replace(valid, values=valid.values.astype(np.float32))


def _find_problems(oof: PredictionTable, tests: Mapping[str, PredictionTable]) -> list[str]:
    """Find test tables whose column means are far from the out-of-fold table's.

    Far is a difference of more than half of the column's standard deviation over galaxies and of
    five standard errors. In the committed runs, the largest is 0.18 standard deviations.

    Args:
        oof: out-of-fold predictions, valid.
        tests: by networks, folds' or refits', valid.
    """
    problems = []
    for networks, test in tests.items():
        if not len(test.ids):
            continue
        test_means = test.values.mean(axis=0)
        oof_means = oof.values.mean(axis=0)
        spread = np.maximum(oof.values.std(axis=0), _LEAST_SPREAD)
        limit = _FAR_MEAN + _MARGIN * np.sqrt(1 / len(oof.ids) + 1 / len(test.ids))
        distances = np.abs(test_means - oof_means) / spread
        column = distances.argmax()
        if distances[column] > limit:
            name = oof.task.columns[column]
            problems.append(
                f"the {networks} table's mean of {name} is {test_means[column]:.3f}, the "
                f"out-of-fold table's {oof_means[column]:.3f}: check its columns and galaxies"
            )
    return problems


def _describe_adjustment(
    given: _Tables, oof: PredictionTable, tests: Mapping[str, PredictionTable], targets: np.ndarray
) -> list[str]:
    """Describe by how much making predictions valid changed them, where it shows.

    Args:
        given: the tables as they are in the files.
        oof: out-of-fold predictions, valid.
        tests: by networks, folds' or refits', valid.
        targets: (galaxy, column) of the out-of-fold predictions.
    """
    task = oof.task
    sentences = []
    oof_change = np.abs(given.oof.values - oof.values).max(initial=0)
    if oof_change >= _NOTICED:
        before = task.score(given.oof.values, targets)
        after = task.score(oof.values, targets)
        sentences.append(
            f"adjusted to {task.constraint}: {task.metric} {before:.5f} → {after:.5f}, values by "
            f"up to {oof_change:.3f}"
        )
    for networks, test in tests.items():
        change = np.abs(given.tests[networks].values - test.values).max(initial=0)
        if change >= _NOTICED:
            sentences.append(
                f"{networks} table adjusted to {task.constraint}: values by up to {change:.3f}"
            )
    return sentences


def _compare_to_runs(labeled: Catalog, run: str, oof: PredictionTable) -> list[str]:
    """Say so where a run is better than each run of its task that has no mark.

    Better is a score lower by more than five standard errors of the difference, paired by galaxy.

    Args:
        labeled: galaxies of the task.
        run: its name.
        oof: its out-of-fold predictions, valid.
    """
    task = oof.task
    targets = labeled.targets(task)
    losses = task.per_sample_losses(oof.values.astype(np.float64), targets)
    others = [card for card in _fair_cards(labeled, task) if card.run != run]
    differences = []
    for card in others:
        path = layout.RunFolder(labeled.dataset, card.run).oof_csv
        table = PredictionTable.read(path, task, labeled.ids)
        difference = task.difference(losses, task.per_sample_losses(table.values, targets))
        if difference.value > -_MARGIN * difference.error:
            return []
        differences.append(difference)
    if not others:
        return []
    best_run = others[0].run
    gap = differences[0]
    sentence = (
        f"better than every other run without a mark by over {_MARGIN} standard errors "
        f"({best_run}: {-gap.value:.5f} ± {gap.error:.5f}); check that no network saw the galaxies "
        "that it predicts"
    )
    return [sentence]


def _fair_cards(labeled: Catalog, task: Task) -> list[RunCard]:
    """Cards of the task's whole runs without a mark or problem, the best first."""
    cards = []
    for run in layout.list_tables(labeled.dataset, task.name):
        try:
            card = RunCard.of(labeled.dataset, run)
            card.check(labeled, layout.RunFolder(labeled.dataset, run).oof_csv)
        except InputError:  # reported where that run is used
            continue
        has_problem = card.is_optimistic or card.diverged or card.problems
        if card.is_whole and not has_problem:
            cards.append(card)
    return sorted(cards, key=lambda card: card.score)
