"""Run an ablation study: train a short recipe with one setting changed at a time, and compare.

`configs/ablations/<study>.yaml` names the recipe, the folds and the changes. Each change is a run
of its own, `<task>/ablation.<study>.<change>`.
"""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from galaxyzoo.config.base import Settings, override, read_yaml
from galaxyzoo.config.loading import listed_path, read_recipe
from galaxyzoo.config.names import ABLATION
from galaxyzoo.config.schema import Config
from galaxyzoo.config.stages import Values, parse_recipe
from galaxyzoo.core.console import format_table
from galaxyzoo.core.devices import describe_machine
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import configs_dir, shown
from galaxyzoo.data.catalog import Catalog, data_option
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.reports.console import with_error
from galaxyzoo.reports.results import load_result
from galaxyzoo.results.card import RunCard
from galaxyzoo.results.layout import RunFolder
from galaxyzoo.results.oof import FoldTables
from galaxyzoo.tasks.kinds import Task
from galaxyzoo.tasks.registry import get_task
from galaxyzoo.training.run import Run, train_runs

BASE = "base"  # name of the recipe among the changes
FOLDER = "ablations"  # in configs/


class _Change(Settings):
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


class _File(Settings):
    """The keys of a study's YAML."""

    about: str = ""
    # name of a run, or settings as in a run's own YAML
    base: str | dict[str, Any]
    folds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0, 1)
    changes: tuple[_Change, ...] = ()


@dataclass(frozen=True)
class Variant:
    """The recipe with some settings changed, or as it is."""

    name: str
    about: str
    group: str
    values: Values  # settings, as in a run's own YAML
    config: Config
    baseline: "Variant | None" = None  # what it is compared with; None for the recipe itself

    @property
    def needed(self) -> list["Variant"]:
        """Its chain of baselines, the recipe first, then itself."""
        return [*(self.baseline.needed if self.baseline else ()), self]


@dataclass(frozen=True)
class Study:
    """A recipe and its variants."""

    path: Path
    about: str
    folds: tuple[int, ...]
    variants: tuple[Variant, ...]  # the recipe first, then the changes in the file's order

    @property
    def base(self) -> Variant:
        """The recipe itself."""
        return self.variants[0]

    def pick(self, names: Sequence[str]) -> list[Variant]:
        """The named variants (default all) and their baselines, in the study's order."""
        known = {variant.name: variant for variant in self.variants}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise InputError(
                f"{shown(self.path)} has no change '{unknown[0]}': it has {', '.join(known)}"
            )
        wanted = {one.name for name in names or known for one in known[name].needed}
        return [variant for variant in self.variants if variant.name in wanted]


def load_study(name: str) -> Study:
    """Read a study, by name (`gz37`) or path of its YAML, and check every change."""
    path = listed_path(configs_dir() / FOLDER, name, "ablation study")
    file = _File.parse(read_yaml(path), shown(path))
    variants = {BASE: _load_base(file.base, path)}
    for change in file.changes:
        variants[change.name] = _make_variant(change, variants, path)
    folds = tuple(sorted(set(file.folds)))
    return Study(path, file.about, folds, tuple(variants.values()))


def _load_base(base: str | dict[str, Any], path: Path) -> Variant:
    values = read_recipe(base) if isinstance(base, str) else base
    config = _parse(values, f"{shown(path)}, base", path, BASE)
    return Variant(BASE, config.about, "", values, config)


def _parse(values: Values, source: str, path: Path, name: str) -> Config:
    run = f"{values.get('task')}/{ABLATION}{path.stem}.{name}"
    return parse_recipe({**values, "run": run}, source, read_recipe)


def _make_variant(change: _Change, earlier: dict[str, Variant], path: Path) -> Variant:
    source = f"{shown(path)}, change '{change.name}'"
    if change.name in earlier:
        raise InputError(f"{source} is there twice: give one of them another name")
    if change.of not in earlier:
        raise InputError(
            f"{source}: no change '{change.of}' before it (of): there are {', '.join(earlier)}"
        )
    baseline = earlier[change.of]
    values = copy.deepcopy(baseline.values)
    try:
        for word in change.changes:
            override(values, word)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    about = change.about or ", ".join(change.changes)
    config = _parse({**values, "about": about}, source, path, change.name)
    if config.task != baseline.config.task:
        raise InputError(f"{source}: all changes of a study are of one task")
    if _same(config, baseline.config):
        raise InputError(f"{source} changes nothing: {change.of} has those settings already")
    return Variant(change.name, about, change.group, values, config, baseline)


def _same(one: Config, other: Config) -> bool:
    """Whether two configs differ in nothing but names."""
    return one.model_copy(update={"run": other.run}).digest() == other.digest()


@dataclass(frozen=True)
class Ablation:
    """A study on some folds of a dataset."""

    study: Study
    data: Dataset
    folds: tuple[int, ...]

    @property
    def task(self) -> Task:
        """The task of all its runs."""
        return get_task(self.study.base.config.task)

    @cached_property
    def catalog(self) -> Catalog:
        """The galaxies of the dataset that the task keeps."""
        return self.data.catalog.for_task(self.task)

    def run(self, variant: Variant) -> Run:
        """The run of a variant."""
        return Run(variant.config, self.data)

    def check(self, variants: Sequence[Variant]) -> dict[str, str]:
        """Check folds and settings before anything is trained.

        Returns:
            Name of a variant -> why it cannot be trained here.
        """
        missing = [fold for fold in self.folds if not 0 <= fold < self.catalog.n_folds]
        if missing:
            raise InputError(
                f"there is no fold {missing[0]}: '{self.catalog.dataset}' has folds 0 to "
                f"{self.catalog.n_folds - 1} (--folds)"
            )
        reasons = {}
        for variant in variants:
            if others := {one.dataset for one in variant.config.stages if one.dataset}:
                reasons[variant.name] = f"it has a stage on another dataset ({', '.join(others)})"
                continue
            self.run(variant).check()
        return reasons

    def is_done(self, variant: Variant) -> bool:
        """Whether all folds of a variant are trained and in its out-of-fold table."""
        table = RunFolder(self.catalog.dataset, variant.config.run).oof_csv
        done = FoldTables(variant.config, self.catalog).done
        if not {*self.folds} <= {*done}:
            return False
        try:
            # A kill may have come after the last fold, before the table or its card.
            card = RunCard.of(self.catalog.dataset, variant.config.run).check(self.catalog, table)
        except InputError:
            return False
        return {*self.folds} <= {*card.folds}

    def train(self, variants: Sequence[Variant], jobs: int = 1, backend: str = "loky") -> list[str]:
        """Train the variants that are not finished.

        Args:
            variants: one that differs in its views alone uses the weights of one before it.
            jobs: folds trained at a time.
            backend: as in `train_runs`.
        Returns:
            Why folds stopped early, one line each; the next call resumes them.
        """
        runs = {v.name: self.run(v) for v in variants if not self.is_done(v)}
        names = {run.config.run: name for name, run in runs.items()}
        earlier = [one for run in runs.values() for one in run.config.stages[:-1]]
        stages = {one.run: Run(one, self.data) for one in earlier}
        every = {**stages, **{run.config.run: run for run in runs.values()}}
        for card in train_runs([*every.values()], list(self.folds), jobs, backend):
            name = names[card.run]
            if not runs[name].stopped:
                print(f"{name}: done", flush=True)
        return [
            f"{names.get(one, one)}: {why}" for one, run in every.items() for why in run.stopped
        ]

    def minutes(self, variant: Variant) -> float | None:
        """Minutes of the study's folds, all stages; None for a variant that trained nothing."""
        timings = Run(variant.config, self.data).timings(self.folds)
        if not any(epoch for seconds in timings for epoch in seconds):
            return None
        return sum(sum(seconds.values()) for seconds in timings) / 60


@dataclass(frozen=True)
class Row:
    """One variant's line of the table."""

    variant: Variant
    verdict: str  # gain, loss, within one SE, or why there is no difference
    score: float | None = None
    # score minus its baseline's on the same galaxies, and the standard error of that
    difference: tuple[float, float] | None = None
    minutes: float | None = None

    @property
    def cells(self) -> list[str]:
        """The row as text: name, description, score, difference, minutes, verdict."""
        name, baseline = self.variant.name, self.variant.baseline
        if baseline is not None and baseline.name != BASE:
            name = f"{name} (of {baseline.name})"
        return [
            f"`{name}`",
            self.variant.about,
            "–" if self.score is None else f"{self.score:.5f}",
            with_error(*self.difference) if self.difference else "–",
            "–" if self.minutes is None else f"{self.minutes:.1f}",
            self.verdict,
        ]


def make_rows(ablation: Ablation, variants: Iterable[Variant]) -> list[Row]:
    """Score variants, each compared with its baseline on the galaxies of the study's folds."""
    catalog, task = ablation.catalog, ablation.task
    chosen = np.isin(catalog.folds, ablation.folds)
    targets = catalog.targets(task.name)[chosen]
    predictions = {
        variant.name: load_result(variant.config.run, task, catalog).on(chosen)
        for variant in ablation.study.variants
        if ablation.is_done(variant)
    }
    losses = {name: task.per_sample_losses(made, targets) for name, made in predictions.items()}

    def make_row(variant: Variant) -> Row:
        name, baseline = variant.name, variant.baseline
        if name not in predictions:
            return Row(variant, "not run")
        score, minutes = task.score(predictions[name], targets), ablation.minutes(variant)
        if baseline is None:
            return Row(variant, "", score, None, minutes)
        if baseline.name not in predictions:
            return Row(variant, f"{baseline.name} not run", score, None, minutes)
        found = task.difference(losses[name], losses[baseline.name])
        verdict = judge(found.value, found.error)
        return Row(variant, verdict, score, (found.value, found.error), minutes)

    return [make_row(variant) for variant in variants]


def judge(difference: float, error: float) -> str:
    """Gain or loss, where a difference of scores exceeds its standard error."""
    if abs(difference) <= error:
        return "within one SE"
    return "gain" if difference < 0 else "loss"


def format_rows(ablation: Ablation, rows: Sequence[Row]) -> str:
    """Markdown: a table for each group of changes, then how they were measured."""
    catalog, study = ablation.catalog, ablation.study
    folds = ", ".join(map(str, ablation.folds))
    scored = int(np.isin(catalog.folds, ablation.folds).sum())
    header = ["change", "what it is", f"OOF {ablation.task.metric}"]
    header += ["difference ± SE", "minutes", "verdict"]
    where = f"Dataset {catalog.dataset}, folds {folds} of {catalog.n_folds}"
    parts = [study.about.strip(), f"{where}: {scored:,} galaxies scored."]
    for group, members in groupby(rows, key=lambda row: row.variant.group):
        parts += [f"**{group}**"] if group else []
        parts.append(format_table(header, [row.cells for row in members], left=2))
    parts.append(
        f"Differences are from `{BASE}`, or from the change in brackets, on the same galaxies; SE "
        "is their standard error over galaxies (jackknife). A gain or loss is more than one SE. SE "
        "does not include the seed: a change of `train.seed` alone shows how far two trainings of "
        "the same recipe differ. Minutes are of training alone, one process per fold; changes of "
        "test-time views train nothing."
    )
    words = f"{shown(study.path)} --folds {folds.replace(' ', '')}{data_option(catalog.dataset)}"
    command = f"python3 src/ablate.py {words}"
    parts.append(f"Machine: {describe_machine()}. Command: `{command}`.")
    return "\n\n".join(part for part in parts if part)
