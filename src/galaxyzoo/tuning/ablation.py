"""An ablation study: a short recipe, and what is changed in it one thing at a time.

`configs/ablations/<study>.yaml` names the recipe, the folds and the changes. Each change is a run
of its own, `<task>/ablation.<study>.<change>`.

An ablation study's runs: each change trained on its folds.

The table of an ablation study: what each change did to the score, and how sure that is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, ValidationError

from galaxyzoo.config.base import Section, explain, override, read_yaml
from galaxyzoo.config.loading import listed_path, load_config
from galaxyzoo.config.schema import Config, parse_config
from galaxyzoo.core import files
from galaxyzoo.core.console import format_table, print_table
from galaxyzoo.core.devices import describe_machine
from galaxyzoo.core.errors import FoldError, InputError
from galaxyzoo.core.paths import ABLATION, configs_dir, oof_csv, shown
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.data.prepare import Prepared
from galaxyzoo.inference.oof import FoldTables
from galaxyzoo.inference.score_card import card_path, digest_table
from galaxyzoo.reports.results import load_result
from galaxyzoo.tasks.registry import Task, get_task
from galaxyzoo.training.fold import TIMINGS, read_timings
from galaxyzoo.training.run import Run, train_runs

BASE = "base"  # name of the recipe among the changes
FOLDER = "ablations"  # in configs/


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
    path = listed_path(configs_dir() / FOLDER, name, "ablation study")
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


@dataclass(frozen=True)
class Ablation:
    """A study on a dataset, some folds of it."""

    study: Study
    data: Prepared
    folds: tuple[int, ...]

    @property
    def task(self) -> Task:
        """The task of all its runs."""
        return get_task(self.study.base.config.task)

    @property
    def catalog(self) -> Catalog:
        """The galaxies of the dataset that the task keeps."""
        return self.data.catalog.for_task(self.task)

    def run(self, variant: Variant) -> Run:
        """The run of a variant."""
        return Run(variant.run_config, self.data)

    def check(self, variants: Sequence[Variant]) -> dict[str, str]:
        """Refuse, before anything starts, what would fail later or mix with what is there.

        Returns:
            Name -> why it cannot be trained yet: the run that it starts from is not there.
        Raises:
            InputError: the dataset lacks a fold, or a variant's run exists with other settings or
                data or cannot be made.
        """
        missing = [fold for fold in self.folds if not 0 <= fold < self.catalog.n_folds]
        if missing:
            raise InputError(
                f"there is no fold {missing[0]}: '{self.catalog.dataset}' has folds 0 to "
                f"{self.catalog.n_folds - 1} (--folds)"
            )
        reasons = {}
        for variant in variants:
            try:
                self.run(variant).check()
            except FoldError as error:
                reasons[variant.name] = str(error)
        return reasons

    def is_done(self, variant: Variant) -> bool:
        """Whether all folds of a variant are trained and in its out-of-fold table."""
        table = oof_csv(self.catalog.dataset, variant.config.run)
        if not self._are_folds_done(variant) or not table.exists():
            return False
        try:
            card = files.read_json(card_path(table))
            # A kill may have come between the folds' marks and the table, or before its card.
            return {*self.folds} <= {*card["folds"]} and (
                card["tables"]["oof"] == digest_table(table)
            )
        except (InputError, KeyError, TypeError):
            return False

    def train(self, variants: Sequence[Variant], jobs: int = 1, backend: str = "loky") -> list[str]:
        """Train what is not finished, and say what is.

        Args:
            variants: those that only look at another's networks anew come after it, or it is
                finished.
            jobs: folds at a time.
            backend: as of `train_runs`.
        Returns:
            Why some could not be trained to their end; the next call goes on with them.
        Raises:
            InputError: a run exists with other settings or data, or something cannot be written.
        """
        runs = {v.name: self.run(v) for v in variants if not self.is_done(v)}
        names = {run.config.run: name for name, run in runs.items()}
        for card in train_runs([*runs.values()], list(self.folds), jobs, backend):
            name = names[card["run"]]
            if not runs[name].stopped:
                print(f"{name}: done", flush=True)
        return [f"{name}: {reason}" for name, run in runs.items() for reason in run.stopped]

    def minutes(self, variant: Variant) -> float | None:
        """Minutes that the epochs of the folds took; None where nothing is trained."""
        if variant.trained_as is not variant:
            return None
        folder = self.run(variant).folder
        paths = [folder / f"fold_{fold}" / TIMINGS for fold in self.folds]
        return sum(sum(read_timings(path).values()) for path in paths if path.exists()) / 60

    def _are_folds_done(self, variant: Variant) -> bool:
        return {*self.folds} <= {*FoldTables(variant.run_config, self.catalog).done}


_NONE = "–"


@dataclass(frozen=True)
class Row:
    """One variant's line."""

    variant: Variant
    verdict: str  # of the difference, or why there is none
    score: float | None = None
    # score minus its baseline's on the same galaxies, and the standard error of that
    difference: tuple[float, float] | None = None
    minutes: float | None = None
    machine: str = ""  # that it was measured on, where not here

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it is missing."""
        return self.score is not None and (
            self.difference is not None or self.variant.baseline is None
        )

    @property
    def cells(self) -> list[str]:
        """Score, difference, minutes and verdict as text."""
        difference = _NONE
        if self.difference:
            difference = "{:+.5f} ± {:.5f}".format(*self.difference)
        score = _NONE if self.score is None else f"{self.score:.5f}"
        minutes = _NONE if self.minutes is None else f"{self.minutes:.1f}"
        return [score, difference, minutes, self.verdict]


def make_rows(ablation: Ablation) -> list[Row]:
    """Score every variant of the study that is trained, each compared with its baseline.

    Returns:
        A row per variant, in the study's order.
    Raises:
        InputError: an out-of-fold table is broken or of another split.
    """
    predictions = load_predictions(ablation)
    return [_make_row(ablation, variant, predictions) for variant in ablation.study.variants]


def load_predictions(ablation: Ablation) -> dict[str, np.ndarray]:
    """Out-of-fold predictions of the variants that are trained.

    Returns:
        Name -> (galaxy of the study's folds, column), rows in the catalog's order.
    """
    catalog, task = ablation.catalog, ablation.task
    chosen = np.isin(catalog.folds, ablation.folds)
    return {
        variant.name: load_result(variant.config.run, task, catalog).on(chosen)
        for variant in ablation.study.variants
        if ablation.is_done(variant)
    }


def judge(difference: float, error: float, lower_is_better: bool) -> str:
    """What a difference of scores says, given its standard error."""
    if abs(difference) <= error:
        return "within one SE"
    return "gain" if (difference < 0) == lower_is_better else "loss"


def print_rows(ablation: Ablation, rows: Sequence[Row]) -> None:
    """Print the rows under the headings of their groups, and what to know of them."""
    lines: list[list[str]] = []
    headings = []
    for group, members in _by_group(rows):
        if group:
            headings.append(len(lines))
            lines.append([group, "", "", "", ""])
        lines += [[_name(row.variant), *row.cells] for row in members]
    metric = ablation.task.metric
    header = ("change", f"OOF {metric}", "difference ± SE", "minutes", "verdict")
    print_table(f"ablation study {ablation.study.name}, {_data(ablation)}", header, lines, headings)
    print(explain_table(ablation, rows))


def format_rows(ablation: Ablation, rows: Sequence[Row]) -> str:
    """The rows as Markdown: a table for each group, then how they were made."""
    metric = ablation.task.metric
    parts = [f"{ablation.study.about.strip()}".strip(), f"Dataset {_data(ablation)}."]
    for group, members in _by_group(rows):
        header = ["change", "what it is", f"OOF {metric}", "difference ± SE", "minutes", "verdict"]
        cells = [[f"`{_name(r.variant)}`", r.variant.about, *r.cells] for r in members]
        parts += [f"**{group}**"] if group else []
        parts.append(format_table(header, cells, left=2))
    parts += [explain_table(ablation, rows), _origin(ablation, rows)]
    return "\n\n".join(part for part in parts if part)


def explain_table(ablation: Ablation, rows: Sequence[Row]) -> str:
    """What the differences, their errors and the minutes are."""
    seeds = [row for row in rows if _is_seed(row.variant) and row.difference]
    told = ", ".join(
        f"{row.variant.name} {row.difference[0]:+.5f}" for row in seeds if row.difference
    )
    noise = (
        f"how far apart they are shows here: {told}"
        if told
        else "a change of train.seed alone would show it, and none is trained here"
    )
    return (
        f"Differences are from `{BASE}`, or from the change named beside (of …), on the same "
        "galaxies. SE is their standard error over galaxies (jackknife), and a gain or loss is "
        "more than one SE. Two trainings that differ in nothing but their seed differ too, which "
        f"SE does not hold: {noise}. Minutes are of training alone, one process each, on one core "
        "with --jobs; views train nothing."
    )


def _make_row(ablation: Ablation, variant: Variant, predictions: dict[str, np.ndarray]) -> Row:
    if variant.name not in predictions:
        return Row(variant, "not run")
    task, catalog = ablation.task, ablation.catalog
    targets = catalog.targets(task.name)[np.isin(catalog.folds, ablation.folds)]
    ours = predictions[variant.name]
    score, minutes = task.score(ours, targets), ablation.minutes(variant)
    if variant.baseline is None:
        return Row(variant, "", score, None, minutes)
    if variant.baseline.name not in predictions:
        return Row(variant, f"{variant.baseline.name} not run", score, None, minutes)
    theirs = predictions[variant.baseline.name]
    found = task.difference(
        task.per_sample_losses(ours, targets), task.per_sample_losses(theirs, targets)
    )
    verdict = judge(found.value, found.error, task.lower_is_better)
    return Row(variant, verdict, score, (found.value, found.error), minutes)


def _by_group(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    for group, members in groupby(rows, key=lambda row: row.variant.group):
        yield group, list(members)


def _name(variant: Variant) -> str:
    baseline = variant.baseline.name if variant.baseline else BASE
    return variant.name if baseline == BASE else f"{variant.name} (of {baseline})"


def _is_seed(variant: Variant) -> bool:
    return all(override.startswith("train.seed=") for override in variant.overrides) and bool(
        variant.overrides
    )


def _data(ablation: Ablation) -> str:
    catalog, folds = ablation.catalog, ablation.folds
    scored = int(np.isin(catalog.folds, folds).sum())
    of = ", ".join(map(str, folds))
    return f"{catalog.dataset}, folds {of} of {catalog.n_folds}: {scored:,} galaxies scored"


def _origin(ablation: Ablation, rows: Sequence[Row]) -> str:
    """The machines that trained, and the command that makes the table again."""
    here, known = describe_machine(), {row.machine for row in rows if row.machine}
    earlier = ""
    for machine in sorted(known - {here}):
        names = ", ".join(f"`{row.variant.name}`" for row in rows if row.machine == machine)
        earlier += f" Measured before on {machine}: {names}."
    folds = ",".join(map(str, ablation.folds))
    command = f"python src/ablate.py {shown(ablation.study.path)} --folds {folds}"
    return f"Machine: {here}.{earlier} Command: `{command}`."
