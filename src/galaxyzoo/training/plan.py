"""Resolve what was typed into a plan: which recipes are trained, in which order, on which data.

A plan is a value: to make it, recipes and the input are read, and nothing is written.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial

from galaxyzoo.config import loading, stages
from galaxyzoo.config.schema import Config
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import ALL_RUNS
from galaxyzoo.data.prepare import Dataset, prepare, prepare_raw, record_duplicates
from galaxyzoo.data.readers.dataset_files import DatasetFiles
from galaxyzoo.data.readers.find import find_named_task, open_input
from galaxyzoo.results.card import RunCard
from galaxyzoo.results.layout import REFIT, RunFolder
from galaxyzoo.tasks.kinds import Task
from galaxyzoo.tasks.registry import TASKS, task_name

DEFAULT_ENSEMBLE = "default"


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
        runs = [config.run for config in self.asked]
        return [run for run in runs if loading.demo_schedule(run, self.raw.dataset)]

    def folds(self, n_folds: int) -> list[int]:
        """Numbers of the folds to train, in a split into `n_folds`."""
        if not all(0 <= fold < n_folds for fold in self.only):
            raise InputError(f"--only: choose from folds 0 to {n_folds - 1}")
        return list(self.only or range(n_folds))

    def folds_and_refits(self, n_folds: int) -> list[int]:
        """Numbers of the folds to train, then those of the refits.

        Imported runs have no networks of folds. They can only be refitted.
        """
        refits = list(range(REFIT, REFIT + self.refits))
        folders = [RunFolder(self.raw.dataset, config.run) for config in self.asked]
        without_folds = [folder for folder in folders if folder.card.exists() and not folder.folds]
        cards = [RunCard.of(folder.dataset, folder.run) for folder in without_folds]
        imported = [card for card in cards if card.imported]
        if refits and len(imported) == len(self.asked):
            return refits
        for card in cards:
            if not card.config:  # of no recipe of ours
                raise InputError(f"{card.run} was imported: add --refit, or train a renamed config")
        return [*self.folds(n_folds), *refits]

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
            members = loading.load_ensemble_settings(name).runs
            runs = {run.split("@")[0] for run in members}
            if runs <= usable:
                arguments.append([name])
                alone -= runs
        tasks = {config.task for config in self.asked if config.run in alone}
        for task in sorted(tasks):
            arguments.append([ALL_RUNS, "--task", task])
        return arguments


def resolve(
    arguments: Sequence[str],
    data: str | None = None,
    only: Sequence[int] = (),
    refits: int = 0,
    jobs: int | None = None,
) -> Plan:
    """Read the recipes and the input that were typed; refuse what cannot be trained.

    Args:
        arguments: runs, tasks, ensembles and settings; without a name the default ensemble's runs,
            or the linear head where the data are own labels.
        data: as of `open_input`.
        only: see `Plan`.
        refits: see `Plan`.
        jobs: see `Plan`; a fold alone is trained by this process.
    """
    names, overrides = split_arguments(arguments)
    own_task, recipes = find_recipes(names, overrides, data)
    raw = open_input(data, {str(recipe.get("task")) for recipe in recipes.values()})
    own_task = raw.own_task  # of the labels as they are now, perhaps with other classes
    if own_task and not names:
        head = f"{own_task.name}/head"
        recipes = {head: loading.read_recipe(head, own_task=own_task)}
    asked = load_configs(recipes, overrides, raw.dataset, own_task)
    configs = {stage.run: stage for config in asked for stage in config.runs}
    if len(only) == 1:
        jobs = jobs or 1
    named = names or [DEFAULT_ENSEMBLE]
    return Plan(named, raw, asked, list(configs.values()), only, refits, jobs)


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split what was typed into names and settings (`key=value`)."""
    names = [argument for argument in arguments if "=" not in argument]
    overrides = [argument for argument in arguments if "=" in argument]
    return names, overrides


def find_recipes(
    names: Sequence[str], overrides: Sequence[str], data: str | None
) -> tuple[Task | None, dict[str, stages.Values]]:
    """Find the task of own labels, if any, and read the recipes of runs, tasks and ensembles."""
    own_task = find_own_task(names, data)
    typed: list[str] = []
    for name in names or [DEFAULT_ENSEMBLE]:
        typed += loading.runs_of(name, own_task)
    runs = dict.fromkeys(loading.find_recipe(run, overrides, own_task) for run in typed)
    return own_task, {run: loading.read_recipe(run, own_task=own_task) for run in runs}


def find_own_task(named: Sequence[str], data: str | None) -> Task | None:
    """Find the task of own labels among tasks and runs that the user named; None: there is none."""
    own_task = None
    for name in dict.fromkeys(map(task_name, named)):
        task = find_named_task(name, data)
        if task is None or name in TASKS:
            continue
        if own_task:
            raise InputError(
                f"{own_task.name} and {name} are two datasets: train one after the other"
            )
        own_task = task
    return own_task


def load_configs(
    recipes: Mapping[str, stages.Values],
    overrides: Sequence[str],
    dataset: str = "",
    own_task: Task | None = None,
) -> list[Config]:
    """Load the runs' configs, each once, with the overrides on top.

    A stage may be of the own labels of another dataset, under its name.

    Args:
        recipes: by run, as of `loading.read_recipe`.
        overrides: settings that were typed.
        dataset: as of `loading.load_config`.
        own_task: as of `loading.load_config`.
    """
    find_task = partial(find_named_task, data=None)
    configs: dict[str, Config] = {}
    for run, recipe in recipes.items():
        config = loading.load_config(run, overrides, dataset, own_task, find_task, recipe)
        configs.setdefault(config.run, config)
    return list(configs.values())


def prepare_all(plan: Plan, n_folds: int | None = None) -> dict[str | None, Dataset]:
    """Prepare the dataset of the runs, under None, and those of stages.

    Galaxies that they share are in the same folds.

    Args:
        plan: what is to be trained.
        n_folds: of a new split; None: 5.
    """
    data = prepare_raw(plan.raw, n_folds, drop_bad=plan.drops_bad_images, update=True)
    datasets: dict[str | None, Dataset] = {None: data}
    for name, tasks in plan.other_datasets.items():
        datasets[name] = prepare(name, data.catalog.n_folds, tasks=tasks, update=True)
    for name in plan.other_datasets:
        record_duplicates(data, datasets[name])
    return datasets
