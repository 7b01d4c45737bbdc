"""Read a search: a recipe, and the ranges of the settings that Optuna may choose.

`configs/tuning/<name>.yaml` names both, and the fold that trials are scored on.
"""

import copy
import json
from collections.abc import Mapping
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Annotated, Any, Self

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from pydantic import Field, PlainSerializer, PlainValidator

from galaxyzoo.config import loading, schema, stages
from galaxyzoo.config.base import Settings, read_yaml, set_key
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import configs_dir, shown
from galaxyzoo.data.readers.find import find_named_task
from galaxyzoo.tasks.kinds import Task
from galaxyzoo.tasks.registry import TASKS, define_task, task_name

_DRAWS = 20  # of settings, of which one must be valid
_KINDS: dict[str, type[BaseDistribution]] = {
    "float": FloatDistribution,
    "int": IntDistribution,
    "choice": CategoricalDistribution,
}


def _read_range(values: Any) -> BaseDistribution:
    """Optuna's distribution of `type` and its arguments; of choices, some lists, their JSON.

    Other arguments are a ValueError, which pydantic reports with the key.
    """
    try:
        arguments = dict(values)
        kind = _KINDS[arguments.pop("type")]
        if "choices" in arguments:
            arguments["choices"] = [json.dumps(choice) for choice in arguments["choices"]]
        return kind(**arguments)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a range of type {', '.join(_KINDS)} ({error})") from None


Range = Annotated[
    BaseDistribution, PlainValidator(_read_range), PlainSerializer(distribution_to_json)
]


class Search(Settings):
    """A recipe and the ranges of some of its settings."""

    base: str | dict[str, Any]
    """name of a run, or settings as in a run's own YAML"""
    fold: int = Field(0, ge=0)
    """fold that trials are scored on"""
    space: Annotated[dict[str, Range], Field(min_length=1)]
    """`section.key` -> its range"""
    _path: Path
    _data: str | None

    @classmethod
    def load(cls, name: str, data: str | None = None) -> Self:
        """Read and check a search.

        Args:
            name: in configs/tuning/, or path.
            data: dataset of its trials as it was typed, which may be of own labels.
        """
        path = loading.listed_path(configs_dir() / "tuning", name, "search")
        search = cls.parse(read_yaml(path), shown(path))
        search._path = path
        search._data = data
        search._check()
        return search

    @property
    def path(self) -> Path:
        """The YAML."""
        return self._path

    @cached_property
    def own_task(self) -> Task | None:
        """Task of the user's own labels, if the recipe is for these."""
        name = task_name(self.base) if isinstance(self.base, str) else str(self.base.get("task"))
        return None if name in TASKS else find_named_task(name, self._data)

    @cached_property
    def config(self) -> schema.Config:
        """The recipe, checked."""
        return self.change({})

    def change(self, picks: Mapping[str, Any], suffix: str = "") -> schema.Config:
        """Check the recipe with these values of `section.key`; `suffix` ends its run's name."""
        values = self.values(picks)
        values["run"] = f"{values.get('task')}/tune.{self.path.stem}{suffix}"
        changes = ", ".join(f"{setting}={value}" for setting, value in picks.items())
        source = f"{shown(self.path)}: {changes or 'base'}"
        return stages.parse_recipe(values, source, loading.read_recipe)

    def values(self, picks: Mapping[str, Any]) -> dict[str, Any]:
        """Content of the YAML of the recipe with these values of `section.key`, unchecked."""
        if isinstance(self.base, str):
            values = loading.read_recipe(self.base, own_task=self.own_task)
        else:
            values = copy.deepcopy(self.base)
            if self.own_task:
                values["labels"] = define_task(self.own_task)
        for setting, value in picks.items():
            set_key(values, setting, value, setting)
        return values

    def decode(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """`section.key` -> value, from a trial's parameters."""
        values = dict(parameters)
        for setting, parameter in parameters.items():
            if setting in self.choices:
                values[setting] = json.loads(parameter)
        return values

    def suggest(self, trial: optuna.Trial) -> dict[str, Any]:
        """Let a trial pick a parameter from each range."""
        picks: dict[str, Any] = {}
        for name, bounds in self.space.items():
            match bounds:
                case FloatDistribution(low=low, high=high, step=step, log=log):
                    picks[name] = trial.suggest_float(name, low, high, step=step, log=log)
                case IntDistribution(low=low, high=high, step=step, log=log):
                    picks[name] = trial.suggest_int(name, low, high, step=step, log=log)
                case CategoricalDistribution(choices=choices):
                    picks[name] = trial.suggest_categorical(name, choices)
        return picks

    @cached_property
    def choices(self) -> dict[str, tuple[Any, ...]]:
        """Parameters of the ranges that are choices."""
        return {
            setting: bounds.choices
            for setting, bounds in self.space.items()
            if isinstance(bounds, CategoricalDistribution)
        }

    @property
    def grid(self) -> int | None:
        """Number of combinations where all ranges are choices, so that each can be tried."""
        if len(self.choices) < len(self.space):
            return None
        return prod(len(values) for values in self.choices.values())

    def make_sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        """Optuna's sampler: all combinations of choices in a shuffled order, or TPE's draws."""
        if self.grid:
            return optuna.samplers.GridSampler(self.choices, seed=self.config.train.seed)
        return optuna.samplers.TPESampler(seed=self.config.train.seed + seed)

    def _check(self) -> None:
        """Refuse settings that trials cannot score, or that are none."""
        if {"stages", "teacher"} & self.values({}).keys():
            raise InputError(
                f"{shown(self.path)}: `base` needs a recipe with a single stage and no teacher"
            )
        for setting in self.space:
            if setting.split(".")[0] in ("task", "tta", "stages"):
                raise InputError(
                    f"{shown(self.path)}: '{setting}' cannot be tuned, as trials have one view, "
                    "one task and no stages"
                )
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        # Of some spaces not every combination is valid: such trials end early.
        study = optuna.create_study()
        refusals = []
        for _ in range(_DRAWS):
            try:
                self.change(self.decode(study.ask(self.space).params))
            except InputError as error:
                refusals.append(error)
            else:
                return
        raise refusals[-1]
