"""All runs of a task side by side, and those with some folds only beside the best on the same."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from galaxyzoo.evaluation import Evaluation
from galaxyzoo.page import Section
from galaxyzoo.reports import SEEN_EXPLAINED, explain_epochs, marks
from galaxyzoo.results import ENSEMBLE, Result
from galaxyzoo.scores import score_table

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


def comparison_section(evaluation: Evaluation) -> Section:
    """Tables of all runs, written as CSV too: all folds, then each set of fewer folds."""
    tables = [(caption, table) for caption, table in run_tables(evaluation)]
    every = pd.concat([table.assign(scored_on=caption) for caption, table in tables])
    evaluation.write_csv("runs.csv", every)
    return Section("Runs", _explain(evaluation), tables=tables)


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
    mark = marks(result.is_optimistic, result.is_perhaps_seen)
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
    lines.append(explain_epochs(any(result.is_optimistic for result in evaluation.results)))
    if any(result.is_perhaps_seen for result in evaluation.results):
        lines.append(SEEN_EXPLAINED)
    if evaluation.ensemble_card:
        lines.append(
            "The ensemble has left no predictions of the training galaxies: "
            f"`python src/ensemble.py --task {evaluation.task.name}` writes them."
        )
    if not all(result.is_whole for result in evaluation.results):
        lines.append("Runs with some folds only stand below the best whole run on those folds.")
    return "\n".join([*lines, *evaluation.problems])
