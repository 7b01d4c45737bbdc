"""An ablation study: a short recipe, and what is changed in it one thing at a time.

`configs/ablations/<study>.yaml` names the recipe, the folds and the changes. Each change is a run
of its own, `<task>/ablation.<study>.<change>`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from galaxyzoo.config import Config, parse_config
from galaxyzoo.config_files import listed_path, load_config
from galaxyzoo.errors import InputError
from galaxyzoo.paths import ABLATION, CONFIGS, shown
from galaxyzoo.settings import Section, explain, override, read_yaml

BASE = "base"  # name of the recipe among the changes
FOLDER = CONFIGS / "ablations"


class _Change(Section):
    """One entry of `changes:`."""

    # last part of its run's name
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]
    # what it is, for tables
    about: str = ""
    # heading under which tables show it
    group: str = ""
    # `section.key=value`, as on the command line of src/train.py
    changes: Annotated[tuple[str, ...], Field(min_length=1)]
    # the change that it goes on from and is compared with
    of: str = BASE


class _File(Section):
    """The keys of a study's YAML."""

    about: str = ""
    # name of a run, or settings as in a run's own YAML
    base: str | dict[str, Any]
    folds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0, 1)
    # whether the changes are numbers of galaxies, through whose scores a curve is to be drawn
    learning_curve: bool = False
    changes: tuple[_Change, ...] = ()


@dataclass(frozen=True)
class Variant:
    """The recipe with some settings changed, or as it is."""

    name: str
    about: str
    group: str
    overrides: tuple[str, ...]
    config: Config
    baseline: "Variant | None" = None  # None of the recipe itself

    @cached_property
    def trained_as(self) -> "Variant":
        """The variant whose weights this one uses: itself, or what differs in nothing but views."""
        if self.baseline is None or not _same_weights(self.config, self.baseline.config):
            return self
        return self.baseline.trained_as

    @cached_property
    def run_config(self) -> Config:
        """The settings of its run; of one that differs in nothing but views, without epochs."""
        if self.trained_as is self:
            return self.config
        values = self.config.model_dump(mode="json", exclude={"pseudo"})
        values["model"].update(start_run=self.trained_as.config.run, start_head=True)
        values["model"].update(start_dataset=None, start_fold=None)
        values["train"].update(epochs=0, head_epochs=0, top_blocks=None, class_balance="none")
        return parse_config(values, self.config.run)

    @property
    def needed(self) -> list["Variant"]:
        """What it is compared with, and what that goes back to, the recipe first; then itself."""
        return [*(self.baseline.needed if self.baseline else ()), self]


@dataclass(frozen=True)
class Study:
    """A recipe and its variants."""

    name: str
    path: Path
    about: str
    folds: tuple[int, ...]
    learning_curve: bool
    variants: tuple[Variant, ...]  # the recipe first, then the changes in the file's order

    @property
    def base(self) -> Variant:
        """The recipe itself."""
        return self.variants[0]

    def pick(self, names: Sequence[str]) -> list[Variant]:
        """The named variants and what they are compared with, in the study's order.

        Args:
            names: of changes; none: all.
        Raises:
            InputError: there is no such change.
        """
        known = {variant.name: variant for variant in self.variants}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise InputError(
                f"{shown(self.path)} has no change '{unknown[0]}': it has {', '.join(known)}"
            )
        wanted = {one.name for name in names or known for one in known[name].needed}
        return [variant for variant in self.variants if variant.name in wanted]


def load_study(name: str) -> Study:
    """Read a study, `gz37` or the path of its YAML, and check every change.

    Raises:
        InputError: no such file, an unknown key, a change that is wrong, changes nothing, has the
            name of another or is of one that does not stand before it.
    """
    path = listed_path(FOLDER, name, "ablation study")
    values = read_yaml(path)
    try:
        file = _File.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{shown(path)}: {explain(error, (_File, _Change))}") from None
    variants = {BASE: _load_base(file.base, path)}
    for change in file.changes:
        variants[change.name] = _make_variant(change, variants, path)
    folds = tuple(sorted(set(file.folds)))
    return Study(path.stem, path, file.about, folds, file.learning_curve, tuple(variants.values()))


def _load_base(base: str | dict[str, Any], path: Path) -> Variant:
    source = f"{shown(path)}, base"
    config = load_config(base) if isinstance(base, str) else parse_config(base, source)
    named = config.model_copy(update={"run": f"{config.task}/{ABLATION}{path.stem}.{BASE}"})
    return Variant(BASE, config.about, "", (), named)


def _make_variant(change: _Change, earlier: dict[str, Variant], path: Path) -> Variant:
    source = f"{shown(path)}, change '{change.name}'"
    if change.name in earlier:
        raise InputError(f"{source} stands there twice: give one of them another name")
    if change.of not in earlier:
        raise InputError(
            f"{source}: no change '{change.of}' stands before it (of): there are "
            f"{', '.join(earlier)}"
        )
    baseline = earlier[change.of]
    values = baseline.config.model_dump(mode="json")
    for word in change.changes:
        try:
            override(values, word)
        except InputError as error:
            raise InputError(f"{source}: {error}") from None
    run = f"{baseline.config.task}/{ABLATION}{path.stem}.{change.name}"
    about = change.about or ", ".join(change.changes)
    config = parse_config({**values, "run": run, "about": about}, source)
    if config.task != baseline.config.task:
        raise InputError(f"{source}: all changes of a study are of one task")
    if _same(config, baseline.config):
        raise InputError(f"{source} changes nothing: {change.of} has those settings already")
    return Variant(change.name, about, change.group, change.changes, config, baseline)


def _same(one: Config, other: Config) -> bool:
    """Whether two configs differ in nothing but names."""
    return one.model_copy(update={"run": other.run}).digest() == other.digest()


def _same_weights(one: Config, other: Config) -> bool:
    """Whether the networks of one config are those of the other, seen through other views."""
    return _same(one.model_copy(update={"tta": other.tta}), other)
