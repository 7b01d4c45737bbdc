"""Rows of an ablation study that were measured before, on another machine perhaps, beside its page.

A study takes hours and trained networks stay where they were trained. What each change scored is
kept with the page, and stands there again wherever the same settings, data and folds are asked for.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from galaxyzoo.core import files
from galaxyzoo.core.devices import describe_machine
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.tuning.ablation import Ablation, Row, Variant


def records_path(page: Path, title: str) -> Path:
    """Where the records of a part of a page are."""
    return page.parent / f"ablation_{title}.json"


def recall(page: Path, title: str, ablation: Ablation, rows: Sequence[Row]) -> list[Row]:
    """Fill rows that cannot be measured here by what was measured before.

    Args:
        page: that the records lie beside; none may be there.
        title: of the part of the page, the study's name and perhaps folds.
        ablation: the study on its data.
        rows: one for each of its variants.
    Returns:
        The rows in the same order. A record counts only where settings, those of what it is
        compared with, galaxies, labels and folds are the same.
    Raises:
        InputError: the records are damaged.
    """
    path = records_path(page, title)
    known = files.read_json(path) if path.exists() else {}
    try:
        return [_recall_one(known.get(row.variant.name), ablation, row) for row in rows]
    except (AttributeError, KeyError, TypeError, IndexError):
        raise InputError(
            f"{shown(path)} is damaged: restore it, or delete it and what was measured elsewhere"
        ) from None


def note(page: Path, title: str, ablation: Ablation, rows: Sequence[Row]) -> None:
    """Write down what the rows say; records of changes that the study no longer has go.

    Raises:
        InputError: it cannot be written.
    """
    records = {
        row.variant.name: {
            **_key(row.variant, ablation),
            "score": row.score,
            "difference": row.difference,
            "minutes": row.minutes,
            "verdict": row.verdict,
            "machine": row.machine or describe_machine(),
        }
        for row in rows
        if row.is_whole
    }
    files.write_json(records_path(page, title), records)


def _recall_one(record: dict[str, Any] | None, ablation: Ablation, row: Row) -> Row:
    key = _key(row.variant, ablation)
    if row.is_whole or record is None or {name: record.get(name) for name in key} != key:
        return row
    found = record["difference"]
    return replace(
        row,
        verdict=record["verdict"],
        score=record["score"],
        difference=(found[0], found[1]) if found else None,
        minutes=record["minutes"],
        machine=record["machine"],
    )


def _key(variant: Variant, ablation: Ablation) -> dict[str, Any]:
    """What must be the same for a record to count: the change's own settings, however it is run."""
    baseline = variant.baseline.config.digest() if variant.baseline else None
    return {
        "settings": variant.config.digest(),
        "compared_with": baseline,
        "data": ablation.catalog.fingerprint,
        "folds": list(ablation.folds),
    }
