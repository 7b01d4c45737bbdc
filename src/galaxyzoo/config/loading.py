"""Load the configs of runs and ensembles from `configs/`, and of trained runs from their folders.

A trained run's folder holds the config that it was trained with, so later steps read that copy.
"""

import copy
import difflib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import yaml
from pydantic import Field

from galaxyzoo.config import base, schema, stages
from galaxyzoo.core.errors import InputError, located
from galaxyzoo.core.paths import (
    ALL_RUNS,
    CODE_ROOT,
    DEMO,
    HOLDOUT_END,
    REFIT_END,
    configs_dir,
    shown,
)
from galaxyzoo.tasks.kinds import Task
from galaxyzoo.tasks.registry import CLASS_TASKS, ENSEMBLE, TASKS, define_task, task_name

CONFIG = "config.yaml"  # in a trained run's folder
LABELS = "labels"  # folder of `configs/` with runs for any classes, of own tasks and known ones
ENSEMBLES = "ensembles"  # folder of `configs/`


def config_path(run: str, own_task: Task | None = None) -> Path:
    """Find the YAML file of a run, by its name, `gz37/resnet18`, or by any path of a YAML file.

    Args:
        run: name, or path.
        own_task: task of the user's own labels; its runs are the recipes in `configs/labels/`,
            which a known task of classes has besides its own.
    Raises:
        InputError: there is no such file; it lists similar names.
    """
    task = task_name(run)
    for_any_classes = run.replace(task, LABELS, 1)
    recipes = [run]
    if own_task and task == own_task.name:
        recipes = [for_any_classes]
    elif task in CLASS_TASKS:
        recipes = [run, for_any_classes]
    for recipe in recipes:
        path = _find_yaml(configs_dir(), recipe)
        if path:
            return path
    name = run.removeprefix("configs/").removesuffix(".yaml")
    known = [*all_runs(), *all_ensembles()]
    if task in CLASS_TASKS:
        known += [f"{task}/{stem}" for stem in _stems_for_any_classes()]
    near = difflib.get_close_matches(name, known, n=3)
    if ENSEMBLE in run:
        hint = _explain_ensemble(run.rpartition(ENSEMBLE)[2])
    elif near:
        hint = f"did you mean {', '.join(near)}?"
    else:
        hint = (
            f"choose a task ({', '.join(TASKS)}), an ensemble ({', '.join(all_ensembles())}) or a "
            "run, which is a file in configs/<task>/, such as gz37/cnn"
        )
    raise InputError(f"no run '{run}' (no such file in configs/): {hint}")


def _explain_ensemble(name: str) -> str:
    """Explain what to type where `ensemble:NAME` or `ensemble:TASK/NAME` does not belong."""
    task, _, stem = name.rpartition("/")
    if stem in all_ensembles():
        return f"type the ensemble's name alone: {stem}"
    if stem == ALL_RUNS:
        return f"to build it with src/ensemble.py, type {ALL_RUNS} --task {task or 'gz37'}"
    return "name the runs that this ensemble combines"


def name_of(word: str) -> str:
    """Name of a recipe or ensemble in `configs/` that was typed as its path; other words stay.

    A stage behind the path stays behind the name, as in `configs/gz37/d4cnn.yaml@small`.
    """
    folder = configs_dir().resolve()
    recipe, at, stage = word.partition("@")
    path = _find_yaml(folder, recipe)
    if path is None or not path.is_relative_to(folder) or path.suffix != ".yaml":
        return word
    if path.parent == folder / ENSEMBLES:
        return path.stem
    return path.relative_to(folder).with_suffix("").as_posix() + at + stage


def listed_path(folder: Path, name: str, kind: str) -> Path:
    """Find a YAML file by its name in a folder, or by any path; an InputError lists the names.

    Args:
        folder: of the files.
        name: without its suffix, or a path.
        kind: what such a file is, for the message.
    """
    path = _find_yaml(folder, name)
    if path:
        return path
    choices = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
    raise InputError(f"no {kind} '{name}': choose from {choices}")


def _find_yaml(folder: Path, name: str) -> Path | None:
    given = Path(name)
    for path in (folder / f"{name}.yaml", given, CODE_ROOT / given):
        if path.suffix in (".yaml", ".yml") and path.is_file():
            return path.resolve()
    return None


def check_run_name(run: str) -> None:
    """Refuse a name whose tables would be those of another run's refits or hold-out."""
    other = run.removesuffix(REFIT_END).removesuffix(HOLDOUT_END)
    if other != run:
        raise InputError(
            f"{run} would share files with {other}: choose a name that does not end in "
            f"{REFIT_END} or {HOLDOUT_END}"
        )


def find_recipe(
    run: str,
    overrides: Sequence[str] = (),
    own_task: Task | None = None,
    find_task: Callable[[str], Task | None] = TASKS.get,
) -> str:
    """Name the recipe that trains a run: `gz37/d4cnn` of its stage `gz37/d4cnn@small`.

    Args:
        run: its name.
        overrides: of the command line.
        own_task: as of `config_path`.
        find_task: as of `load_config`.
    Raises:
        InputError: no config has that name, or no stage of it that predicts.
    """
    recipe, is_stage, _ = run.partition("@")
    if not is_stage:
        config_path(run, own_task)
        return run
    config = load_config(recipe, overrides, own_task=own_task, find_task=find_task)
    variants = [f"{recipe}@{stage.stage}" for stage in config.stages if stage.predict]
    choices = [recipe, *variants]
    if run not in choices:
        raise InputError(f"no run '{run}': did you mean {' or '.join(choices)}?")
    return recipe


def all_runs() -> list[str]:
    """Names of all runs of tasks in `configs/`, `<task>/<stem>`."""
    paths = configs_dir().glob("*/*.yaml")
    return sorted(f"{p.parent.name}/{p.stem}" for p in paths if p.parent.name in TASKS)


def _stems_for_any_classes() -> list[str]:
    """Names, without a task, of the runs in `configs/labels/`."""
    return sorted(path.stem for path in configs_dir().glob(f"{LABELS}/*.yaml"))


def own_runs(task: str, find_task: Callable[[str], Task | None] = TASKS.get) -> list[str]:
    """List a task's runs, without published recipes and those that need a GPU or other data.

    Args:
        task: name of a task in `TASKS`.
        find_task: as of `load_config`.
    """
    runs = []
    for run in all_runs():
        if not run.startswith(f"{task}/") or run.startswith(f"{task}/source_"):
            continue
        config = load_config(run, find_task=find_task)
        needs_data = any(stage.dataset or stage.teacher for stage in config.stages)
        if not config.needs_gpu and not needs_data:
            runs.append(config.run)
    return runs


def all_ensembles() -> list[str]:
    """Names of all ensembles in `configs/ensembles/`."""
    return sorted(path.stem for path in configs_dir().glob(f"{ENSEMBLES}/*.yaml"))


def reserved_ensembles() -> list[str]:
    """Names that no other ensemble may have, nor a task of the user's own labels."""
    return [*all_ensembles(), ALL_RUNS]


def runs_of(
    word: str,
    own_task: Task | None = None,
    find_task: Callable[[str], Task | None] = TASKS.get,
) -> list[str]:
    """The runs of a task or an ensemble; any other word is a run's own name.

    Args:
        word: name of a task, an ensemble or a run.
        own_task: as of `config_path`.
        find_task: as of `load_config`.
    Raises:
        InputError: as of `check_members`.
    """
    if own_task and word == own_task.name:
        return [f"{word}/{stem}" for stem in _stems_for_any_classes()]
    if word in TASKS:
        return own_runs(word, find_task)
    if word not in all_ensembles():
        return [word]
    runs = load_ensemble_settings(word).runs
    check_members(word, runs, own_task, find_task)
    return runs


def load_config(
    run: str,
    overrides: Sequence[str] = (),
    dataset: str = "",
    own_task: Task | None = None,
    find_task: Callable[[str], Task | None] = TASKS.get,
) -> schema.Config:
    """Read and check a run's YAML with `section.key=value` overrides on top.

    Args:
        run: name, or path of the YAML.
        overrides: of the command line.
        dataset: that it is trained on; needed where stages are on other datasets. On the demo set
            `configs/demo.yaml` applies before the overrides.
        own_task: as of `config_path`.
        find_task: finds the tasks of stages by their names, as of `parse_recipe`.
    Examples:
        >>> load_config("gz37/cnn", ["train.epochs=3"]).train.epochs
        3
    """
    path = config_path(run, own_task)
    values = read_recipe(run, dataset, own_task)
    for assignment in overrides:
        base.override(values, assignment)
    sources = [shown(path)]
    if demo_schedule(run, dataset):
        sources.append("configs/demo.yaml")
    source = " + ".join([*sources, *overrides])  # a mistake may be in each
    values["run"] = f"{values.get('task')}/{path.stem}"
    read = partial(read_recipe, dataset=dataset, own_task=own_task)

    def find(name: str) -> Task | None:
        return own_task if own_task and name == own_task.name else find_task(name)

    config = stages.parse_recipe(values, source, read, dataset, find)
    for trained in config.runs:
        check_run_name(trained.run)
    return config


def read_recipe(run: str, dataset: str = "", own_task: Task | None = None) -> stages.Values:
    """Read a run's YAML, unchecked, with its demo schedule if the dataset is the demo.

    A recipe for any classes becomes one of the user's own labels, or of the run's task.

    Args:
        run: name, or path.
        dataset: as of `load_config`.
        own_task: as of `config_path`.
    """
    path = config_path(run, own_task)
    values = copy.deepcopy(_parse_recipe(path.read_bytes(), path))
    stages.replace_missing_datasets(values, shown(path), dataset)
    if own_task and task_name(run) == own_task.name:
        values |= {"task": own_task.name, "labels": define_task(own_task)}
    elif values.get("task") == LABELS and task_name(run) in CLASS_TASKS:
        values["task"] = task_name(run)
    for assignment in demo_schedule(run, dataset):
        base.override(values, assignment)
    return values


@lru_cache(maxsize=256)
def _parse_recipe(content: bytes, path: Path) -> stages.Values:
    """Parse a recipe, once a process for each content: its task is asked for before its dataset."""
    return base.parse_yaml(content, path)


class EnsembleSettings(base.Settings):
    """Content of `configs/ensembles/<name>.yaml`."""

    about: str = ""
    """description for tables and reports"""
    runs: list[str] = Field(min_length=1)
    """names of the runs, which `src/train.py NAME` trains"""
    tables: str | None = None
    """folder (path from the project root) of tables to combine if no run is trained: each as
    exported, in TASK/recipes/RUN"""
    dataset: str | None = None
    """dataset of those tables"""


def load_ensemble_settings(name: str) -> EnsembleSettings:
    """The settings in `configs/ensembles/<name>.yaml`; runs without their task are refused."""
    path = _ensemble_path(name)
    settings = EnsembleSettings.parse(base.read_yaml(path), shown(path))
    for run in settings.runs:
        named = name_of(run)
        if named != run:
            raise InputError(f"{shown(path)}: name the run '{run}' without its path: {named}")
        if "/" not in run:
            raise InputError(f"{shown(path)}: run '{run}' lacks its task: {_suggest_task(run)}")
    return settings


def check_members(
    ensemble: str,
    runs: Sequence[str],
    own_task: Task | None = None,
    find_task: Callable[[str], Task | None] = TASKS.get,
) -> None:
    """Refuse runs of an ensemble's config that no recipe trains; the error names both.

    Args:
        ensemble: its name.
        runs: those that need a recipe.
        own_task: as of `config_path`.
        find_task: as of `load_config`.
    """
    with located(shown(_ensemble_path(ensemble))):
        for run in runs:
            find_recipe(run, own_task=own_task, find_task=find_task)


def _ensemble_path(name: str) -> Path:
    return listed_path(configs_dir() / ENSEMBLES, name, "ensemble")


def _suggest_task(stem: str) -> str:
    """Suggest the full names of a run that was written without its task."""
    recipe = stem.partition("@")[0]
    variant = stem.removeprefix(recipe)
    near = []
    for run in all_runs():
        if run.endswith(f"/{recipe}"):
            near.append(f"{run}{variant}")
    if near:
        return f"did you mean {' or '.join(near)}?"
    return "write TASK/RUN, such as gz37/cnn"


def demo_schedule(run: str, dataset: str) -> list[str]:
    """Overrides of a run on the demo set, in `configs/demo.yaml`; none on other datasets.

    Anything but a list of texts is an InputError.
    """
    path = configs_dir() / "demo.yaml"
    if dataset != DEMO or not path.is_file():
        return []
    overrides = base.read_yaml(path).get(run, [])
    is_list = isinstance(overrides, list)
    if not is_list or not all(isinstance(override, str) for override in overrides):
        raise InputError(f"{shown(path)}: '{run}': expected a list of key=value settings")
    return overrides


class SavedConfig(NamedTuple):
    """Config of a trained run, and the data that it was trained on."""

    config: schema.Config
    fingerprint: str  # of galaxies, labels and folds
    images: str | None  # digest of the images; an exported run has none
    # of the labels of other datasets that stages learned from, by their names; earlier versions
    # saved none
    elsewhere: Mapping[str, str] = MappingProxyType({})
    # by name of teacher or path of unlabeled images; None: was missing
    teachers: Mapping[str, str | None] = MappingProxyType({})


def load_run_config(folder: Path) -> SavedConfig:
    """Read the config in a trained run's folder.

    An InputError says that the folder has none, or that it is damaged.
    """
    path = folder / CONFIG
    try:
        return _parse_saved(path.read_bytes(), path)
    except FileNotFoundError:
        raise InputError(f"{shown(folder)} contains no trained run ({CONFIG} is missing)") from None


@lru_cache(maxsize=64)
def _parse_saved(content: bytes, path: Path) -> SavedConfig:
    """Parse a saved config, once a process for each content."""
    try:
        values = base.parse_yaml(content, path, yaml.SafeLoader)
    except InputError:
        raise InputError(
            f"{shown(path)} is damaged: delete {shown(path.parent)} to retrain"
        ) from None
    for record in ("code_version", "packages"):
        values.pop(record, None)
    fingerprint = str(values.pop("data_fingerprint", ""))
    images = values.pop("data_images", None)
    elsewhere = values.pop("data_elsewhere", {})
    teachers = values.pop("teachers", {})
    config = schema.parse_config(values, shown(path))
    return SavedConfig(config, fingerprint, images, elsewhere, teachers)


def portable_config(config: schema.Config, fingerprint: str) -> str:
    """Format a config for export, as `load_run_config` reads it, without local paths."""
    values = config.model_dump(mode="json")
    for stage in (values, *values["earlier"]):
        stage["model"]["weights_file"] = None
        if stage["teacher"]:
            stage["teacher"]["images"] = None
    return yaml.safe_dump(
        {"data_fingerprint": fingerprint, **values}, sort_keys=False, allow_unicode=True
    )
