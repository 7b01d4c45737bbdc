"""Run an ablation study: train a short recipe with one setting changed at a time, and compare.

`configs/ablations/<study>.yaml` names the recipe, the folds and the changes. Each change is a run
of its own, `<task>/ablation.<study>.<change>`.
"""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Annotated

import numpy as np
from pydantic import Field

from galaxyzoo.config.base import Settings, override
from galaxyzoo.config.names import ABLATION
from galaxyzoo.config.schema import Config
from galaxyzoo.config.stages import Values
from galaxyzoo.core.console import format_table
from galaxyzoo.core.devices import describe_machine
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.catalog import data_option
from galaxyzoo.reports.console import with_error
from galaxyzoo.reports.results import load_result
from galaxyzoo.results.card import RunCard
from galaxyzoo.results.layout import RunFolder
from galaxyzoo.results.oof import FoldTables
from galaxyzoo.tasks.metrics import Difference
from galaxyzoo.training.run import Run, train_runs
from galaxyzoo.tuning.study import Experiment, Study

BASE = "base"  # name of the recipe among the changes


class _Change(Settings):
    """Entry of `changes:`."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]
    """last part of its run's name"""
    about: str = ""
    """description for tables"""
    group: str = ""
    """heading under which tables show it"""
    changes: Annotated[tuple[str, ...], Field(min_length=1)]
    """`section.key=value`, as on the command line of src/train.py"""
    of: str = BASE
    """name of the change that it adds to and is compared with"""


@dataclass(frozen=True)
class Variant:
    """The recipe with some settings changed, or as it is."""

    name: str
    group: str
    values: Values  # settings, as in a run's own YAML
    config: Config
    baseline: "Variant | None" = None  # what it is compared with; None for the recipe itself

    @property
    def needed(self) -> list["Variant"]:
        """List its chain of baselines, the recipe first, then itself."""
        return [*(self.baseline.needed if self.baseline else ()), self]


class Changes(Study):
    """A recipe and its variants."""

    FOLDER = "ablations"
    KIND = "ablation study"
    PREFIX = ABLATION
    SUFFIX = f".{BASE}"

    folds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)] = (0, 1)
    """folds to train"""
    changes: tuple[_Change, ...] = ()
    """variants of the base recipe"""

    @cached_property
    def variants(self) -> tuple[Variant, ...]:
        """The recipe first, then the changes in the file's order."""
        made = {BASE: Variant(BASE, "", self.values, self.config)}
        for change in self.changes:
            source = f"{shown(self.path)}, change '{change.name}'"
            if change.name in made:
                raise InputError(f"{source} is listed twice: rename one of them")
            if change.of not in made:
                raise InputError(
                    f"{source}: no change '{change.of}' before it (of): there are {', '.join(made)}"
                )
            made[change.name] = self._make_variant(change, made[change.of], source)
        return tuple(made.values())

    def check(self) -> None:
        """Check every change, before a dataset is known."""
        self.pick([])

    def _make_variant(self, change: _Change, baseline: Variant, source: str) -> Variant:
        values = copy.deepcopy(baseline.values)
        try:
            for word in change.changes:
                override(values, word)
        except InputError as error:
            raise InputError(f"{source}: {error}") from None
        values["about"] = change.about or ", ".join(change.changes)
        before, config = baseline.config, self.make_config(values, f".{change.name}", source)
        if config.task != before.task:
            raise InputError(f"{source}: all changes of a study are of one task")
        if config.needs_other_dataset:
            raise InputError(f"{source} has a stage on another dataset: train it as a run")
        if config.model_copy(update={"run": before.run}).digest() == before.digest():
            raise InputError(f"{source} changes nothing: {change.of} has those settings already")
        return Variant(change.name, change.group, values, config, baseline)

    def pick(self, names: Sequence[str]) -> list[Variant]:
        """The named variants (default all) and their baselines, in the study's order."""
        known = {variant.name: variant for variant in self.variants}
        for name in names:
            if name not in known:
                where = shown(self.path)
                raise InputError(f"{where} has no change '{name}': it has {', '.join(known)}")
        wanted = {variant.name for name in names or known for variant in known[name].needed}
        return [variant for variant in self.variants if variant.name in wanted]


@dataclass
class Ablation(Experiment):
    """An ablation study on some folds of a dataset."""

    study: Changes

    def check(self, variants: Sequence[Variant]) -> None:
        """Check folds and settings before anything is trained."""
        self.check_folds("--folds")
        for variant in variants:
            Run(variant.config, self.data).check()

    def is_done(self, variant: Variant) -> bool:
        """Check whether all folds of a variant are trained and in its out-of-fold table."""
        table = RunFolder(self.catalog.dataset, variant.config.run).oof_csv
        try:
            # A kill may have come after the last fold, before the table or its card.
            card = RunCard.of(self.catalog.dataset, variant.config.run).check(self.catalog, table)
        except InputError:
            return False
        trained = FoldTables(variant.config, self.catalog).done
        return {*self.folds} <= {*trained} & {*card.folds}

    def train(self, variants: Sequence[Variant], jobs: int = 1, backend: str = "loky") -> list[str]:
        """Train the variants that are not finished.

        Args:
            variants: one that differs in its views alone uses the weights of one before it.
            jobs: folds trained at a time.
            backend: as in `train_runs`.
        Returns:
            Why folds stopped early, one line each; the next call resumes them.
        """
        left = [variant for variant in variants if not self.is_done(variant)]
        names = {variant.config.run: variant.name for variant in left}
        runs = {s.run: Run(s, self.data) for variant in left for s in variant.config.stages}
        for card in train_runs([*runs.values()], list(self.folds), jobs, backend):
            if not runs[card.run].stopped:
                print(f"{names[card.run]}: done", flush=True)
        return [f"{names.get(run, run)}: {why}" for run in runs for why in runs[run].stopped]

    def minutes(self, variant: Variant) -> float | None:
        """Minutes of the study's folds, all stages; None for a variant that trained nothing."""
        timings = Run(variant.config, self.data).timings(self.folds)
        if not any(epoch for seconds in timings for epoch in seconds):
            return None
        return sum(sum(seconds.values()) for seconds in timings) / 60


@dataclass(frozen=True)
class Row:
    """Row of a variant in the table."""

    variant: Variant
    score: float | None = None  # None: not run
    # from its baseline's score on the same galaxies
    difference: Difference | None = None
    minutes: float | None = None

    @property
    def verdict(self) -> str:
        """Gain or loss, where the difference exceeds its standard error, or why there is none."""
        baseline, difference = self.variant.baseline, self.difference
        if self.score is None:
            return "not run"
        if difference is None:
            return f"{baseline.name} not run" if baseline else ""
        if abs(difference.value) <= difference.error:
            return "within one SE"
        return "gain" if difference.value < 0 else "loss"

    @property
    def cells(self) -> list[str]:
        """The row as text: name, description, score, difference, minutes, verdict."""
        name, baseline = self.variant.name, self.variant.baseline
        if baseline is not None and baseline.name != BASE:
            name = f"{name} (of {baseline.name})"
        return [
            f"`{name}`",
            self.variant.config.about,
            "–" if self.score is None else f"{self.score:.5f}",
            with_error(self.difference.value, self.difference.error) if self.difference else "–",
            "–" if self.minutes is None else f"{self.minutes:.1f}",
            self.verdict,
        ]


def make_rows(ablation: Ablation, variants: Iterable[Variant]) -> list[Row]:
    """Score variants, each compared with its baseline on the galaxies of the study's folds."""
    catalog, task = ablation.catalog, ablation.task
    chosen = np.isin(catalog.folds, ablation.folds)
    ids, targets = catalog.ids[chosen], catalog.targets(task.name)[chosen]
    predictions = {
        variant.name: load_result(variant.config.run, task, catalog).table.select(ids).values
        for variant in ablation.study.variants
        if ablation.is_done(variant)
    }
    losses = {name: task.per_sample_losses(made, targets) for name, made in predictions.items()}
    rows = []
    for variant in variants:
        score = difference = minutes = None
        if (name := variant.name) in predictions:
            score, minutes = task.score(predictions[name], targets), ablation.minutes(variant)
            if variant.baseline and variant.baseline.name in losses:
                difference = task.difference(losses[name], losses[variant.baseline.name])
        rows.append(Row(variant, score, difference, minutes))
    return rows


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
    arguments = (
        f"{shown(study.path)} --folds {folds.replace(' ', '')}{data_option(catalog.dataset)}"
    )
    command = f"python3 src/ablate.py {arguments}"
    parts.append(f"Machine: {describe_machine()}. Command: `{command}`.")
    return "\n\n".join(part for part in parts if part)
