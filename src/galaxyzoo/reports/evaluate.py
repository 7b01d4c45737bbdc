"""One task on one dataset under evaluation: its results, its images, and where its report goes.

All runs of a task side by side, and those with some folds only beside the best on the same.

HtmlSection of a report on the ensemble: its candidates, what each run is worth, how runs err.

Learning curves: what each fold's history says of every epoch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from galaxyzoo.core import files
from galaxyzoo.core.paths import choose_dataset, fold_dir
from galaxyzoo.data.catalog import Catalog, load_catalog
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.inference.score_card import score_table
from galaxyzoo.io.tables import FOLD, without_formulas
from galaxyzoo.reports.console import SEEN_EXPLAINED, explain_epochs, marks
from galaxyzoo.reports.figures import TRAINED, VALIDATED, clean, new_figure, save_figure
from galaxyzoo.reports.html import HtmlSection
from galaxyzoo.reports.results import ENSEMBLE, Result, load_results, pick_best, read_ensemble_card
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.registry import Task, get_task
from galaxyzoo.training.fold import HISTORY

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
        with files.writing(self.folder / name) as temporary:
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
    whole = load_catalog(choose_dataset(dataset, task.name, ensembles=True))
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


def curves_section(evaluation: Evaluation) -> HtmlSection:
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
    return HtmlSection("Learning curves", text, pictures=pictures)


# Key of the card's `classes` -> heading.
CLASS_SCORES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "macro_auc": "macro AUC",
    "micro_auc": "micro AUC",
    "macro_class_accuracy": "macro-class accuracy",
    "macro_class_balanced_accuracy": "macro-class balanced accuracy",
}
_HELD_OUT = "Every galaxy is predicted by networks that never saw it."
_CROSS_FITTED = "The ensemble's weights are fitted without the fold that they are scored on."


def comparison_section(evaluation: Evaluation) -> HtmlSection:
    """Tables of all runs, written as CSV too: all folds, then each set of fewer folds."""
    tables = [(caption, table) for caption, table in run_tables(evaluation)]
    every = pd.concat([table.assign(scored_on=caption) for caption, table in tables])
    evaluation.write_csv("runs.csv", every)
    return HtmlSection("Runs", _explain(evaluation), tables=tables)


def run_tables(evaluation: Evaluation) -> Iterator[tuple[str, pd.DataFrame]]:
    """Caption and table of the whole runs, then of each set of folds that others stop at."""
    n_folds = evaluation.catalog.n_folds
    whole = [r for r in evaluation.results if r.is_whole]
    rows = [_row(evaluation, result, result.scores) for result in whole]
    if evaluation.ensemble_card:
        card = evaluation.ensemble_card
        name, about = f"{evaluation.task.name}/{ENSEMBLE}", f"{card['chosen']}, from its card"
        rows.insert(0, {"run": name, "about": about, "source": "–", **_scores(card), "views": None})
    if rows:
        yield f"all {n_folds} folds", _table(rows)
    partial = [r for r in evaluation.results if not r.is_whole]
    for folds in sorted({tuple(result.folds) for result in partial}):
        members = [result for result in partial if tuple(result.folds) == folds]
        yield _caption(folds, n_folds), _same_folds(evaluation, members)


def _same_folds(evaluation: Evaluation, members: list[Result]) -> pd.DataFrame:
    """Runs that stop at the same folds, the best whole run scored on those alone above them."""
    best, rows = evaluation.best, []
    if best.is_whole:
        chosen = members[0].rows
        targets, folds = evaluation.targets, evaluation.catalog.folds[chosen]
        scores = score_table(
            evaluation.task, best.on(chosen), targets[chosen], folds, targets[~chosen]
        )
        rows.append(_row(evaluation, best, scores))
    rows += [_row(evaluation, result, result.scores) for result in members]
    return _table(rows)


def _row(evaluation: Evaluation, result: Result, scores: dict[str, Any]) -> dict[str, Any]:
    mark = marks(result.is_selected_on_validation, result.has_possible_leakage)
    if result.stem == ENSEMBLE:
        about = f"{result.card['chosen']} of {len(result.card['runs'])} runs, cross-fitted"
    else:
        about = str(result.card.get("about") or "–")
    reference = result.config.reference if result.config else None
    return {
        "run": result.run + mark,
        "about": about,
        "source": reference or "–",
        **_scores(scores),
        "views": result.card.get("views"),
    }


def _scores(scores: dict[str, Any]) -> dict[str, Any]:
    """A score table's numbers under the headings of the page."""
    classes = scores.get("classes", {})
    shown = {title: classes[key] for key, title in CLASS_SCORES.items() if key in classes}
    return {
        scores["metric"]: scores["score"],
        "± sd of folds": scores["sd"],
        **shown,
        "galaxies": scores["galaxies"],
        "folds": ", ".join(sorted(scores["per_fold"], key=int)),
    }


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, dtype=object)
    return table.rename(columns={"source": "the source's own score"})


def _caption(folds: tuple[int, ...], n_folds: int) -> str:
    numbers = ", ".join(map(str, folds))
    return f"fold{'s' if len(folds) > 1 else ''} {numbers} of {n_folds} alone"


def _explain(evaluation: Evaluation) -> str:
    """What the tables' marks and columns mean, as far as they occur."""
    has_ensemble = evaluation.ensemble_card or evaluation.best.stem == ENSEMBLE
    lines = [f"{_HELD_OUT} {_CROSS_FITTED}" if has_ensemble else _HELD_OUT]
    lines.append(
        explain_epochs(any(result.is_selected_on_validation for result in evaluation.results))
    )
    if any(result.has_possible_leakage for result in evaluation.results):
        lines.append(SEEN_EXPLAINED)
    if evaluation.ensemble_card:
        lines.append(
            "The ensemble has left no predictions of the training galaxies: "
            f"`python src/ensemble.py --task {evaluation.task.name}` writes them."
        )
    if not all(result.is_whole for result in evaluation.results):
        lines.append("Runs with some folds only stand below the best whole run on those folds.")
    return "\n".join([*lines, *evaluation.problems])


_DIFFERENCES = {"mean": "minus mean", "best": "minus best"}


def ensemble_section(evaluation: Evaluation) -> HtmlSection | None:
    """Tables from the ensemble's score card; None where there is none, or an earlier version's."""
    card = _find_card(evaluation)
    if card is None or "without" not in card:
        return None
    tables = [("candidates, the simplest first", _candidates(card))]
    if card["without"]["runs"]:
        fitted = card["without"]["candidate"]
        caption = f"what leaving a run out costs ({fitted}, fitted anew and cross-fitted)"
        tables += [
            (caption, _costs(card)),
            ("correlation of the runs' errors, over all galaxies and columns", _correlation(card)),
        ]
    text = (
        f"Chosen: {card['chosen']}, {card['rule']} ({card['best']}). Differences stand with their "
        "standard errors over galaxies, each compared with itself."
    )
    return HtmlSection("Ensemble", text, tables=tables)


def _find_card(evaluation: Evaluation) -> dict[str, Any] | None:
    cards = [result.card for result in evaluation.results if result.stem == ENSEMBLE]
    return cards[0] if cards else evaluation.ensemble_card


def _candidates(card: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "candidate": name,
            f"{card['metric']}, cross-fitted": f"{row['score']:.5f}",
            **{
                title: f"{row[f'minus_{to}']:+.5f} ± {row[f'minus_{to}_se']:.5f}"
                for to, title in _DIFFERENCES.items()
            },
        }
        for name, row in card["candidates"].items()
    )


def _costs(card: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "run": run,
            f"OOF {card['metric']}": f"{card['runs'][run]:.5f}",
            "without it": f"{cost['difference']:+.5f} ± {cost['se']:.5f}",
        }
        for run, cost in card["without"]["runs"].items()
    )


def _correlation(card: dict[str, Any]) -> pd.DataFrame:
    rows = card["error_correlation"]
    return pd.DataFrame(
        {"run": run, **{other: f"{r:.3f}" for other, r in row.items()}} for run, row in rows.items()
    )


def read_histories(dataset: str, run: str, folds: Sequence[int]) -> pd.DataFrame:
    """Rows of the folds' histories with their `fold`; empty where none is there."""
    files = {fold: fold_dir(dataset, run, fold) / HISTORY for fold in folds}
    tables = [
        pd.read_csv(path).assign(**{FOLD: fold}) for fold, path in files.items() if path.exists()
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def draw_curves(path: Path, history: pd.DataFrame, title: str) -> Path:
    """Draw loss and score (of classes: accuracy) over epochs.

    A thin line is a fold, the thick one their mean.

    Args:
        path: the PNG.
        history: of `read_histories`, not empty.
        title: above it.
    """
    figure = new_figure(11, 3.8)
    left, right = figure.subplots(1, 2)
    _draw_lines(left, history, "train_loss", TRAINED, "training")
    _draw_lines(left, history, "val_loss", VALIDATED, "validation")
    left.set_ylabel("loss")
    # A class run's score is its loss once more, so its accuracy tells more where it was noted.
    has_accuracy = "val_accuracy" in history and history["val_accuracy"].notna().all()
    shown = "val_accuracy" if has_accuracy else "val_score"
    _draw_lines(right, history, shown, VALIDATED, "validation, one view")
    right.set_ylabel("accuracy" if has_accuracy else str(history["metric"].iloc[0]))
    for axis in (left, right):
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        clean(axis)
        axis.grid(alpha=0.25)
        axis.legend(frameon=False)
    figure.suptitle(title, fontsize=12)
    return save_figure(figure, path)


def _draw_lines(axis: Axes, history: pd.DataFrame, column: str, color: str, label: str) -> None:
    for _, rows in history.groupby(FOLD):
        axis.plot(rows["epoch"], rows[column], color=color, lw=0.8, alpha=0.4)
    mean = history.groupby("epoch")[column].mean()
    marker = "o" if len(mean) == 1 else ""  # one epoch alone makes no line
    axis.plot(mean.index, mean, color=color, lw=2.2, marker=marker, label=label)
