"""The submission: the sample's galaxies in its order, values as the task allows, checked."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from galaxyzoo.core import files, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import DEMO, WHOLE, shown
from galaxyzoo.inference.score_card import card_path, digest_table
from galaxyzoo.io.tables import ID, format_predictions, read_csv, read_predictions
from galaxyzoo.tasks.registry import Task

# Largest distance from the nearest valid value. Nine decimals leave 1e-8 at most, and a question of
# seven answers then keeps its sum within 8e-7 of its parent.
TOLERANCE = 1e-7


def write(
    path: Path,
    predictions: np.ndarray,
    task: Task,
    ids: np.ndarray,
    card: dict[str, Any],
    prior: np.ndarray,
) -> None:
    """Write a submission and its score card; neither appears before the table has passed `check`.

    Args:
        path: the table; the card has the same stem and ends in `.json`.
        predictions: (test galaxy, column) valid predictions.
        task: the task.
        ids: (test galaxy,) GalaxyIDs in the sample submission's order.
        card: plain values; the table's digest is added.
        prior: (column,) means of the training targets, of classes their frequencies.
    Raises:
        InputError: the folder cannot be written, or the written table is not a submission.
    """
    table = pd.DataFrame(predictions, index=ids, columns=list(task.columns))
    text = format_predictions(task.with_decision(table, prior))
    with files.writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
        check(temporary, task, ids)
        files.write_json(card_path(path), {**card, "table": digest_table(temporary)})


def describe_unreadable(ids: Sequence[int] | np.ndarray) -> str:
    """One line of the test galaxies whose image cannot be read."""
    first = ", ".join(map(str, ids[:5])) + (", …" if len(ids) > 5 else "")
    count = f"{len(ids)} test images cannot be read"
    return f"{count}; their rows hold the training mean: GalaxyID {first}"


def check(path: Path, task: Task, ids: np.ndarray) -> None:
    """Check that a file is a submission of the task.

    Args:
        path: the file.
        task: the task.
        ids: (test galaxy,) GalaxyIDs in the sample submission's order.
    Raises:
        InputError: an id is missing, repeated or not in the sample, rows or columns are in another
            order, or a value is not finite or not within `TOLERANCE` of what the task allows.
    """
    values = read_predictions(path, task.columns, ids).to_numpy()
    frame = read_csv(path)
    columns = [*task.decision_columns, *task.columns]
    if list(frame.columns) != columns:
        raise InputError(
            f"{shown(path)}: the columns must be {ID}, {columns[0]}, … in the sample's order"
        )
    moved = np.flatnonzero(frame.index.to_numpy() != ids)
    if len(moved):
        row = moved[0]
        raise InputError(
            f"{shown(path)}, data row {row + 1}: GalaxyID {frame.index[row]}, "
            f"the sample has {ids[row]} there"
        )
    distances = np.abs(task.project(values) - values)
    if distances.max(initial=0.0) > TOLERANCE:
        row, column = np.unravel_index(distances.argmax(), distances.shape)
        raise InputError(
            f"{shown(path)}: GalaxyID {ids[row]}, column '{task.columns[column]}': "
            f"{values[row, column]:.9f} is not between 0 and 1 or breaks the sum of its "
            f"{task.group}"
        )


def published_csv() -> Path:
    """Where the competition's submission lies for whoever looks for it first."""
    return paths.submissions_dir() / "predictions.csv"


def publish(path: Path, dataset: str) -> bool:
    """Copy a submission and its card to `published_csv`, unless a more real one is there.

    The whole competition goes before any other set, and that before the demo.

    The card goes first: should the copy stop between the two, a real submission is never taken for
    a demo.

    Args:
        path: the table, its card beside it.
        dataset: the dataset that made it.
    Returns:
        Whether it was copied.
    """
    target = published_csv()
    with files.holding(target.parent / files.LOCK, "copying a submission"):
        if target.exists() and _rank(dataset) < _rank(_made_by(target)):
            return False
        for source, copy in ((card_path(path), card_path(target)), (path, target)):
            with files.writing(copy) as temporary:
                shutil.copyfile(source, temporary)
    return True


def _rank(dataset: str | None) -> int:
    """How real a dataset is; somebody's own file, without a card, counts as real as can be."""
    return {DEMO: 0, WHOLE: 2, None: 2}.get(dataset, 1)


def _made_by(path: Path) -> str | None:
    """Dataset that made a submission; None where no card says so, as for somebody's own file."""
    try:
        return files.read_json(card_path(path)).get("dataset")
    except (InputError, AttributeError):
        return None
