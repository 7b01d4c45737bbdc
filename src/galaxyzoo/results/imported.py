"""Runs imported from predictions that were made elsewhere on the same split.

Their tables are checked once. The runs that they become have no networks.
"""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import HOLDOUT_END, REFIT_END, shown
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.io.tables import FOLD, read_csv, read_table
from galaxyzoo.results import layout
from galaxyzoo.results.card import Digests, RunCard
from galaxyzoo.results.oof import save_run
from galaxyzoo.results.table import PredictionTable, digest_table
from galaxyzoo.tasks.registry import task_of

_RUN = re.compile(r"\w+/[A-Za-z0-9][A-Za-z0-9_.@-]*")
_FAR = 1.0  # a number further than this from 0 and 1 is not a fraction, perhaps a percentage
_OOF, _TEST = "_oof.csv", "_test.csv"  # ends of the names of a folder's tables
_NUMBER = "%.9g"  # as many digits as float32 has, by which an ensemble reads them


@dataclass(frozen=True)
class TablePair:
    """A run to import, and the files of its predictions."""

    run: str  # `gz37/effnet`
    # predictions of each training galaxy of its task, by networks not trained on it
    oof: Path
    test: Path  # predictions of each test galaxy


def list_pairs(given: Sequence[str], task: str) -> list[TablePair]:
    """List the runs to import; every table is there, and no run is named twice.

    Args:
        given: each `NAME=OOF,TEST`, or a folder of pairs `NAME_oof.csv`, `NAME_test.csv`.
        task: of names without one.
    """
    pairs: dict[str, TablePair] = {}
    for argument in given:
        for pair in _parse(argument, task):
            _check_pair(pair)
            if pair.run in pairs:
                raise InputError(f"--import names {pair.run} twice: give each run its own name")
            pairs[pair.run] = pair
    return list(pairs.values())


def _parse(argument: str, task: str) -> list[TablePair]:
    """Parse one argument of `--import`."""
    name, is_pair, tables = argument.partition("=")
    if is_pair:
        files = {name: [Path(path) for path in tables.split(",")]}
    else:
        names = set()
        for end in (_OOF, _TEST):
            names |= {path.name.removesuffix(end) for path in Path(argument).glob(f"*{end}")}
        files = {stem: [Path(argument, stem + end) for end in (_OOF, _TEST)] for stem in names}
    pairs: list[TablePair] = []
    for stem, paths in sorted(files.items()):
        run = stem if "/" in stem else f"{task}/{stem}"
        if len(paths) != 2 or not _RUN.fullmatch(run):
            pairs.clear()
            break
        pairs.append(TablePair(run, *paths))
    if not pairs:
        raise InputError(
            f"--import {argument}: use NAME=OOF.csv,TEST.csv, or a folder of pairs NAME{_OOF}, "
            f"NAME{_TEST}; NAME takes letters, digits, '_', '.', '@' and '-'"
        )
    return pairs


def _check_pair(pair: TablePair) -> None:
    """Refuse names whose tables would be another run's, and missing tables."""
    for end in (REFIT_END, HOLDOUT_END):
        if pair.run.endswith(end):
            raise InputError(
                f"--import {pair.run}: names that end in '{end}' are kept for other files of "
                f"{pair.run.removesuffix(end)}; choose another name"
            )
    for path in (pair.oof, pair.test):
        if not path.is_file():
            raise InputError(f"{shown(path)} is missing: --import {pair.run} needs both tables")


def import_run(catalog: Catalog, pair: TablePair) -> RunCard:
    """Check predictions and write them as a run; known ones stay as they are.

    Without a column `fold`, nothing shows that a galaxy's own label was not used: the run is marked
    for possible leakage.

    Args:
        catalog: the dataset's whole catalog.
        pair: the run and its tables. Tables of `src/export.py --tables` have a score card beside
            them, whose marks stay, and test predictions of networks trained on all galaxies.
    Raises:
        InputError: the tables do not fit, are too good to be true, or not those of their card; the
            run is there and of other predictions.
    """
    run, oof_path, test_path = pair.run, pair.oof, pair.test
    task, folder = task_of(run), layout.RunFolder(catalog.dataset, run)
    labeled = catalog.for_task(task)
    oof, has_folds = _read_oof(catalog, labeled, pair)
    paths, beside = {"test": test_path}, oof_path.with_name(layout.SCORES)
    is_packed = oof_path.name == layout.PACKED["oof"] and beside.exists()
    packed = RunCard.read(beside) if is_packed else None
    if packed and packed.refits:
        paths["refit"] = oof_path.with_name(layout.PACKED["refit"])
    given = Digests(**{key: digest_table(path) for key, path in {"oof": oof_path, **paths}.items()})
    tests = {}
    for key, path in paths.items():
        table = PredictionTable.read(path, task, catalog.test_ids, names=catalog.names)
        tests[key] = _project(table, path)
    known = RunCard.of(catalog.dataset, run) if folder.card.exists() else None
    if folder.folds or (known and known.imported != given):
        delete = f", or delete {shown(folder.card)}" if known and known.imported else ""
        raise InputError(
            f"{run} already exists on {catalog.dataset} with other tables: choose another "
            f"name{delete}"
        )
    if known:
        with contextlib.suppress(InputError):  # made again where a table was changed
            refits = [folder.refit_csv] * bool(known.refits)
            return known.check(labeled, folder.oof_csv, folder.test_csv, *refits)
    for fold in range(labeled.n_folds):
        rows = labeled.folds == fold
        values, targets = oof.values[rows], labeled.targets(task.name)[rows]
        if task.is_below_noise_floor(values, targets):
            raise InputError(
                f"{shown(oof_path)}, fold {fold}: {task.metric} {task.score(values, targets):.5f} "
                "is too good to be true (label leakage?): predict each fold with networks not "
                "trained on it"
            )
    notes: dict[str, Any] = dict.fromkeys(("selected_on_validation", "possible_leakage"), False)
    notes |= {"about": f"imported from {oof_path.name}", "start": "made elsewhere"}
    if packed:
        if packed.tables != given:
            raise InputError(
                f"{shown(oof_path)} and {test_path.name} do not match {shown(beside)}: copy all "
                "three again"
            )
        notes = packed.model_dump()
    notes |= {"possible_leakage": notes["possible_leakage"] or not has_folds, "imported": given}
    return save_run(labeled, run, oof, tests["test"], _NUMBER, tests.get("refit"), **notes)


def _read_oof(catalog: Catalog, labeled: Catalog, pair: TablePair) -> tuple[PredictionTable, bool]:
    """Read the out-of-fold table, of the split's folds; and whether it names them.

    Args:
        catalog: the dataset's whole catalog.
        labeled: galaxies of the run's task.
        pair: the run and its tables.
    """
    names, task = catalog.names, task_of(pair.run)
    has_folds = FOLD in read_table(pair.oof, wanted=FOLD.__eq__)
    folds = labeled.folds if has_folds else None
    if has_folds:
        written = read_csv(pair.oof, names=names)[FOLD].reindex(labeled.ids)
        if (written == labeled.folds + 1).all():  # the same split, numbered from 1
            folds = labeled.folds + 1
    advice = f"train the run on the folds in folds/{catalog.dataset}/train.csv"
    table = PredictionTable.read(pair.oof, task, labeled.ids, folds, advice, names)
    return replace(_project(table, pair.oof), folds=labeled.folds), has_folds


def _project(table: PredictionTable, path: Path) -> PredictionTable:
    """Make predictions valid, as those of trained runs are."""
    far = np.abs(table.values - 0.5) > 0.5 + _FAR
    if far.any():
        row, column = np.argwhere(far)[0]
        raise InputError(
            f"{shown(path)}, column '{table.task.columns[column]}': {table.values[row, column]:g} "
            f"is not a fraction between 0 and 1 (such values: {far.sum():,})"
        )
    valid = table.project()
    return replace(valid, values=valid.values.astype(np.float32))
