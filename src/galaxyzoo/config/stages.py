"""Stages: a recipe that trains a network several times, each time from the last one's weights.

    task: gz37                                # what stands here holds in each stage
    model: {name: d4cnn}
    loss: kl
    train: {epochs: 16}
    stages:
      - {name: small, image: {size_px: 64}, predict: true}
      - {name: classes, dataset: zoo5, task: zoo5, loss: cross_entropy}
      - name: large
        image: {size_px: 128}
        train: {epochs: 8}

Three trainings a fold: fold k of `classes` starts from the weights of fold k of `small`, with a new
head, as the columns are others; `large` starts from `classes`. On the command line `train.lr=1e-4`
holds in all three, `stages.small.train.lr=1e-4` in one. `predict: true` makes the networks of
`small` a run too, `gz37/d4cnn@small`. `dataset` names another dataset of `input/`, whose labels the
stage learns: galaxies that both hold must be in the same folds, and test galaxies of the recipe's
own dataset are left out. Ids tell which galaxies these are if both datasets have the competition's;
else images do, and the stage leaves out every copy of a galaxy of the recipe's own dataset. Where
`input/` lacks it, classes with a label rule come from the recipe's own votes.

A stage with `recipe: gz37/cnn` is that recipe, with all of its stages, or those up to `small` with
`recipe: gz37/d4cnn@small`. It ignores the settings around it; command-line overrides still apply,
and `dataset` beside `recipe` is of the stages that name none.

An earlier stage has a folder that is named by the digest of all stages up to it. So recipes that
begin alike share it, and a recipe that grows longer trains only what is new.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from galaxyzoo.config.schema import Config, parse_config
from galaxyzoo.core import console, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import STAGE
from galaxyzoo.tasks.kinds import COMPETITION_TASK, Task
from galaxyzoo.tasks.registry import CLASS_TASKS, TASKS, define_task

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_SET_HERE = ("stage", "earlier", "dataset", "own_dataset")  # keys refused outside `stages:`
Values = dict[str, Any]  # nested settings


@dataclass(frozen=True)
class _Stage:
    """Name and unchecked settings of a stage; the name is empty in a recipe without stages."""

    name: str
    settings: Values


def parse_recipe(
    values: Values,
    source: str,
    read_recipe: Callable[[str], Values],
    dataset: str = "",
    find_task: Callable[[str], Task | None] = TASKS.get,
) -> Config:
    """Check a recipe; returns the config of its last stage, which lists the stages before it.

    Args:
        values: nested settings, without `stages` those of a single training.
        source: where they are from, for error messages.
        read_recipe: from the name of a run to the settings of its recipe.
        dataset: that the recipe is trained on; empty where that is not known yet: then stages that
            follow one on another dataset have no final names.
        find_task: from the name of a stage's task to the task; None: there is none.
    """
    stages = []
    for stage in _list_stages(values, source, read_recipe):
        settings = _bind(stage.settings, values.get("task"), find_task)
        stages.append(_Stage(stage.name, settings))
    earlier: list[Config] = []
    for stage in stages[:-1]:
        nameless = _Stage(stage.name, {**stage.settings, "run": ""})
        config = _parse_stage(nameless, earlier, source, dataset)
        # Named by what it does, whatever the recipe is called and what comes after.
        run = f"{config.task}/{STAGE}{stage.name}-{config.digest('weights')}"
        description = f"stage {stage.name} of {values.get('run')}"
        names = {"run": run, "about": description}
        earlier.append(config.model_copy(update={**names, "earlier": ()}))
    last = stages[-1]
    place = f"{source}, stage '{last.name}'"
    for key in ("run", "task"):
        if last.settings.get(key) != values.get(key):
            raise InputError(f"{place}: the last stage needs the recipe's {key}")
    config = _parse_stage(last, earlier, source, dataset)
    if config.predict:
        raise InputError(f"{source}: `predict` is only for stages before the last")
    if config.dataset:
        raise InputError(f"{place}: the last stage needs the recipe's dataset")
    return config


def _bind(settings: Values, recipe_task: object, find_task: Callable[[str], Task | None]) -> Values:
    """Settings of a stage with the classes of its own task, not those of the recipe's."""
    task = find_task(str(settings.get("task")))
    if task and task.name not in TASKS:
        return {**settings, "labels": define_task(task)}
    if settings.get("task") != recipe_task:
        return {**settings, "labels": None}
    return settings


def _parse_stage(stage: _Stage, earlier: list[Config], source: str, dataset: str) -> Config:
    """Check the settings of a stage; its config names its dataset only if that is another one."""
    settings = {**stage.settings, "stage": stage.name, "earlier": earlier}
    if settings.get("dataset") in (None, dataset):
        settings["dataset"] = None
    else:
        settings["own_dataset"] = dataset
    if stage.name:
        source = f"{source}, stage '{stage.name}'"
    return parse_config(settings, source)


def replace_missing_datasets(values: Values, source: str, dataset: str) -> None:
    """Let a recipe of votes learn classes from its own votes where `input/` lacks their dataset.

    The stage takes the classes from the task's label rule, and the recipe's own images: its image
    settings were for those of the missing dataset.

    Args:
        values: the recipe's settings, changed in place.
        source: where they are from.
        dataset: that the recipe is trained on; empty: changes nothing.
    """
    if not dataset or values.get("task") != COMPETITION_TASK or not values.get("stages"):
        return
    for stage in _check_stages(values["stages"], source):
        task = CLASS_TASKS.get(str(stage.get("task")))
        if task is None or task.rule is None:
            continue
        wanted = str(stage.get("dataset", dataset))
        if wanted == dataset or (paths.input_dir() / wanted).exists():
            continue
        del stage["dataset"]
        stage.pop("image", None)
        console.warn_once(
            f"{wanted} is not in input/, so stage {stage['name']} of {source} learns the "
            f"{len(task.columns)} classes that follow from the votes instead"
        )


def _list_stages(
    values: Values,
    source: str,
    read_recipe: Callable[[str], Values],
    containing: tuple[str, ...] = (),
) -> list[_Stage]:
    """List the stages of a recipe, with those of the recipes that its stages name.

    Args:
        values: nested settings, as of `parse_recipe`.
        source: where they are from, for error messages.
        read_recipe: as of `parse_recipe`.
        containing: names of the recipes that contain this one.
    """
    recipe = {key: value for key, value in values.items() if key != "stages"}
    _refuse_keys(recipe, _SET_HERE, source)
    if values.get("stages") is None:
        return [_Stage("", recipe)]
    listed: list[_Stage] = []
    for stage in _check_stages(values["stages"], source):
        name = stage["name"]
        place = f"{source}, stage '{name}'"
        changes = {key: value for key, value in stage.items() if key not in ("name", "recipe")}
        _refuse_keys(changes, ("stages", "run", "stage", "earlier", "own_dataset"), place)
        if stage.get("recipe") is None:
            listed.append(_Stage(name, _merge(recipe, changes)))
            continue
        for inner in _stages_of_recipe(str(stage["recipe"]), place, read_recipe, containing):
            settings = _merge(inner.settings, changes)
            if "dataset" in inner.settings:  # where that recipe learns it
                settings["dataset"] = inner.settings["dataset"]
            full_name = f"{name}_{inner.name}" if inner.name else name
            listed.append(_Stage(full_name, settings))
    names = [stage.name for stage in listed]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{source}: two stages are named '{name}'")
    return listed


def _stages_of_recipe(
    recipe: str,
    place: str,
    read_recipe: Callable[[str], Values],
    containing: tuple[str, ...],
) -> list[_Stage]:
    """List the stages that `recipe: gz37/d4cnn` names, or `gz37/d4cnn@small`: those up to one.

    An InputError says that there is no such stage, or that a recipe contains itself.
    """
    run, at, last = recipe.partition("@")
    if run in containing:
        raise InputError(f"{place}: recipe {run} contains itself")
    stages = _list_stages(read_recipe(run), place, read_recipe, (*containing, run))
    if not at:
        return stages
    names = [stage.name for stage in stages]
    if not last or last not in names:
        raise InputError(f"{place}: recipe {run} has no stage '{last}'")
    return stages[: names.index(last) + 1]


def _check_stages(stages: Any, source: str) -> list[Values]:
    """Return `stages` if it is a list of named mappings, else raise an InputError."""
    is_list = isinstance(stages, list) and len(stages) > 0
    if not is_list or not all(isinstance(stage, dict) for stage in stages):
        raise InputError(f"{source}: `stages:` must be a list of mappings, each with a name")
    for stage in stages:
        name = stage.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InputError(f"{source}: stage name {name!r}: use letters, digits, - and _")
    return stages


def _refuse_keys(values: Values, keys: Iterable[str], source: str) -> None:
    for key in keys:
        if key in values:
            raise InputError(f"{source}: unknown key '{key}'")


def _merge(values: Values, changes: Values) -> Values:
    """Merge changes into nested values, section by section."""
    merged = dict(values)
    for key, value in changes.items():
        earlier_value = merged.get(key)
        if isinstance(earlier_value, dict) and isinstance(value, dict):
            merged[key] = _merge(earlier_value, value)
        else:
            merged[key] = value
    return merged
