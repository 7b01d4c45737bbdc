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


def print_run_table(cards: list[tuple[dict[str, Any], float]]) -> None:
    """Print one row per run: out-of-fold score, mean and deviation over folds, training minutes.

    Args:
        cards: score card and minutes of each run.
    """
    if not cards:
        return
    metric, dataset = cards[0][0]["metric"], cards[0][0]["dataset"]
    header = ("run", f"OOF {metric}", "mean ± sd of folds", "folds", "views", "start", "minutes")
    rows = []
    for card, minutes in cards:
        spread = f"{card['mean']:.5f} ± {card['sd']:.5f}" if card["sd"] is not None else "–"
        folds = f"{len(card['folds'])}/{card['n_folds']}"
        mark = " *" if card["optimistic"] else ""
        score, views = f"{card['score']:.5f}", str(card["views"])
        rows.append(
            (card["run"] + mark, score, spread, folds, views, card["start"], f"{minutes:.1f}")
        )
    print_table(f"out-of-fold scores, {dataset}", header, rows)
    if any(card["optimistic"] for card, _ in cards):
        print("* optimistic: its epoch was chosen on the fold that it is scored on")
