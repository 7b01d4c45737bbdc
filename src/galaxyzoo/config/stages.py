"""Stages: a recipe that trains a network several times, each time from the last one's weights.

A recipe's YAML lists `stages`, each with a name and what differs in it; all else is the recipe's. A
stage becomes the config of a training of its own, which starts from the weights of the same fold of
the stage before, with its head where both heads have the same columns. Overrides on the command
line hold in every stage, `stages.NAME.section.key=value` in one.

A stage with `recipe: gz37/cnn` is that run's own recipe, with all of its stages, or those up to one
with `recipe: gz37/d4cnn@small`; it inherits nothing from the file that it stands in, but takes the
command line's overrides. A stage may be on another dataset of `input/`, for its labels; beside
`recipe`, `dataset` is of the stages that name none. Galaxies that both hold must be in the same
folds; test galaxies of the recipe's own dataset are left out.

With `predict: true` the networks of an earlier stage are a run too, `gz37/d4cnn@small`.

What an earlier stage trains lies in a folder that is named by the digest of all stages up to it. So
recipes that begin alike share it, and a recipe that grows longer trains only what is new.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from galaxyzoo.config.names import STAGE
from galaxyzoo.config.schema import Config, parse_config
from galaxyzoo.core.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_OWN = ("stage", "before", "dataset", "own_dataset")  # keys that are set here alone
Values = dict[str, Any]  # nested settings


def parse_recipe(
    values: Values, source: str, read_recipe: Callable[[str], Values], dataset: str = ""
) -> Config:
    """Check a recipe; returns the config of its last stage, linked to the stages before it.

    Args:
        values: nested settings, without `stages` those of a single training.
        source: where they are from, for error messages.
        read_recipe: from the name of a run to the settings of its recipe.
        dataset: that the recipe is trained on; empty where that is not known yet: then stages that
            follow one on another dataset have no final names.
    """
    config: Config | None = None
    *earlier, (name, last) = _list_stages(values, source, read_recipe)
    for stage, settings in earlier:
        stage_config = _parse_stage(stage, {**settings, "run": ""}, config, source, dataset)
        # Named by what it does, whatever the recipe is called and what comes after.
        run = f"{stage_config.task}/{STAGE}{stage}-{stage_config.weights_digest()}"
        description = f"stage {stage} of {values.get('run')}"
        config = stage_config.model_copy(update={"run": run, "about": description})
    for key in ("run", "task"):
        if last.get(key) != values.get(key):
            raise InputError(f"{source}, stage '{name}': the last stage has the recipe's own {key}")
    config = _parse_stage(name, last, config, source, dataset)
    if config.predict:
        raise InputError(f"{source}: predict is for a stage before the last")
    if config.dataset:
        raise InputError(f"{source}, stage '{name}': the last stage is on the recipe's own dataset")
    return config


def _parse_stage(
    name: str, settings: Values, before: Config | None, source: str, dataset: str
) -> Config:
    elsewhere = settings.get("dataset")
    place: Values = {"dataset": None}
    if elsewhere not in (None, dataset):
        place = {"dataset": elsewhere, "own_dataset": dataset}
    where = f"{source}, stage '{name}'" if name else source
    return parse_config({**settings, **place, "stage": name, "before": before}, where)


def _list_stages(
    values: Values, source: str, read_recipe: Callable[[str], Values], behind: tuple[str, ...] = ()
) -> list[tuple[str, Values]]:
    """Name and settings of each stage; without stages one, its name empty."""
    recipe = {key: value for key, value in values.items() if key != "stages"}
    _refuse_keys(recipe, _OWN, source)
    if values.get("stages") is None:
        return [("", recipe)]
    listed: list[tuple[str, Values]] = []
    for stage in _check_stages(values["stages"], source):
        name, other = stage["name"], stage.get("recipe")
        where = f"{source}, stage '{name}'"
        changes = {key: value for key, value in stage.items() if key not in ("name", "recipe")}
        _refuse_keys(changes, ("stages", "run", "stage", "before", "own_dataset"), where)
        inner = [("", recipe)]
        if other is not None:
            run, _, last = str(other).partition("@")
            if run in behind:
                raise InputError(f"{where}: recipe {run} contains itself")
            inner = _list_stages(read_recipe(run), where, read_recipe, (*behind, run))
            names = [part for part, _ in inner]
            if last and last not in names:
                raise InputError(f"{where}: recipe {run} has no stage '{last}'")
            inner = inner[: names.index(last) + 1] if last else inner
        for part, settings in inner:
            dataset = {"dataset": settings["dataset"]} if "dataset" in settings else {}
            listed.append((f"{name}_{part}" if part else name, _merge(settings, changes | dataset)))
    names = [name for name, *_ in listed]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{source}: two stages are named '{twice[0]}'")
    return listed


def _check_stages(stages: Any, source: str) -> list[Values]:
    whole = isinstance(stages, list) and stages and all(isinstance(stage, dict) for stage in stages)
    if not whole:
        raise InputError(f"{source}: expected `stages:` with a list of settings, each with a name")
    for stage in stages:
        name = stage.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InputError(f"{source}: a stage's name has letters, digits, - and _, not {name!r}")
    return stages


def _refuse_keys(values: Values, keys: Iterable[str], source: str) -> None:
    for key in keys:
        if key in values:
            raise InputError(f"{source}: unknown key '{key}'")


def _merge(values: Values, changes: Values) -> Values:
    """Merge changes into nested values, section by section."""
    merged = dict(values)
    for key, value in changes.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merge(old, value) if both else value  # type: ignore[arg-type]
    return merged
