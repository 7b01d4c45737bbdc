"""Tables of scores on the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from galaxyzoo.core.console import print_table, print_text
from galaxyzoo.results.card import EnsembleCard, HoldoutCard, RunCard
from galaxyzoo.results.submission import describe_unreadable

# Key of a card's `classes` -> heading.
CLASS_SCORES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "macro_auc": "macro AUC",
    "micro_auc": "micro AUC",
    "macro_class_accuracy": "macro-class accuracy",
    "macro_class_balanced_accuracy": "macro-class balanced accuracy",
}
_ON_CONSOLE = ("accuracy", "balanced_accuracy")
_LEAKAGE = (
    "† possible leakage: this run or its initial weights may have been trained on the galaxies "
    "that it is scored on, so its score may be optimistic."
)


def marks(selected: bool, leaked: bool) -> str:
    """Marks behind a run's name; `mark_notes` says what they mean.

    Args:
        selected: whether its epoch was chosen on the folds that it is scored on.
        leaked: whether its first weights may have been trained on the galaxies.
    """
    text = ""
    if selected:
        text += " *"
    if leaked:
        text += " †"
    return text


def mark_notes(selected: bool, leaked: bool) -> list[str]:
    """Sentences on the marks of a table's runs, and on its epochs.

    Args:
        selected: whether a run of the table has the mark for a selected epoch.
        leaked: whether a run has the mark for possible leakage.
    """
    last = "No early stopping: runs trained here are scored at their last epoch."
    chosen = (
        "* optimistic: an epoch of this run, or of a run it starts from, was selected on the "
        "scored fold. Other runs use the last epoch."
    )
    notes = [chosen if selected else last]
    if leaked:
        notes.append(_LEAKAGE)
    return notes


def print_holdout_table(cards: list[HoldoutCard]) -> None:
    """Print one row per score card of `train_holdout`: scores on the part that was held out."""
    print_table(f"hold-out scores, {cards[0].dataset}", holdout_table(cards))
    print_text(*holdout_notes(cards))


def holdout_table(cards: list[HoldoutCard]) -> pd.DataFrame:
    """Table of hold-out scores, a row per card."""
    rows = []
    for card in cards:
        split = " / ".join(f"{card.split[part]:,}" for part in ("train", "val", "test"))
        run = card.run + marks(card.selected_on_validation, card.possible_leakage)
        row = {"run": run, "train / val / test": split, card.metric: card.score}
        rows.append(row | class_cells(card.classes))
    return pd.DataFrame(rows)


def holdout_notes(cards: list[HoldoutCard]) -> list[str]:
    """Say of each hold-out which epoch it scores, and what the mark of some means."""
    chosen = {"best": "best validation epoch", "last": "last epoch"}
    notes = []
    for card in cards:
        notes.append(f"{card.run}: {chosen[card.checkpoint]}, scored on the test part")
    if any(card.possible_leakage for card in cards):
        notes.append(_LEAKAGE)
    return notes


def class_cells(scores: Mapping[str, float | None]) -> dict[str, str]:
    """Heading -> text of accuracy and balanced accuracy; a task of vote fractions has none."""
    cells = {}
    for key in _ON_CONSOLE:
        score = scores.get(key)
        if score is not None:
            cells[CLASS_SCORES[key]] = f"{score:.4f}"
    return cells


def with_error(difference: float, error: float) -> str:
    """A difference of scores with its standard error; `same` where both round to zero."""
    text = f"{round(difference, 5) + 0:+.5f} ± {error:.5f}"  # + 0: no -0.0
    return "same" if text == "+0.00000 ± 0.00000" else text


def print_run_table(cards: list[tuple[RunCard, float]]) -> None:
    """Print one row per run: out-of-fold score, deviation over folds, minutes.

    Args:
        cards: score card of each run, and the minutes that its folds took.
    """
    tables: dict[str, list[dict[str, Any]]] = {}
    for card, minutes in cards:
        run = card.run + marks(card.selected_on_validation, card.possible_leakage)
        if _problems(card):
            run += " !"
        folds = f"{len(card.folds)}/{card.n_folds}"
        if card.refits:
            folds += f" + {card.refits}"
        row = {
            "run": run,
            f"OOF {card.metric}": card.score,
            "± sd of folds": card.sd,
            **class_cells(card.classes),
            "folds": folds,
            "minutes": f"{minutes:.1f}",
        }
        tables.setdefault(card.task, []).append(row)
    for rows in tables.values():
        print_table(f"out-of-fold scores, {cards[0][0].dataset}", pd.DataFrame(rows))
    if cards:
        selected = any(card.selected_on_validation for card, _ in cards)
        leaked = any(card.possible_leakage for card, _ in cards)
        print_text(*mark_notes(selected, leaked))
    for card, _ in cards:
        print_problems(card.run, _problems(card))


def print_problems(run: str, problems: Sequence[str]) -> None:
    """Print a line for each problem of a run."""
    for problem in problems:
        print_text(f"! {run}: {problem}")


def _problems(card: RunCard) -> list[str]:
    """Diverged folds and other faults of a trained run, a line each."""
    if not card.diverged:
        return card.problems
    return [f"{card.divergence}; ensembles use this run only if you name it", *card.problems]


def print_ensemble(card: EnsembleCard, problems: Mapping[str, Sequence[str]]) -> None:
    """Print the runs, the candidates and the choice of an ensemble's score card.

    Args:
        card: of the ensemble.
        problems: run -> sentences; runs without a problem may lack.
    """
    title = f"{card.task} on {card.dataset}, {card.galaxies} galaxies"
    table = member_table(card)
    has_problem = [bool(problems.get(run)) for run in card.runs]
    table.loc[has_problem, "run"] += " !"
    print_table(title, table)
    for run in card.runs:
        print_problems(run, problems.get(run, ()))
    if len(card.runs) == 1:
        print_text("Only one run: nothing to combine, only to recalibrate.")
    else:
        print_table("candidates, simplest first (scored as submitted)", candidate_table(card))
    if card.unreadable_test_images:
        print_text(describe_unreadable(card.unreadable_test_images))
    nested = "a nested score needs three folds"
    if card.nested:
        nested = f"nested, chosen without the scored fold too: {card.nested.score:.5f}"
    print_text(f"chosen: {card.chosen}, cross-fitted {card.score_text} ({nested})")
    if card.chosen != card.best:
        print_text(f"best: {card.best}; we choose {card.rule}")
    print_text(*mark_notes(card.selected_on_validation, bool(card.possible_leakage)))
    if card.is_optimistic:
        print_text("All scores of this ensemble are optimistic for the same reason.")


def member_table(card: EnsembleCard) -> pd.DataFrame:
    """Each run's score, what leaving it out costs, and the run with the most similar errors."""
    rows = []
    for run, score in card.runs.items():
        mark = marks(run in card.runs_selected_on_validation, run in card.possible_leakage)
        loss = "–"
        cost = card.without.runs.get(run)
        if cost:
            loss = with_error(cost.difference, cost.se)
        row = {
            "run": run + mark,
            f"OOF {card.metric}": f"{score:.5f}",
            f"Δ {card.without.candidate} if dropped ± SE": loss,
            "most similar errors (r)": _most_similar(card, run),
        }
        rows.append(row | class_cells(card.run_classes.get(run, {})))
    return pd.DataFrame(rows)


def _most_similar(card: EnsembleCard, run: str) -> str:
    """The other run whose errors correlate most with a run's; a dash where there is none."""
    correlations = pd.Series(card.error_correlation[run]).drop(run, errors="ignore")
    if correlations.empty:
        return "–"
    name = str(correlations.idxmax()).removeprefix(f"{card.task}/")
    return f"{name} {correlations.max():.2f}"


def candidate_table(card: EnsembleCard) -> pd.DataFrame:
    """Each candidate's score, and its differences from the mean's and the best; simplest first."""
    rows = []
    for name, scores in card.ranked:
        row = {
            "candidate": name,
            f"{card.metric}, cross-fitted": f"{scores.score:.5f}",
            "± sd of folds": f"{scores.sd:.5f}",
            "Δ vs mean ± SE": with_error(scores.minus_mean, scores.minus_mean_se),
            "Δ vs best ± SE": with_error(scores.minus_best, scores.minus_best_se),
            **class_cells(scores.classes),
            "description": scores.about,
        }
        rows.append(row)
    return pd.DataFrame(rows)
