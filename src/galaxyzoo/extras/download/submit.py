"""Check a submission, send it to Kaggle, and show its score.

  bash scripts/submit.sh -m "three networks, stacked"
  bash scripts/submit.sh submissions/kaggle/gz37/cnn.csv -m "alone" --no-wait
  bash scripts/submit.sh --check     only check it
  bash scripts/submit.sh --scores    only show the scores of earlier submissions

A submission must be complete: every galaxy of the sample submission, in the
same order, with values that the decision tree allows. submissions/ledger.csv
lists your submissions with their cross-validated and Kaggle scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from galaxyzoo.core import console, files, launch, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.options import option, positional, read_options
from galaxyzoo.data.readers.kaggle import whole_sample_ids
from galaxyzoo.extras.download import kaggle_api
from galaxyzoo.results import layout, submission, table
from galaxyzoo.results.card import EnsembleCard, SubmissionCard
from galaxyzoo.tasks import kinds, registry

_LONGEST_WAIT_S = 600
_NUMBERS = ["cross_validated", "nested", "public", "private"]  # scores
_COLUMNS = ["time", "ensemble", *_NUMBERS, "message", "digest", "kaggle_number"]


@dataclass(frozen=True, kw_only=True)
class SubmitOptions:
    """Options of the command."""

    file: Path | None = positional("default: submissions/predictions.csv", "FILE", None, nargs="?")
    message: str | None = option("description shown on Kaggle", None, "-m", "--message")
    no_wait: bool = option("do not wait for the score", False)
    check: bool = option("only check the file", False)
    scores: bool = option("only show the scores of earlier submissions", False)


def main() -> None:
    """Parse, check, send, wait; or ask for scores."""
    options = read_options(SubmitOptions, __doc__)
    if options.scores:
        update_ledger(scored=kaggle_api.list_submissions(kaggle_api.connect()))
        print_ledger()
        return
    path = (options.file or layout.published_csv()).resolve()
    digest = check_file(path)
    read_ledger()  # refuses a damaged one before anything is sent
    if options.check:
        launch.print_done(f"{paths.shown(path)} is a complete submission; nothing was sent")
        return
    if options.message is None:
        raise InputError("add -m MESSAGE, which Kaggle shows with the submission")
    api = kaggle_api.connect()
    if table.digest_table(path) != digest:
        raise InputError(f"{paths.shown(path)} was changed after the check: rerun the command")
    ref = kaggle_api.submit_file(api, path, options.message)
    card = submission.read_card(EnsembleCard, path)
    scores = [card.score, card.nested.score if card.nested else None] if card else [None, None]
    time = datetime.now(UTC).isoformat(timespec="seconds")
    name = card.name if card else paths.shown(path)
    row = [time, name, *scores, None, None, options.message, digest, ref]
    update_ledger([row])
    print(f"sent {paths.shown(path)}: {kaggle_api.PAGE}/submissions", flush=True)
    entry = None if options.no_wait else kaggle_api.wait_for_score(api, ref, _LONGEST_WAIT_S)
    update_ledger(scored=[entry] if entry else [])
    print_ledger()
    score = entry and f"score: public {entry.public_score}, private {entry.private_score}"
    launch.print_done(score or "no score yet: ask later with --scores")


def ledger_csv() -> Path:
    """Path of the table of submissions sent."""
    return layout.submissions_dir() / "ledger.csv"


def read_ledger() -> pd.DataFrame:
    """Read the table of submissions sent, one a row; scores are NaN until Kaggle has them."""
    path = ledger_csv()
    if not path.exists():
        return pd.DataFrame(columns=_COLUMNS, dtype=object)
    try:
        frame = pd.read_csv(path, dtype={"message": str}).astype(object)
        return frame[[*_COLUMNS, *frame.columns.difference(_COLUMNS)]]  # a user's own ones last
    except (ValueError, KeyError):
        raise InputError(
            f"{paths.shown(path)} is damaged: it needs the columns {', '.join(_COLUMNS)}; restore "
            "it, or move it away"
        ) from None


def update_ledger(sent: Sequence[list[Any]] = (), scored: Sequence[Any] = ()) -> None:
    """Add rows of submissions sent, and Kaggle's scores to those that they belong to.

    Args:
        sent: rows.
        scored: entries of Kaggle's list.
    """
    path = ledger_csv()
    with files.hold_lock(path.parent / files.LOCK, "writing the ledger"):
        frame = read_ledger()
        for row in sent:
            frame.loc[len(frame), _COLUMNS] = row
        for entry in scored:
            scores = [float(score or "nan") for score in (entry.public_score, entry.private_score)]
            frame.loc[frame["kaggle_number"] == entry.ref, ["public", "private"]] = scores
        files.write_text(path, frame.to_csv(index=False, lineterminator="\n"))


def print_ledger() -> None:
    """Print what was sent, and how far the public score is from the cross-validated one."""
    frame = read_ledger()
    scores = frame[_NUMBERS].astype(float)
    gap = scores["public"] - scores["cross_validated"]
    listing = pd.concat([frame[["time", "ensemble"]], scores, frame[["message"]]], axis=1)
    listing.insert(4, "public - cross_validated", gap)
    console.print_table(f"submissions, {paths.shown(ledger_csv())}", listing)


def check_file(path: Path) -> str:
    """Check that a file is a submission of the whole competition, and its score card its own.

    Returns:
        The digest of what was checked.
    """
    if not path.exists():
        raise InputError(
            f"{paths.shown(path)} is missing: `{launch.typed('train_folds')}` writes "
            f"{paths.shown(layout.published_csv())}"
        )
    card, digest = layout.card_path(path), table.digest_table(path)
    if card.exists() and SubmissionCard.read(card).table != digest:
        raise InputError(
            f"{paths.shown(path)} does not match its card {paths.shown(card)}: rebuild both, or "
            "delete the card if the table is your own"
        )
    submission.check(path, registry.get_task(kinds.COMPETITION_TASK), whole_sample_ids())
    return digest
