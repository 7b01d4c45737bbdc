"""Tables on the screen."""

import sys
from collections.abc import Collection, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

_LOG_WIDTH = 120  # characters where the output is no terminal but a file or a pipe


def print_table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], bold: Collection[int] = ()
) -> None:
    """Print a table; the first column is set left, all others right.

    Args:
        title: above the table.
        header: names of the columns.
        rows: cells, as many as the header.
        bold: numbers of the rows to set in bold.
    """
    table = Table(title=title)
    for i, name in enumerate(header):
        table.add_column(name, justify="right" if i else "left")
    for i, row in enumerate(rows):
        table.add_row(*row, style="bold" if i in bold else None)
    width = None if sys.stdout.isatty() else _LOG_WIDTH
    Console(highlight=False, width=width).print(table)


def print_holdout_table(cards: list[dict[str, Any]]) -> None:
    """Print one row per run: scores on the part that was held out.

    Args:
        cards: score cards of `holdout.train_holdout`.
    """
    metric, names = cards[0]["metric"], class_score_names(cards[0])
    rows = [
        (
            card["run"],
            " / ".join(f"{count:,}" for count in card["split"].values()),
            f"{card['score']:.5f}",
            *class_scores(card, names),
        )
        for card in cards
    ]
    header = ("run", "train / val / test", metric, *names)
    print_table(f"hold-out scores, {cards[0]['dataset']}", header, rows)


def class_score_names(card: dict[str, Any]) -> list[str]:
    """Names of the scores of classes that a card has; none of a task with vote fractions."""
    return [
        name.replace("_", " ")
        for name, value in card.get("classes", {}).items()
        if value is not None
    ]


def class_scores(card: dict[str, Any], names: Sequence[str]) -> list[str]:
    """Those scores as cells; a dash for one that a card lacks."""
    scores = card.get("classes", {})
    values = [scores.get(name.replace(" ", "_")) for name in names]
    return ["–" if value is None else f"{value:.4f}" for value in values]


def print_run_table(cards: list[tuple[dict[str, Any], float]]) -> None:
    """Print one row per run: out-of-fold score, mean and deviation over folds, training minutes.

    Args:
        cards: score card and minutes of each run.
    """
    for task in dict.fromkeys(card["task"] for card, _ in cards):
        _print_task_table([pair for pair in cards if pair[0]["task"] == task])
    if any(card["optimistic"] for card, _ in cards):
        print("* optimistic: its epoch was chosen on the fold that it is scored on")


def _print_task_table(cards: list[tuple[dict[str, Any], float]]) -> None:
    metric, dataset = cards[0][0]["metric"], cards[0][0]["dataset"]
    names = [n for n in class_score_names(cards[0][0]) if "auc" not in n]
    tail = ("folds", "views", "start", "minutes")
    header = ("run", f"OOF {metric}", "mean ± sd of folds", *names, *tail)
    rows = []
    for card, minutes in cards:
        spread = f"{card['mean']:.5f} ± {card['sd']:.5f}" if card["sd"] is not None else "–"
        folds = f"{len(card['folds'])}/{card['n_folds']}"
        mark = " *" if card["optimistic"] else ""
        scores = (f"{card['score']:.5f}", spread, *class_scores(card, names))
        ends = (folds, str(card["views"]), card["start"], f"{minutes:.1f}")
        rows.append((card["run"] + mark, *scores, *ends))
    print_table(f"out-of-fold scores, {dataset}", header, rows)
