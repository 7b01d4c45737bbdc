"""Submissions: written in the sample's order, checked, and copied to where they are looked for."""

import csv
import io
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from galaxyzoo.core import files
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import DEMOS, WHOLE, shown
from galaxyzoo.io.csv_bytes import open_table
from galaxyzoo.io.tables import ID, NAME, GalaxyId, key_of, read_csv
from galaxyzoo.results.card import EnsembleCard, RunCard, SubmissionCard
from galaxyzoo.results.layout import card_path, list_ensembles, published_csv
from galaxyzoo.results.table import PredictionTable, digest_table, select_predictions
from galaxyzoo.tasks.kinds import Task

# Largest distance from the nearest valid value. Nine decimals leave 1e-8 at most, and a question of
# seven answers then keeps its sum within 8e-7 of its parent.
_TOLERANCE = 1e-7
Card = TypeVar("Card", SubmissionCard, EnsembleCard, RunCard)


def write(path: Path, table: PredictionTable, card: SubmissionCard, prior: np.ndarray) -> None:
    """Write a submission and its score card, once the table has passed `check`.

    Args:
        path: of the table; the card has the same stem and ends in `.json`.
        table: valid predictions of the test galaxies in the sample submission's order.
        card: without the table's digest, which is added.
        prior: (column,) means of the training targets, of classes their frequencies.
    """
    with files.writing(path) as temporary:
        temporary.write_text(table.format(prior), encoding="utf-8")
        check(temporary, table.task, table.ids)
        card.model_copy(update={"table": digest_table(temporary)}).write(card_path(path))


def describe_unreadable(ids: Sequence[GalaxyId]) -> str:
    """A warning that names the test galaxies whose image cannot be read."""
    first_ids = ", ".join(str(galaxy) for galaxy in ids[:5])
    if len(ids) > 5:
        first_ids += ", …"
    key = NAME if isinstance(ids[0], str) else ID
    return (
        f"unreadable test images: {len(ids)} ({key} {first_ids}); their rows contain the training "
        "means"
    )


def check(path: Path, task: Task, ids: np.ndarray) -> None:
    """Refuse a file that is no submission of the task.

    An id may be missing, repeated or not in the sample, rows or columns in another order, a value
    not finite or not within `_TOLERANCE` of a valid one.

    Args:
        ids: (test galaxy,) in the sample submission's order.
    """
    key = key_of(ids)
    frame = read_csv(path, key=key)
    values = select_predictions(frame, task.columns, ids, path).to_numpy()
    columns = [*task.decision_columns, *task.columns]
    if list(frame.columns) != columns:
        raise InputError(
            f"{shown(path)}: the columns must be {key}, {columns[0]}, … as in Kaggle's sample"
        )
    # Kaggle takes no byte-order mark, no spaces and no "100000.0", which `read_csv` does.
    expected_cells = [key, *map(str, ids.tolist())]
    with open_table(path) as file:
        rows = csv.reader(io.TextIOWrapper(file, "utf-8"))
        for row, expected in zip(rows, expected_cells, strict=False):
            cell = row[0] if row else ""
            if cell != expected:
                raise InputError(f"{shown(path)}: the first column has {cell!r}, not {expected}")
    distances = np.abs(task.project(values) - values)
    if distances.max(initial=0.0) > _TOLERANCE:
        galaxy, column = np.unravel_index(distances.argmax(), distances.shape)
        raise InputError(
            f"{shown(path)}: {key} {ids[galaxy]}, column '{task.columns[column]}': "
            f"{values[galaxy, column]:.9f} is not between 0 and 1, or the values of its "
            f"{task.group} have the wrong sum"
        )


def publish(path: Path, dataset: str) -> str:
    """Copy a submission and card to `published_csv`, unless one of higher rank is there.

    The whole competition replaces any other dataset, and any of them a demo. A table that none of
    our cards is of is the user's own, and stays. The card is copied last: if the copy stops between
    the two, the table is still known by its ensemble's card.

    Args:
        path: an ensemble's table, its card beside it.
        dataset: of both.
    Returns:
        What happened, for the user; also whether a better score was replaced.
    """
    target = published_csv()
    with files.hold_lock(target.parent / files.LOCK, "copying a submission"):
        if target.exists():
            reason = _reason_to_keep(target, dataset)
            if reason:
                return (
                    f"keeping {shown(target)}: {reason}; to replace it with {shown(path)}, delete "
                    "it and rerun the command"
                )
        before = read_card(EnsembleCard, target)
        for source, copy in ((path, target), (card_path(path), card_path(target))):
            with files.writing(copy) as temporary:
                shutil.copyfile(source, temporary)
    copied = f"copied to {shown(target)}"
    now = read_card(EnsembleCard, target)
    if not before or not now or before.fingerprint != now.fingerprint:
        return copied
    if before.score >= now.score:
        return copied
    return (
        f"{copied} in place of {before.name}, whose {before.metric} was better "
        f"({before.score:.5f}, now {now.score:.5f}){_describe_restoring(before, now)}"
    )


def _reason_to_keep(target: Path, dataset: str) -> str:
    """Reason to keep the published table; empty if one of a dataset may replace it."""
    digest = digest_table(target)
    ensembles = [folder.csv for folder in list_ensembles()]
    for table in (target, *ensembles):
        card = read_card(SubmissionCard, table)
        if not card or card.table != digest:
            continue
        if _rank(dataset) < _rank(card.dataset):
            return f"it comes from more real data than {dataset}"
        return ""
    return "it has no score card, or that of another table"


def _describe_restoring(before: EnsembleCard, now: EnsembleCard) -> str:
    """How to restore a replaced ensemble, as a message ends; empty if its runs were retrained."""
    command = before.command()
    if command == now.command():
        command = before.command(new_name=f"{before.name}-earlier")
        if command == now.command(new_name=f"{now.name}-earlier"):
            return ""
    return f"; to restore it, type `{command}`"


def read_card(kind: type[Card], path: Path) -> Card | None:
    """The card beside a table; None where it has none of that kind."""
    try:
        return kind.read(card_path(path))
    except InputError:
        return None


def compare_to_record(path: Path, record: Path) -> str:
    """Compare a submission with the committed one, in a line for the user.

    Args:
        path: the submission.
        record: the committed submission of the same ensemble; it need not be there.
    Returns:
        A line; empty where there is no record.
    """
    if not record.exists():
        return ""
    if path.read_bytes() == record.read_bytes():
        return f"byte-identical to the record: {shown(record)}"
    ours = read_csv(path).select_dtypes("number")
    theirs = read_csv(record).select_dtypes("number")
    if ours.shape != theirs.shape or not ours.index.equals(theirs.index):
        return f"differs from the record, which has other galaxies: {shown(record)}"
    off = float((ours - theirs).abs().to_numpy().max())
    return f"differs from the record by up to {off:.2g}: {shown(record)}"


def _rank(dataset: str) -> int:
    """Rank of a dataset, demos lowest, the whole competition highest."""
    if dataset in DEMOS:
        return 0
    if dataset == WHOLE:
        return 2
    return 1
