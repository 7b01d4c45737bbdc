"""Read a search: a recipe, and the ranges of the settings that Optuna may choose.

`configs/tuning/<name>.yaml` names both, and the fold that trials are scored on.
"""

import copy
import json
from collections.abc import Mapping
from functools import reduce
from typing import Annotated, Any, Literal, Self

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import Discriminator, Field, JsonValue, Tag, model_validator

from galaxyzoo.config.base import Settings, set_key
from galaxyzoo.config.schema import Config
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.tuning.study import Study

_DIGITS = 4  # of a sampled fraction, so that configs are easy to read


class NumberRange(Settings):
    """A number between two bounds, both included."""

    type: Literal["float", "int"]
    low: int | float
    high: int | float
    log: bool = False
    """sample on a logarithmic scale, as for a learning rate"""
    step: int | float | None = None
    """distance between neighbours; null: any value, for whole numbers 1"""

    @property
    def distribution(self) -> FloatDistribution | IntDistribution:
        """Optuna's distribution; ValueError where the bounds are wrong."""
        if self.type == "float":
            return FloatDistribution(self.low, self.high, self.log, self.step)
        bounds = [self.low, self.high, 1 if self.step is None else self.step]
        if any(bound != int(bound) for bound in bounds):
            raise ValueError("a range of type int has whole numbers")
        low, high, step = map(int, bounds)
        return IntDistribution(low, high, self.log, step)

    @property
    def edges(self) -> list[float]:
        """Values that must be valid settings, each with the recipe's others."""
        return [self.distribution.low, self.distribution.high]

    def encode(self, value: Any) -> Any:
        """Setting -> Optuna's parameter."""
        return value

    def decode(self, parameter: float) -> float:
        """Optuna's parameter -> setting, of few digits, inside the bounds."""
        if self.type == "int":
            return parameter
        return min(max(float(f"{parameter:.{_DIGITS}g}"), self.low), self.high)

    @model_validator(mode="after")
    def _check(self) -> Self:
        assert self.distribution
        return self


class Choice(Settings):
    """Choice of values; some are lists, so Optuna's parameter is their JSON."""

    type: Literal["choice"]
    choices: Annotated[tuple[JsonValue, ...], Field(min_length=2)]

    @property
    def distribution(self) -> CategoricalDistribution:
        """Optuna's distribution; ValueError where a choice is repeated or no JSON."""
        texts = [json.dumps(choice, allow_nan=False) for choice in self.choices]
        if len(set(texts)) < len(texts):
            raise ValueError("a choice is there twice")
        return CategoricalDistribution(texts)

    @property
    def edges(self) -> list[Any]:
        """List the choices."""
        return list(self.choices)

    def encode(self, value: Any) -> str:
        """JSON of the choice as it is written: of 180, where the setting is 180.0."""
        return json.dumps(self.choices[self.choices.index(value)])

    def decode(self, parameter: str) -> Any:
        """The choice of this JSON."""
        return json.loads(parameter)

    @model_validator(mode="after")
    def _check(self) -> Self:
        assert self.distribution
        return self


# A tag each, as the field `type` itself has a validator that reads it before.
Range = Annotated[
    Annotated[NumberRange, Tag("float")]
    | Annotated[NumberRange, Tag("int")]
    | Annotated[Choice, Tag("choice")],
    Discriminator(lambda v: str(v.get("type") if isinstance(v, dict) else getattr(v, "type", v))),
]


class Pruning(Settings):
    """When a trial that is worse than the median of the earlier ones ends early."""

    startup_trials: int = Field(5, ge=1)
    """trials that are trained to their end first"""
    warmup_epochs: int = Field(2, ge=1)
    """epochs that every trial is trained for"""


class Search(Study):
    """A recipe and the ranges of some of its settings."""

    FOLDER = "tuning"
    KIND = "search"
    PREFIX = "tune."

    fold: int = Field(0, ge=0)
    """fold that trials are scored on"""
    pruning: Pruning = Pruning()
    """when a bad trial ends early"""
    space: Annotated[dict[str, Range], Field(min_length=1)]
    """`section.key` -> its range"""

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's search space."""
        return {setting: bounds.distribution for setting, bounds in self.space.items()}

    def decode(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """`section.key` -> value, from a trial's parameters."""
        return {setting: self.space[setting].decode(v) for setting, v in parameters.items()}

    def change(self, picks: Mapping[str, Any], suffix: str = "") -> Config:
        """Check the recipe with these values of `section.key`; `suffix` ends its run's name."""
        source = ", ".join(f"{setting}={value}" for setting, value in picks.items())
        return self.make_config(self.change_values(picks), suffix, source)

    def change_values(self, picks: Mapping[str, Any]) -> dict[str, Any]:
        """Content of the YAML of the recipe with these values of `section.key`, unchecked."""
        values = copy.deepcopy(self.values)
        for setting, value in picks.items():
            set_key(values, setting, value, setting)
        return values

    @property
    def recipe(self) -> dict[str, Any] | None:
        """Parameters of the recipe itself, the first trial; None where it is outside a range."""
        values = self.config.model_dump(mode="json")
        try:
            parameters = {
                setting: bounds.encode(reduce(lambda v, key: v[key], setting.split("."), values))
                for setting, bounds in self.space.items()
            }
            optuna.create_trial(params=parameters, distributions=self.distributions, value=0)
        except (KeyError, TypeError, ValueError):
            return None
        return parameters

    @property
    def edges(self) -> list[Config]:
        """The recipe, and with one setting at a time at an edge of its range."""
        picks = [{setting: edge} for setting, one in self.space.items() for edge in one.edges]
        return [self.config, *map(self.change, picks)]

    def check(self) -> None:
        """Refuse settings that trials cannot score, and ranges with a value that is not valid."""
        if "stages" in self.values:
            raise InputError(f"{shown(self.path)}, base: has several stages: tune a recipe of one")
        assert self.config
        for setting, bounds in self.space.items():
            source = f"{shown(self.path)}, space '{setting}'"
            if setting == "task" or setting.split(".")[0] in ("tta", "stages"):
                raise InputError(
                    f"{source} cannot be tuned: trials are scored on one view, of one task, "
                    "without stages"
                )
            try:
                digests = {self.change({setting: edge}).digest() for edge in bounds.edges}
            except InputError as error:
                raise InputError(f"{source}: {error}") from None
            if len(digests) == 1:
                raise InputError(f"{source} changes no result: leave it out")
