"""Results of a task: out-of-fold tables of its runs and ensembles, and its runs' hold-outs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from galaxyzoo.config.loading import CONFIG, load_run_config
from galaxyzoo.config.schema import Config
from galaxyzoo.core import launch
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import HOLDOUT_END, shown
from galaxyzoo.data.catalog import Catalog, data_option
from galaxyzoo.ensemble.fitted import check_not_retrained
from galaxyzoo.ensemble.model_listing import ensemble_folder
from galaxyzoo.io.tables import read_csv, select_numbers
from galaxyzoo.results.card import EnsembleCard, HoldoutCard, RunCard, ScoreCard
from galaxyzoo.results.fold_files import DONE, HELD_OUT_TABLE, HOLDOUT, FoldFiles
from galaxyzoo.results.layout import RunFolder, list_ensembles, list_tables
from galaxyzoo.results.table import PredictionTable
from galaxyzoo.tasks.kinds import ClassTask, Task
from galaxyzoo.tasks.registry import ensemble_name, is_ensemble, split_ensemble


@dataclass(frozen=True, eq=False)
class ScoredPredictions:
    """Predictions of galaxies that their networks were not trained on, with their scores."""

    run: str  # "<task>/<stem>", an ensemble's name as `ensemble_name` spells it
    table: PredictionTable  # as it would be submitted
    targets: np.ndarray  # (galaxy, column) of the table's galaxies
    unscored: np.ndarray  # (other galaxy, column) of the other galaxies
    card: ScoreCard
    config: Config | None = None  # as saved with the run; None where that is gone
    kind: ClassVar[str] = "out-of-fold"

    @property
    def stem(self) -> str:
        """The name without its task, for file names; no two of a task share one."""
        _, stem = split_ensemble(self.run)
        if is_ensemble(self.run):
            return f"ensemble-{stem}"
        return stem

    @cached_property
    def decided(self) -> np.ndarray:
        """(galaxy,) number of the predicted class, in a task of classes."""
        table = self.table
        assert isinstance(table.task, ClassTask)
        assert table.folds is not None
        return table.task.decide_out_of_fold(table.values, self.targets, table.folds, self.unscored)

    @property
    def folds(self) -> list[int]:
        """The folds that are scored."""
        return sorted(int(fold) for fold in self.card.per_fold)

    @property
    def predictions(self) -> np.ndarray:
        """(galaxy, column) of the table."""
        return self.table.values


@dataclass(frozen=True, eq=False)
class HoldoutResult(ScoredPredictions):
    """A run's predictions of the part of the galaxies that it held out."""

    card: HoldoutCard
    kind: ClassVar[str] = "hold-out"


@dataclass(frozen=True, eq=False)
class Result(ScoredPredictions):
    """A run's or ensemble's out-of-fold predictions of the galaxies in its finished folds."""

    card: RunCard | EnsembleCard

    @property
    def is_ensemble(self) -> bool:
        """Check whether the predictions are an ensemble's."""
        return is_ensemble(self.run)

    @property
    def is_whole(self) -> bool:
        """Check whether every galaxy of the catalog is predicted."""
        return not len(self.unscored)


def load_holdouts(
    folders: Sequence[RunFolder], task: Task, catalog: Catalog
) -> tuple[list[HoldoutResult], list[str]]:
    """Read and check the hold-out predictions of a task's runs.

    Args:
        folders: of the runs, on the catalog's dataset.
        task: the task.
        catalog: the dataset's catalog, galaxies of the task.
    Returns:
        The results, best score first, and a line for each that cannot be used.
    """
    holdouts = []
    problems = []
    for folder in folders:
        try:
            holdouts.append(_load_holdout(folder, task, catalog))
        except InputError as error:
            problems.append(f"the hold-out of {folder.run} is skipped: {error}")
    return sorted(holdouts, key=lambda result: result.card.score), problems


def _load_holdout(folder: RunFolder, task: Task, catalog: Catalog) -> HoldoutResult:
    card = HoldoutCard.read(folder.holdout_card)
    _check_is_trained(folder)
    config = load_run_config(folder.path).config
    files = FoldFiles.of(folder.path, HOLDOUT, config, catalog.fingerprint)
    path = files.path(HELD_OUT_TABLE)
    frame = read_csv(path, key=catalog.key)
    numbers = select_numbers(frame, task.columns, path)
    ids = numbers.index.to_numpy()
    one_fold = np.zeros(len(ids), np.int64)
    table = PredictionTable(task, ids, numbers.to_numpy(), one_fold)
    targets = catalog.targets(task)
    is_held_out = catalog.train.index.isin(ids)
    return HoldoutResult(
        run=f"{folder.run}{HOLDOUT_END}",
        table=table.project(),
        targets=targets[is_held_out],
        unscored=targets[~is_held_out],
        card=card,
        config=config,
    )


def _check_is_trained(folder: RunFolder) -> None:
    """Refuse a hold-out whose files were deleted, with the command that makes them again."""
    for path in (folder.path / CONFIG, folder.training(HOLDOUT) / DONE):
        if not path.exists():
            command = f"{launch.typed('train')} {launch.quote(folder.run, '--holdout')}"
            raise InputError(
                f"{shown(path)} is missing: type `{command}{data_option(folder.dataset)}` to train "
                "the hold-out again (with the settings that you typed then), or delete "
                f"{shown(folder.holdout_card)}"
            )


def load_results(
    task: Task, catalog: Catalog, named: Sequence[str] = ()
) -> tuple[list[Result], list[str]]:
    """Read, check and score the out-of-fold tables of a task's runs and ensembles.

    Args:
        task: the task.
        catalog: the dataset's catalog, galaxies of the task.
        named: runs and ensembles that have to be there, by their full names.
    Returns:
        The results, best score first, and a line for each that cannot be used and was not named.
    """
    runs = list_tables(catalog.dataset, task.name)
    folders = list_ensembles(catalog.dataset, task.name)
    runs += [ensemble_name(folder.task, folder.name) for folder in folders]
    for run in named:
        if run not in runs:
            raise InputError(
                f"run '{run}' has no out-of-fold table on '{catalog.dataset}': choose from "
                f"{', '.join(runs)}"
            )
    results = []
    problems = []
    for run in runs:
        try:
            results.append(load_result(run, task, catalog))
        except InputError as error:
            if run in named:
                raise
            problems.append(f"{run} is skipped: {error}")
    return sorted(results, key=lambda result: result.card.score), problems


def load_result(run: str, task: Task, catalog: Catalog) -> Result:
    """Read the out-of-fold table of a run or an ensemble, check and score it.

    Args:
        run: its full name.
        task: its task.
        catalog: the dataset's catalog, galaxies of the task.
    Raises:
        InputError: its files are missing, damaged or of other data, or a member of the ensemble was
            retrained later.
    """
    card: RunCard | EnsembleCard
    if is_ensemble(run):
        folder = ensemble_folder(catalog.dataset, run)
        path = folder.oof_csv
        card = EnsembleCard.of(folder).check(catalog, path)
        check_not_retrained(card)
        is_scored = np.ones(len(catalog.ids), bool)
    else:
        path = RunFolder(catalog.dataset, run).oof_csv
        card = RunCard.of(catalog.dataset, run).check(catalog, path)
        is_scored = np.isin(catalog.folds, card.folds)
    table = PredictionTable.read(path, task, catalog.ids[is_scored], catalog.folds[is_scored])
    targets = catalog.targets(task)
    return Result(
        run=run,
        table=table,
        targets=targets[is_scored],
        unscored=targets[~is_scored],
        card=card,
        config=_saved_config(catalog.dataset, run),
    )


def pick_best(results: Sequence[Result]) -> Result:
    """The result to show for a task: the best ensemble, else the best fair run with all folds.

    Fair: no epoch selected on the scored folds, no possible leakage.

    Args:
        results: at least one, best score first. Where none is whole and fair, the one with the most
            galaxies is taken.
    """
    fair = [result for result in results if result.is_whole and not result.card.is_optimistic]
    for result in fair:
        if result.is_ensemble:
            return result
    if fair:
        return fair[0]
    return max(results, key=lambda result: len(result.targets))


def _saved_config(dataset: str, run: str) -> Config | None:
    """Load the run's own config, if it is saved; a table can be evaluated without it."""
    try:
        return load_run_config(RunFolder(dataset, run).path).config
    except InputError:
        return None
