"""Score cards: the JSON files beside out-of-fold tables and submissions."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from galaxyzoo.core.version import code_version
from galaxyzoo.tasks.kinds import Task

# Key of a card: GalaxyIDs of test images that could not be read.
UNREADABLE = "unreadable_test_images"


def score_table(
    task: Task,
    predictions: np.ndarray,
    targets: np.ndarray,
    folds: np.ndarray,
    unscored: np.ndarray | None = None,
) -> dict[str, Any]:
    """Score predictions overall, per fold and per column.

    Args:
        predictions: (galaxy, column), as they would be submitted.
        targets: (galaxy, column).
        folds: (galaxy,) fold of each galaxy.
        unscored: (other galaxy, column) targets of the galaxies that are not scored here; a class
            task decides by frequencies that leave the scored fold out.
    Returns:
        Plain dict: `metric`, `score` over all rows, `per_fold`, their `mean` and `sd` (sample
        standard deviation; None for one fold), `per_column`, and `classes` with more scores of a
        class task.
    """
    numbers = sorted(set(folds.tolist()))
    per_fold = [task.score(predictions[folds == k], targets[folds == k]) for k in numbers]
    columns = {
        c: task.score(predictions[:, [i]], targets[:, [i]]) for i, c in enumerate(task.columns)
    }
    classes = task.class_scores(predictions, targets, folds, unscored)
    return {
        "metric": task.metric,
        "score": task.score(predictions, targets),
        "per_fold": dict(zip(map(str, numbers), per_fold, strict=True)),
        "mean": float(np.mean(per_fold)),
        "sd": float(np.std(per_fold, ddof=1)) if len(per_fold) > 1 else None,
        "per_column": columns,
        **({"classes": classes} if classes else {}),
        "galaxies": len(targets),
        "code_version": code_version(),
    }


def rounded(value: Any, digits: int) -> Any:
    """The same nested dicts and lists with every float rounded: libraries differ in last digits."""
    if isinstance(value, dict):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item, digits) for item in value]
    return round(value, digits) if isinstance(value, float) else value


def card_path(table: Path) -> Path:
    """The score card that belongs to a table."""
    return table.with_suffix(".json")


def digest_table(table: Path) -> str:
    """Digest of a table's file, noted in its score card.

    The two are written one after the other, and a kill may come between.
    """
    return hashlib.sha256(table.read_bytes()).hexdigest()[:16]


def describe_divergence(card: dict[str, Any]) -> str:
    """The diverged folds of a run's score card with their losses; empty where there is none."""
    losses = card.get("training_loss", {})
    return "; ".join(
        f"fold {fold} diverged{describe_losses(*losses.get(str(fold), (None, None)))}"
        for fold in card.get("diverged", ())
    )


def describe_losses(first: float | None, last: float | None) -> str:
    """A training's losses before its first step and at its end, as a message ends."""
    if first is None or last is None:
        return ""
    return f": training loss {last:.3g} at the end, {first:.3g} before the first step"
