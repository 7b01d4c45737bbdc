"""One task on one dataset under evaluation: its results, its images, and where its report goes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from galaxyzoo import atomic, catalogs
from galaxyzoo.catalogs import Catalog
from galaxyzoo.curves import draw_curves, read_histories
from galaxyzoo.decision_tree import GALAXY_ZOO_2
from galaxyzoo.images import ImageCache
from galaxyzoo.page import Section
from galaxyzoo.paths import choose_dataset
from galaxyzoo.results import ENSEMBLE, Result, load_results, pick_best, read_ensemble_card
from galaxyzoo.tables import without_formulas
from galaxyzoo.tasks import Task, get_task

SHOWN_GALAXIES = 20  # of a grid


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a report is made from."""

    task: Task
    catalog: Catalog  # galaxies that the task keeps
    results: Sequence[Result]  # best score first
    named: Sequence[str]  # runs to show in detail; none: the best one
    folder: Path
    problems: Sequence[str] = ()  # what had to be left out, and why
    # of an ensemble that left no table of predictions; else None
    ensemble_card: dict[str, Any] | None = None
    # published votes of the task's galaxies; None where labels come without
    votes: pd.DataFrame | None = None
    images: ImageCache | None = field(default=None)

    @property
    def targets(self) -> np.ndarray:
        """(galaxy, column) of the task."""
        return self.catalog.targets(self.task.name)

    @property
    def best(self) -> Result:
        """What stands for the task."""
        return pick_best(self.results)

    @property
    def detailed(self) -> list[Result]:
        """The results to show in detail."""
        return [r for r in self.results if r.run in self.named] or [self.best]

    def write_csv(self, name: str, table: pd.DataFrame) -> None:
        """Write a table beside the page."""
        with atomic.writing(self.folder / name) as temporary:
            text = without_formulas(table)
            text.to_csv(temporary, index=False, float_format="%.6f", lineterminator="\n")

    def pick_random(self, count: int) -> np.ndarray:
        """(count,) galaxy numbers below `count`, ascending, the same every time."""
        rng = np.random.default_rng(0)
        return np.sort(rng.choice(count, min(count, SHOWN_GALAXIES), replace=False))


def load_evaluation(
    task_name: str, named: Sequence[str], dataset: str | None, output: Path
) -> Evaluation:
    """Read all that a task's report needs but the images.

    Args:
        task_name: the task.
        named: runs to show in detail.
        dataset: that the user named.
        output: folder of all reports.
    Raises:
        InputError: nothing to evaluate, or a named run cannot be.
    """
    task = get_task(task_name)
    whole = catalogs.load(choose_dataset(dataset, task.name, ensembles=True))
    catalog = whole.for_task(task)
    results, problems = load_results(task, catalog, named)
    has_votes = task.rule is not None and set(GALAXY_ZOO_2.columns) <= set(whole.train.columns)
    votes = whole.train.loc[catalog.ids, list(GALAXY_ZOO_2.columns)] if has_votes else None
    has_ensemble = any(result.stem == ENSEMBLE for result in results)
    return Evaluation(
        task=task,
        catalog=catalog,
        results=results,
        named=named,
        folder=output / whole.dataset / task.name,
        problems=problems,
        ensemble_card=None if has_ensemble else read_ensemble_card(task, catalog),
        votes=votes,
    )


def curves_section(evaluation: Evaluation) -> Section:
    """Learning curves of every run that has a history."""
    pictures = []
    for result in evaluation.results:
        history = read_histories(evaluation.catalog.dataset, result.run, result.folds)
        if not history.empty:
            path = evaluation.folder / f"{result.stem}_curves.png"
            pictures.append((f"{result.run}: loss and score over epochs", path))
            draw_curves(path, history, result.run)
    text = (
        "Thin lines are folds, the thick one their mean. Scores are of the validation fold, one "
        "view of each galaxy."
        if pictures
        else "No run has left a history of its training here."
    )
    return Section("Learning curves", text, pictures=pictures)
