"""Plan of a training: which runs are trained, in which order, which folds of them, on which data.

A plan is a value: to make it, recipes and the input are read, and nothing is split or trained.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass

from galaxyzoo.config import loading
from galaxyzoo.config.schema import Config
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import ALL_RUNS
from galaxyzoo.data.duplicates import record_duplicates
from galaxyzoo.data.prepare import Dataset, prepare, prepare_raw
from galaxyzoo.data.readers.dataset_files import DatasetFiles
from galaxyzoo.results.card import RunCard
from galaxyzoo.results.fold_files import fold_name, refit_name
from galaxyzoo.results.layout import RunFolder


@dataclass(frozen=True)
class Plan:
    """A training of runs: all that is known before their dataset is prepared."""

    named: Sequence[str]  # runs, tasks and ensembles
    raw: DatasetFiles  # files of the runs' dataset
    asked: list[Config]  # the runs that were named
    configs: list[Config]  # with their stages and the runs of these, each after what it needs
    only: Sequence[int] = ()  # folds to train; default all
    refits: int = 0  # networks to train on all galaxies, of each run
    jobs: int | None = None  # folds at a time; None: as many as cores and memory allow

    @property
    def drops_bad_images(self) -> bool:
        """Check whether a new split leaves out galaxies whose image cannot be used."""
        return any(config.on_bad_image == "drop" for config in self.configs)

    @property
    def other_datasets(self) -> dict[str, set[str]]:
        """Names of the other datasets that stages are on, each with the stages' tasks."""
        tasks: dict[str, set[str]] = {}
        for config in self.configs:
            if config.dataset is not None:
                tasks.setdefault(config.dataset, set()).add(config.task)
        return tasks

    @property
    def on_demo_schedule(self) -> list[str]:
        """Names of the runs whose schedule is shortened on the demo set."""
        dataset = self.raw.dataset
        return [c.run for c in self.asked if loading.demo_schedule(c.run, dataset)]

    def trainings(self, n_folds: int) -> list[str]:
        """Names of the folds to train in a split into `n_folds`, then those of the refits.

        Imported runs have no networks of folds. They can only be refitted: with such runs alone
        there are no folds, and without refits an InputError says so.
        """
        refits = [refit_name(number) for number in range(self.refits)]
        cards = []  # of runs without networks
        for config in self.asked:
            folder = RunFolder(self.raw.dataset, config.run)
            if folder.card.exists() and not folder.folds:
                cards.append(RunCard.of(folder.dataset, folder.run))
        imported = [card for card in cards if card.imported]
        if refits and len(imported) == len(self.asked):
            return refits
        for card in cards:
            if not card.config:  # of no recipe of ours
                raise InputError(
                    f"{card.run} was imported: name it alone with --refit, or train a renamed "
                    "recipe"
                )
        folds = [fold_name(fold) for fold in self.only or range(n_folds)]
        return folds + refits

    def ensembles(self, usable: Set[str]) -> list[list[str]]:
        """Choose the ensembles to build: those named that are whole, else a task's finished runs.

        Args:
            usable: the runs that an ensemble can take.
        Returns:
            Arguments of the command `ensemble`, for each.
        """
        arguments: list[list[str]] = []
        alone = set(usable)
        for name in dict.fromkeys(self.named):
            if name not in loading.all_ensembles():
                continue
            members = set(loading.load_ensemble_settings(name).runs)
            if members <= usable:
                arguments.append([name])
                alone -= {run.split("@")[0] for run in members}
        tasks = {config.task for config in self.asked if config.run in alone}
        for task in sorted(tasks):
            arguments.append([ALL_RUNS, "--task", task])
        return arguments


def prepare_all(plan: Plan, n_folds: int | None = None) -> dict[str | None, Dataset]:
    """Prepare the dataset of the runs, under None, and those of stages.

    Galaxies that they share are in the same folds.

    Args:
        plan: what is to be trained.
        n_folds: of a new split; None: 5.
    Raises:
        InputError: the split lacks a fold that is to be trained alone.
    """
    data = prepare_raw(plan.raw, n_folds, drop_bad=plan.drops_bad_images, update=True)
    datasets: dict[str | None, Dataset] = {None: data}
    for name, tasks in plan.other_datasets.items():
        datasets[name] = prepare(name, data.n_folds, tasks=tasks, update=True)
    for name in plan.other_datasets:
        record_duplicates(data, datasets[name])
    for fold in plan.only:
        if fold not in range(data.n_folds):
            raise InputError(f"--only: choose from folds 0 to {data.n_folds - 1}")
    return datasets
