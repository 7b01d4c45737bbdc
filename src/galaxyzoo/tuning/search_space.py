"""A search: a recipe, and the settings of it that tuning may choose, each in its own range.

`configs/tuning/<name>.yaml` names both, and the fold that the trials are scored on.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from galaxyzoo.config.base import Settings, read_yaml, set_key
from galaxyzoo.config.loading import config_path, listed_path, load_config
from galaxyzoo.config.schema import Config, parse_config
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import configs_dir, shown

if TYPE_CHECKING:
    import optuna

FOLDER = "tuning"  # in configs/
_DIGITS = 4  # of a drawn fraction: more say nothing and make configs hard to read


class FloatRange(Settings):
    """A fraction between two bounds, both included."""

    type: Literal["float"]
    low: float
    high: float
    # draw its logarithm evenly: for what counts by its factor, such as a learning rate
    log: bool = False
    # between neighbours; null: any value
    step: float | None = Field(None, gt=0)

    @property
    def edges(self) -> list[float]:
        """Values that must be right settings, each with the recipe's others."""
        return [self.low, self.high]

    def holds(self, value: Any) -> bool:
        """Whether a value may be drawn."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        steps = (value - self.low) / self.step if self.step else 0
        return self.low <= value <= self.high and math.isclose(steps, round(steps), abs_tol=1e-9)

    def draw(self, trial: "optuna.Trial", name: str) -> float:
        """What a trial is to use, of few digits."""
        value = trial.suggest_float(name, self.low, self.high, log=self.log, step=self.step)
        return min(max(float(f"{value:.{_DIGITS}g}"), self.low), self.high)


class IntRange(Settings):
    """A whole number between two bounds, both included."""

    type: Literal["int"]
    low: int
    high: int
    # as of fractions
    log: bool = False
    step: int = Field(1, ge=1)

    @property
    def edges(self) -> list[int]:
        """Values that must be right settings, each with the recipe's others."""
        return [self.low, self.high]

    def holds(self, value: Any) -> bool:
        """Whether a value may be drawn."""
        if isinstance(value, bool) or not isinstance(value, int):
            return False
        return self.low <= value <= self.high and (value - self.low) % self.step == 0

    def draw(self, trial: "optuna.Trial", name: str) -> int:
        """What a trial is to use."""
        return trial.suggest_int(name, self.low, self.high, log=self.log, step=self.step)


class Choice(Settings):
    """One of several values, which may be lists."""

    type: Literal["choice"]
    choices: Annotated[tuple[Any, ...], Field(min_length=2)]

    @property
    def edges(self) -> list[Any]:
        """Values that must be right settings, each with the recipe's others."""
        return list(self.choices)

    def holds(self, value: Any) -> bool:
        """Whether a value may be drawn."""
        return value in self.choices

    def draw(self, trial: "optuna.Trial", name: str) -> Any:
        """What a trial is to use; the study knows values by their text, for some are lists."""
        return json.loads(trial.suggest_categorical(name, [json.dumps(c) for c in self.choices]))


Range = FloatRange | IntRange | Choice
_RANGES: dict[Any, type[Range]] = {"float": FloatRange, "int": IntRange, "choice": Choice}


class Pruning(Settings):
    """When trials that do worse than the median of the earlier ones are given up."""

    # trials that are trained to their end first
    startup_trials: int = Field(5, ge=1)
    # epochs that every trial is trained for
    warmup_epochs: int = Field(2, ge=1)


class _File(Settings):
    """The keys of a search's YAML."""

    about: str = ""
    # name of a run, or settings as in a run's own YAML
    base: str | dict[str, Any]
    fold: int = Field(0, ge=0)
    pruning: Pruning = Pruning()
    # `section.key` -> its range
    space: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]


@dataclass(frozen=True)
class Search:
    """A recipe and the ranges of some of its settings."""

    name: str
    path: Path
    about: str
    fold: int
    pruning: Pruning
    base: Config
    own_values: dict[str, Any]  # of the recipe, as its YAML has them: what differs from defaults
    space: dict[str, Range]

    def config(self, picks: Mapping[str, Any], run: str) -> Config:
        """The recipe with some settings picked.

        Args:
            picks: `section.key` -> value.
            run: the config's name.
        Raises:
            InputError: they contradict each other.
        """
        values = {**self.values(picks), "run": run}
        return parse_config(values, ", ".join(f"{k}={v}" for k, v in picks.items()))

    def values(self, picks: Mapping[str, Any]) -> dict[str, Any]:
        """As `config`, unchecked and without defaults: what a YAML has to hold."""
        values = json.loads(json.dumps(self.own_values))
        for setting, value in picks.items():
            set_key(values, setting, value, setting)
        return values

    def draw(self, trial: "optuna.Trial") -> dict[str, Any]:
        """What a trial is to use: `section.key` -> value."""
        return {setting: one.draw(trial, setting) for setting, one in self.space.items()}

    @property
    def recipe(self) -> dict[str, Any] | None:
        """What a study is to be told to try first, the recipe itself; None: it lies outside."""
        values, found = self.base.model_dump(mode="json"), {}
        for setting, one in self.space.items():
            value: Any = values
            for key in setting.split("."):
                value = value.get(key) if isinstance(value, dict) else None
            if not one.holds(value):
                return None
            if isinstance(one, Choice):  # as it stands there: 180, not 180.0
                value = json.dumps(one.choices[one.choices.index(value)])
            found[setting] = value
        return found

    @property
    def edges(self) -> list[Config]:
        """The recipe, and with one setting at a time at an edge of its range."""
        picks = [{s: edge} for s, one in self.space.items() for edge in one.edges]
        return [self.base, *(self.config(pick, self.base.run) for pick in picks)]


def load_search(name: str) -> Search:
    """Read a search, `elliptical_spiral_cnn` or the path of its YAML, and check every range.

    Raises:
        InputError: no such file, an unknown key, a range that is none, that holds what the setting
            cannot be, or whose setting is not there to be tuned.
    """
    path = listed_path(configs_dir() / FOLDER, name, "search")
    values = read_yaml(path)
    file = _File.parse(values, shown(path))
    if isinstance(file.base, str):
        load_config(file.base)  # its own words for what is wrong there
        own = read_yaml(config_path(file.base))
    else:
        own = file.base
    run = f"{own.get('task')}/tune.{path.stem}"
    base = parse_config({**own, "run": run}, f"{shown(path)}, base")
    if base.pseudo.runs:
        raise InputError(f"{shown(path)}, base: pseudo.runs is set: tune the recipe without it")
    if not base.train.epochs:
        raise InputError(f"{shown(path)}, base: train.epochs is 0: tune a recipe that trains")
    space = {s: _read_range(v, f"{shown(path)}, space '{s}'") for s, v in file.space.items()}
    search = Search(path.stem, path, file.about, file.fold, file.pruning, base, own, space)
    for setting, one in space.items():
        _check_setting(search, setting, one)
    return search


def _read_range(values: dict[str, Any], source: str) -> Range:
    kind = values.get("type")
    if not isinstance(kind, str) or kind not in _RANGES:
        raise InputError(f"{source}: type is {kind!r}, and must be one of {', '.join(_RANGES)}")
    found = _RANGES[kind].parse(values, source)
    if isinstance(found, Choice):
        try:
            texts = [json.dumps(choice, allow_nan=False) for choice in found.choices]
        except (TypeError, ValueError):
            raise InputError(f"{source}: choices must be numbers, words and lists") from None
        if len(set(texts)) < len(texts):
            raise InputError(f"{source}: one of the choices stands there twice")
        return found
    if found.low >= found.high:
        raise InputError(f"{source}: low {found.low} must be below high {found.high}")
    if found.log and found.low <= 0:
        raise InputError(f"{source}: log needs a low above 0, not {found.low}")
    if found.log and found.step not in (None, 1):
        raise InputError(f"{source}: log and step do not go together: leave one out")
    return found


def _check_setting(search: Search, setting: str, one: Range) -> None:
    """A setting is one that tuning can choose, and may be all that its range holds."""
    source = f"{shown(search.path)}, space '{setting}'"
    if setting == "task" or setting.split(".")[0] in ("tta", "pseudo"):
        raise InputError(
            f"{source} is not there to be tuned: trials are scored on one view, of one task, "
            "without pseudo-labels"
        )
    digests = set()
    for edge in one.edges:
        try:
            config = search.config({setting: edge}, search.base.run)
        except InputError as error:
            raise InputError(f"{source}: {error}") from None
        digests.add(config.digest())
    if len(digests) == 1:
        raise InputError(f"{source} changes no result: leave it out")
