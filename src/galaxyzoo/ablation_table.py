"""The table of an ablation study: what each change did to the score, and how sure that is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from galaxyzoo.ablation import Ablation
from galaxyzoo.devices import describe_machine
from galaxyzoo.differences import difference, galaxy_losses
from galaxyzoo.marked_page import format_table
from galaxyzoo.paths import shown
from galaxyzoo.reports import print_table
from galaxyzoo.results import load_result
from galaxyzoo.study import BASE, Variant

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
    print(explain(ablation, rows))


def format_rows(ablation: Ablation, rows: Sequence[Row]) -> str:
    """The rows as Markdown: a table for each group, then how they were made."""
    metric = ablation.task.metric
    parts = [f"{ablation.study.about.strip()}".strip(), f"Dataset {_data(ablation)}."]
    for group, members in _by_group(rows):
        header = ["change", "what it is", f"OOF {metric}", "difference ± SE", "minutes", "verdict"]
        cells = [[f"`{_name(r.variant)}`", r.variant.about, *r.cells] for r in members]
        parts += [f"**{group}**"] if group else []
        parts.append(format_table(header, cells, left=2))
    parts += [explain(ablation, rows), _origin(ablation, rows)]
    return "\n\n".join(part for part in parts if part)


def explain(ablation: Ablation, rows: Sequence[Row]) -> str:
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
    found = difference(
        task, galaxy_losses(task, ours, targets), galaxy_losses(task, theirs, targets)
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
