"""Members of an ensemble: finished runs, trained here or imported.

A run proves by its score card that its tables are whole and of this split. A class task whose rule
works on votes also takes the runs that predict votes: the rule's soft side turns predicted
fractions into class probabilities, without training.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from galaxyzoo.core.errors import InputError, advise
from galaxyzoo.core.paths import shown
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.results.card import RunCard
from galaxyzoo.results.layout import RunFolder, list_tables, oof_dir, train_command
from galaxyzoo.results.table import PredictionTable
from galaxyzoo.tasks.kinds import COMPETITION_TASK, Task
from galaxyzoo.tasks.registry import get_task, task_name

Networks = Literal["folds", "refit", "both"]  # of a run, whose test predictions are combined


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
        and one that may have been trained on these galaxies. Runs asked for by name are never left
        out; a line names those that diverged.
    Raises:
        InputError: a named run is of another task, or no run can be used.
    """
    if asked:
        return _find_named_runs(task, catalog, asked)

    runs = []
    left_out = []
    for name in _serving_tasks(task, catalog):
        for run in list_tables(catalog.dataset, name):
            reason = _reason_to_leave_out(run, task, catalog)
            if reason:
                left_out.append(f"{run} is skipped: {reason}")
            else:
                runs.append(run)
    has_own_run = any(run.startswith(f"{task.name}/") for run in runs)
    if not has_own_run and not or_none:
        folder = shown(oof_dir() / catalog.dataset / task.name)
        reasons = "; ".join(left_out) or "no table found"
        raise InputError(f"no finished run in {folder} ({reasons})")
    return sorted(runs), left_out


def _find_named_runs(
    task: Task, catalog: Catalog, names: Sequence[str]
) -> tuple[list[str], list[str]]:
    runs = sorted({_full_name(name, task, catalog) for name in names})
    warnings = []
    for run in runs:
        card = RunCard.of(catalog.dataset, run)
        if card.diverged:
            warnings.append(f"{run} is used, although its {card.divergence}")
    return runs, warnings


def load_oof(run: str, task: Task, catalog: Catalog) -> np.ndarray:
    """Load a run's out-of-fold predictions.

    Args:
        run: its name.
        task: that they are to serve.
        catalog: the dataset's whole catalog.
    Returns:
        (galaxy, column) float32, in the order of the task's catalog.
    Raises:
        InputError: a fold is not finished, or the table is not the card's or not of this split.
    """
    run_task = _task_of(run, task)
    galaxies = catalog.for_task(run_task)
    path = RunFolder(catalog.dataset, run).oof_csv
    card = RunCard.of(catalog.dataset, run).check(galaxies, path)
    unfinished = _count_finished(card)
    if unfinished:
        raise InputError(
            f"{shown(path)} cannot be used: {unfinished}; train {run}'s other folds first"
        )
    with advise(f"train {run} again"):
        table = PredictionTable.read(path, run_task, galaxies.ids, galaxies.folds)
    return _serve(table, task, catalog.for_task(task).ids)


def load_test(run: str, task: Task, catalog: Catalog, networks: Networks = "folds") -> np.ndarray:
    """Load (test galaxy, column) float32 predictions, in the sample submission's order.

    Args:
        run: its name.
        task: that they are to serve.
        catalog: the dataset's whole catalog.
        networks: whose; of both, the mean.
    Raises:
        InputError: the run has no such networks, or a table is not the card's.
    """
    folder = RunFolder(catalog.dataset, run)
    card = RunCard.of(catalog.dataset, run)
    paths = []
    if networks in ("folds", "both"):
        paths.append(folder.test_csv)
    if networks in ("refit", "both"):
        paths.append(folder.refit_csv)
    if folder.refit_csv in paths and not card.refits:
        command = train_command(catalog.dataset, run, "--refit")
        raise InputError(f"{run} was not trained on all galaxies: type `{command}` first")
    run_task = _task_of(run, task)
    card.check(catalog.for_task(run_task), *paths)
    tables = [PredictionTable.read(path, run_task, catalog.test_ids) for path in paths]
    mean = np.mean([table.values for table in tables], axis=0)
    return _serve(replace(tables[0], values=mean), task, catalog.test_ids)


def _serving_tasks(task: Task, catalog: Catalog) -> list[str]:
    """Names of the tasks whose runs can serve a task: itself, and the one that predicts votes."""
    names = [task.name]
    if task.follows_votes and catalog.has_votes and task.name != COMPETITION_TASK:
        names.append(COMPETITION_TASK)
    return names


def _task_of(run: str, task: Task) -> Task:
    """A run's own task: the one that it serves, or that of votes."""
    if task_name(run) == task.name:
        return task
    return get_task(task_name(run))


def _full_name(name: str, task: Task, catalog: Catalog) -> str:
    run = name if "/" in name else f"{task.name}/{name}"
    if task_name(run) not in _serving_tasks(task, catalog):
        raise InputError(f"run '{name}' is not for task '{task.name}': change --task or the run")
    return run


def _reason_to_leave_out(run: str, task: Task, catalog: Catalog) -> str:
    """Reason why a run is used for a task only if named; empty if it is used."""
    folder = RunFolder(catalog.dataset, run)
    if not folder.card.exists():
        return f"{folder.oof_csv.name} has no score card: use --import, or train the run again"
    card = RunCard.of(catalog.dataset, run)
    if card.fingerprint != catalog.for_task(_task_of(run, task)).fingerprint:
        return "it was made with another catalog or split: train it again"
    if card.selected_on_validation:
        return "its epochs were selected on the validation folds, so its score is optimistic"
    if card.possible_leakage:
        return "it may have been trained on these galaxies, so its score may be optimistic"
    if card.diverged:
        return f"{card.divergence}; delete {shown(folder.path)} to retrain with a lower train.lr"
    return _count_finished(card)


def _count_finished(card: RunCard) -> str:
    """Describe how many of a run's folds are finished; empty if all are."""
    if card.is_whole:
        return ""
    return f"only {len(card.folds)} of {card.n_folds} folds are finished"


def _serve(table: PredictionTable, task: Task, ids: np.ndarray) -> np.ndarray:
    """(row, column) float32 for a task: half the memory, and a fraction moves by 6e-8 at most."""
    narrow = replace(table, values=table.values.astype(np.float32))
    converted = narrow.to_task(task).frame.loc[ids]
    return np.ascontiguousarray(converted, np.float32)
