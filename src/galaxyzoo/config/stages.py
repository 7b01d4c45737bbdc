"""Stages: one recipe that trains a network several times, each time from where the last one ended.

A recipe's YAML lists `stages`, each with a name and what differs in it; all else is the recipe's. A
stage becomes the config of a training of its own, which starts from the weights of the same fold of
the stage before, with its head where both have the same task. Overrides on the command line hold in
every stage, `stages.NAME.section.key=value` in one.

A stage may be on another dataset of `input/`, for its labels. Galaxies that both hold must be in
the same folds; test galaxies of the recipe's own dataset are left out.

What an earlier stage trains lies in a folder that is named by the digest of all stages up to it. So
recipes that begin alike share it, and a recipe that grows longer trains only what is new.
"""

import re
from collections.abc import Iterable
from typing import Any

from galaxyzoo.config.schema import Config, parse_config
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import STAGE

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_START = ("start_run", "start_dataset", "start_head")
_OWN = ("stage", "before", "dataset", "own_dataset")  # keys that are set here alone


def parse_recipe(values: dict[str, Any], source: str, dataset: str = "") -> Config:
    """Check a recipe; returns the config of its last stage, which holds the one before, and so on.

    Args:
        values: nested settings, without `stages` those of a single training.
        source: where they are from, for error messages.
        dataset: that the recipe is trained on; empty where that is not known yet: then stages that
            follow one on another dataset have no final names.
    """
    recipe = {key: value for key, value in values.items() if key != "stages"}
    _refuse_keys(recipe, _OWN, source)
    stages = values.get("stages")
    if stages is None:
        return parse_config(recipe, source)
    before: Config | None = None
    for stage in _check_stages(stages, source):
        before = _parse_stage(recipe, stage, before, stage is stages[-1], source, dataset)
    assert before is not None
    return before


def _check_stages(stages: Any, source: str) -> list[dict[str, Any]]:
    whole = isinstance(stages, list) and stages and all(isinstance(one, dict) for one in stages)
    if not whole:
        raise InputError(f"{source}: expected `stages:` with a list of settings, each with a name")
    names = [stage.get("name") for stage in stages]
    for name in names:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise InputError(f"{source}: a stage's name has letters, digits, - and _, not {name!r}")
        if names.count(name) > 1:
            raise InputError(f"{source}: two stages are named '{name}'")
    return stages


def _parse_stage(
    recipe: dict[str, Any],
    stage: dict[str, Any],
    before: Config | None,
    last: bool,
    source: str,
    dataset: str,
) -> Config:
    source, changes = f"{source}, stage '{stage['name']}'", dict(stage)
    name, elsewhere = changes.pop("name"), changes.pop("dataset", None)
    _refuse_keys(changes, ("stages", "run", *_OWN), source)
    values = _merge(recipe, changes)
    if last and values.get("task") != recipe.get("task"):
        raise InputError(f"{source}: the last stage has the recipe's task, '{recipe.get('task')}'")
    if elsewhere == dataset:
        elsewhere = None
    if last and elsewhere:
        raise InputError(f"{source}: the last stage is on the recipe's own dataset")
    values |= {"stage": name, "before": before, "dataset": elsewhere}
    if elsewhere:
        values["own_dataset"] = dataset
    model = values.get("model")
    if before is not None and isinstance(model, dict):  # any other is an error below
        changed = changes.get("model", {})
        for key in _START:
            if key in changed:
                raise InputError(f"{source}: model.{key}: it starts from the stage before")
        start = dict.fromkeys(_START) | {
            "start_run": before.run,
            "start_head": before.task == values.get("task"),
        }
        if before.dataset != elsewhere:
            start["start_dataset"] = before.dataset or dataset
        values["model"] = {**model, **start}
    if last:
        return parse_config(values, source)
    # Named by what it does, whatever the recipe is called and what comes after.
    config = parse_config({**values, "run": ""}, source)
    run = f"{config.task}/{STAGE}{name}-{config.digest()}"
    about = f"stage {name} of {recipe.get('run')}"
    return config.model_copy(update={"run": run, "about": about})


def _refuse_keys(values: dict[str, Any], keys: Iterable[str], source: str) -> None:
    for key in keys:
        if key in values:
            raise InputError(f"{source}: unknown key '{key}'")


def _merge(values: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The values with the changes in place of theirs, section by section."""
    merged = dict(values)
    for key, value in changes.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merge(old, value) if both else value  # type: ignore[arg-type]
    return merged
