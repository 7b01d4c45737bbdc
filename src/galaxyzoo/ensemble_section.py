"""Section of a report on the ensemble: its candidates, what each run is worth, how runs err."""

from typing import Any

import pandas as pd

from galaxyzoo.evaluation import Evaluation
from galaxyzoo.page import Section
from galaxyzoo.results import ENSEMBLE

_DIFFERENCES = {"mean": "minus mean", "best": "minus best"}


def ensemble_section(evaluation: Evaluation) -> Section | None:
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
    return Section("Ensemble", text, tables=tables)


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
