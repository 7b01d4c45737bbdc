"""Tables on the screen."""

from typing import Any

from rich.console import Console
from rich.table import Table


def print_run_table(cards: list[tuple[dict[str, Any], float]]) -> None:
    """Print one row per run: out-of-fold score, mean and deviation over folds, training minutes.

    Args:
        cards: score card and minutes of each run.
    """
    if not cards:
        return
    metric = cards[0][0]["metric"]
    table = Table(title=f"out-of-fold scores, {cards[0][0]['dataset']}")
    for name in (
        "run",
        f"OOF {metric}",
        "mean ± sd over folds",
        "folds",
        "views",
        "start",
        "minutes",
    ):
        table.add_column(name, justify="left" if name in ("run", "start") else "right")
    for card, minutes in cards:
        mark = " (optimistic: epoch chosen on the fold)" if card["optimistic"] else ""
        folds = f"{len(card['folds'])}/{card['n_folds']}"
        spread = f"{card['mean']:.5f} ± {card['sd']:.5f}"
        row = (
            card["run"] + mark,
            f"{card['score']:.5f}",
            spread,
            folds,
            str(card["views"]),
            card["start"],
            f"{minutes:.1f}",
        )
        table.add_row(*row)
    Console().print(table)
