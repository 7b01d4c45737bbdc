"""Sections of a task's report that tasks share: runs compared, the ensemble, label noise."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import HOLDOUT_END
from galaxyzoo.data.catalog import Catalog, load_catalog, load_task
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.data.prepare import take_images
from galaxyzoo.extras.pages import html
from galaxyzoo.extras.reports.results import (
    HoldoutResult,
    Result,
    ScoredPredictions,
    load_holdouts,
    load_results,
    pick_best,
)
from galaxyzoo.io.tables import GalaxyId
from galaxyzoo.io.writing import write_table
from galaxyzoo.results import console, layout
from galaxyzoo.results.card import EnsembleCard
from galaxyzoo.tasks import kinds, metrics

SHOWN_GALAXIES = 12  # of a gallery
_DIGEST = re.compile(r" \([0-9a-f]{16}\)")  # of the weights that a run starts from


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The results of one task on one dataset, and what their report shows beside them."""

    task: kinds.Task
    catalog: Catalog  # galaxies that the task keeps
    results: Sequence[Result]  # best score first; none where the task has hold-outs alone
    detailed: Sequence[Result]  # the results to show in detail
    folder: Path  # of the report
    holdouts: Sequence[HoldoutResult] = ()  # best score first
    detailed_holdouts: Sequence[HoldoutResult] = ()  # those to show in detail
    problems: Sequence[str] = ()  # a line for each thing that is left out
    images: ImageCache | None = None
    sky: Mapping[GalaxyId, tuple[float, float]] = field(default_factory=dict)  # id -> ra, dec
    written: list[str] = field(default_factory=list)  # names of the tables beside the page

    @property
    def class_task(self) -> kinds.ClassTask:
        """The task, where it is one of classes."""
        assert isinstance(self.task, kinds.ClassTask)
        return self.task

    @property
    def shown(self) -> list[ScoredPredictions]:
        """All predictions to show in detail."""
        return [*self.detailed, *self.detailed_holdouts]

    def write_csv(self, name: str, table: pd.DataFrame) -> None:
        """Write a table beside the page."""
        write_table(self.folder / name, table)
        self.written.append(name)

    def galleries(
        self,
        result: ScoredPredictions,
        caption: str,
        rows: np.ndarray,
        describe: Callable[[int], tuple[Sequence[str], Sequence[html.VoteBar]]],
    ) -> list[tuple[str, list[html.GalaxyCard]]]:
        """A gallery of some of a result's galaxies; none without any.

        Args:
            result: whose galaxies these are.
            caption: of the gallery.
            rows: of its table.
            describe: gives notes and bars of the galaxy of a row.
        """
        assert self.images is not None
        if not len(rows):
            return []
        ids = result.table.ids[rows]
        images = take_images(self.images, ids)
        cards = []
        for row, galaxy, image in zip(rows, ids.tolist(), images, strict=True):
            notes, bars = describe(row)
            links = html.sky_links(*self.sky.get(galaxy, ()))
            cards.append(html.GalaxyCard(str(galaxy), image, notes, bars, links))
        return [(caption, cards)]


def load_evaluation(
    task_name: str, named: Sequence[str], dataset: str | None, output: Path
) -> Evaluation:
    """Read all that a task's report needs but the images.

    Args:
        task_name: the task.
        named: runs and ensembles to show in detail, none: the best.
        dataset: that the user named.
        output: folder of all reports.
    Raises:
        InputError: there is nothing to evaluate, or a named run has no table.
    """
    task = load_task(task_name)
    all_folders = layout.list_holdouts(task.name)
    held_out = {folder.dataset for folder in all_folders}
    whole = load_catalog(layout.choose_dataset(dataset, task.name, held_out))
    folders = [folder for folder in all_folders if folder.dataset == whole.dataset]
    catalog = whole.for_task(task)
    holdouts, holdout_problems = load_holdouts(folders, task, catalog)

    tables = layout.list_tables(whole.dataset, task.name)
    without_table = {folder.run for folder in folders if folder.run not in tables}
    required = [run for run in named if run not in without_table]
    results, problems = load_results(task, catalog, required)
    problems += holdout_problems
    if not results and not holdouts:
        reasons = "; ".join(problems) or "no table found"
        raise InputError(f"no run of {task.name} can be evaluated: {reasons}")
    shown = named
    detailed_holdouts = holdouts
    if named:
        detailed_holdouts = [r for r in holdouts if r.run.removesuffix(HOLDOUT_END) in named]
    elif results:
        shown = [pick_best(results).run]
    return Evaluation(
        task=task,
        catalog=catalog,
        results=results,
        detailed=[result for result in results if result.run in shown],
        folder=output / whole.dataset / task.name,
        holdouts=holdouts,
        detailed_holdouts=detailed_holdouts,
        problems=problems,
    )


def summarize(evaluation: Evaluation, command: str) -> dict[str, str]:
    """Lines on top of the page: score, baseline, what was trained, date, command.

    Args:
        evaluation: to summarize.
        command: that wrote the page.
    """
    task = evaluation.task
    catalog = evaluation.catalog
    result = evaluation.shown[0]
    card = result.card
    score = f"{result.kind} {card.score_text}"
    if card.sd is not None:
        score += f"; SD over {len(result.folds)} folds: {card.sd:.4f}"
    origin = html.describe_origin(f" by {command}")
    return {
        result.run: f"{score} (lower {task.metric} is better)",
        "Baseline": f"mean labels: {task.metric} {_score_of_means(task, result):.5f}",
        "Data": f"{catalog.dataset}, {len(catalog.ids):,} training galaxies",
        "Made": f"{origin}; scores from version {card.code_version}",
    }


def _score_of_means(task: kinds.Task, result: ScoredPredictions) -> float:
    """Score of predicting, for each galaxy, the mean targets of the other folds."""
    folds = result.table.folds
    targets = result.targets
    assert folds is not None
    predictions = np.empty(targets.shape)
    for fold in result.folds:
        rows = folds == fold
        others = np.concatenate([targets[~rows], result.unscored])
        predictions[rows] = task.project(others.mean(axis=0)[None])
    return task.score(predictions, targets)


def comparison_section(evaluation: Evaluation) -> html.HtmlSection | None:
    """Table of all runs, written as CSV too: whole runs, then those of fewer folds."""
    if not evaluation.results:
        return None
    results = sorted(evaluation.results, key=lambda result: not result.is_whole)
    task = evaluation.task
    first = results[0]
    first_losses = task.per_sample_losses(first.predictions, first.targets)
    rows = []
    for result in results:
        to_first = None
        if result.folds == first.folds:
            losses = task.per_sample_losses(result.predictions, result.targets)
            to_first = task.difference(losses, first_losses)
        rows.append(_row(result, to_first))
    table = pd.DataFrame(rows, dtype=object).dropna(axis=1, how="all")
    evaluation.write_csv("runs.csv", table)
    caption = f"{evaluation.catalog.n_folds} folds, {len(evaluation.catalog.ids):,} galaxies"
    notes = "\n".join(_comparison_notes(evaluation))
    return html.HtmlSection("Runs", notes, tables=[(caption, table)])


def holdout_section(evaluation: Evaluation) -> html.HtmlSection | None:
    """Table of the runs' hold-outs, written as CSV too."""
    if not evaluation.holdouts:
        return None
    cards = [result.card for result in evaluation.holdouts]
    table = console.holdout_table(cards)
    table["published score"] = [_published_score(result) for result in evaluation.holdouts]
    evaluation.write_csv("holdout.csv", table)
    notes = console.holdout_notes(cards)
    return html.HtmlSection("Hold-out", "\n".join(notes), tables=[("Hold-out scores", table)])


def ensemble_section(evaluation: Evaluation) -> html.HtmlSection | None:
    """Candidates, and what leaving a run out costs, from the ensemble's card.

    It is the one shown in detail, else the best one.
    """
    results = [*evaluation.detailed, *evaluation.results]
    cards = [result.card for result in results if isinstance(result.card, EnsembleCard)]
    if not cards:
        return None
    card = cards[0]
    tables = [("Candidates, simplest first", console.candidate_table(card))]
    if card.without.runs:
        caption = f"Cost of leaving a run out ({card.without.candidate}, refitted and cross-fitted)"
        tables.append((caption, console.member_table(card)))
    reason = "" if card.chosen == card.best else f" (best: {card.best}; we choose {card.rule})"
    text = (
        f"Chosen: {card.chosen}{reason}. Differences (Δ) are paired by galaxy, ± SE over galaxies."
    )
    return html.HtmlSection(f"Ensemble {card.name}", text, tables=tables)


def _row(result: Result, to_first: metrics.Difference | None) -> dict[str, Any]:
    """A row of the comparison: heading -> value, None: not known."""
    card = result.card
    views = None
    if isinstance(card, EnsembleCard):
        count = "one run" if len(card.runs) == 1 else f"{len(card.runs)} runs"
        description = f"{card.chosen} of {count}, cross-fitted"
    else:
        views = card.views
        description = f"{card.about or '–'}; start: {_start_text(card.start)}"
    finished_folds = None
    if not result.is_whole:
        finished_folds = ", ".join(str(fold) for fold in result.folds)
    difference = None
    if to_first and to_first.error:
        difference = console.with_error(to_first.value, to_first.error)
    marks = console.marks(card.selected_on_validation, bool(card.possible_leakage))

    row = {
        "run": f"{result.run}{marks}",
        card.metric: card.score,
        "finished folds": finished_folds,
        "± sd of folds": card.sd,
        "Δ vs first ± SE": difference,
    }
    for key, title in console.CLASS_SCORES.items():
        row[title] = card.classes.get(key)
    row["views"] = views
    row["about"] = description
    row["published score"] = _published_score(result) or None
    return row


def _start_text(start: str) -> str:
    """Where a card says that the weights of its folds came from, each place once, no digests."""
    places = _DIGEST.sub("", start).split(" / ")
    return " / ".join(dict.fromkeys(places))


def _published_score(result: ScoredPredictions) -> str:
    """Score that the run's config cites from a publication; empty where it cites none."""
    if result.config is None:
        return ""
    return result.config.reference or ""


def _comparison_notes(evaluation: Evaluation) -> Iterator[str]:
    """Explain the tables' marks and columns that occur."""
    leaked = any(result.card.possible_leakage for result in evaluation.results)
    exception = ", except possibly by runs with †" if leaked else ""
    note = f"Every galaxy is predicted by networks not trained on it{exception}."
    if any(result.is_ensemble for result in evaluation.results):
        note += " Ensemble weights are fitted without the fold they are scored on."
    yield note
    if len(evaluation.results) > 1:
        yield (
            "Δ vs first: difference from the first run, paired by galaxy, ± SE; above 2 SE it is "
            "unlikely to be chance."
        )
    yield from console.mark_notes(
        any(result.card.selected_on_validation for result in evaluation.results),
        leaked,
    )
    if not all(result.is_whole for result in evaluation.results):
        yield "Runs with unfinished folds come last, scored on their finished folds."
    yield from evaluation.problems
