"""Check a submission, send it to Kaggle, and show its score.

  bash scripts/submit.sh -m "three networks, stacked"
  bash scripts/submit.sh submissions/kaggle/gz37/cnn.csv -m "alone" --no-wait
  bash scripts/submit.sh --check     only check it, also the demo's
  bash scripts/submit.sh --scores    only show the scores of earlier submissions

A submission must be complete: every galaxy of the sample submission, in the
same order, with values that the decision tree allows. submissions/ledger.csv
lists your submissions with their cross-validated and Kaggle scores. It lists
a submission before it is sent; after a crash, rerun the command: it sends the
file only if Kaggle did not get it.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from galaxyzoo.core import files, launch, manifest, paths
from galaxyzoo.core.errors import InputError, advise
from galaxyzoo.core.options import option, positional, read_options
from galaxyzoo.core.paths import WHOLE
from galaxyzoo.data.catalog import load_catalog
from galaxyzoo.data.readers.kaggle import whole_sample_ids
from galaxyzoo.extras.download import kaggle_api
from galaxyzoo.extras.download.ledger import PENDING, SENDING, Ledger
from galaxyzoo.results import layout, submission, table
from galaxyzoo.results.card import EnsembleCard, RunCard, SubmissionCard
from galaxyzoo.tasks import kinds, registry

_LONGEST_WAIT_S = 600


@dataclass(frozen=True, kw_only=True)
class SubmitOptions:
    """Options of the command."""

    file: Path | None = positional("default: submissions/predictions.csv", "FILE", None, nargs="?")
    message: str | None = option("description shown on Kaggle", None, "-m", "--message")
    no_wait: bool = option("do not wait for the score", False)
    check: bool = option("only check the file", False, excludes=("message", "no_wait"))
    scores: bool = option(
        "only fetch and show the scores of earlier submissions; adds those that ledger.csv lacks",
        False,
        excludes=("file", "message", "no_wait", "check"),
    )


def main() -> None:
    """Parse, check, send, wait; or ask for scores."""
    options = read_options(SubmitOptions, __doc__)
    if options.scores:
        api = kaggle_api.connect()
        with _hold_lock():
            Ledger().record(kaggle_api.list_all_submissions(api), are_all=True)
        Ledger().print()
        return
    path = (options.file or layout.published_csv()).resolve()
    Ledger()  # refuses a damaged one before anything is sent
    if options.check:
        launch.print_done(describe_check(path))
        return
    dataset = _dataset_of(path)
    if dataset != WHOLE:
        raise InputError(
            f"{paths.shown(path)} has the test galaxies of {dataset}; Kaggle needs those of "
            f"the whole competition: type `{launch.typed('download_data')}`, then "
            f"`{launch.typed('train_folds')}`"
        )
    digest = check_file(path, WHOLE).digest
    if options.message is None:
        raise InputError("add -m MESSAGE, which Kaggle shows with the submission")
    try:
        options.message.encode()
    except UnicodeEncodeError:  # a shell's bytes that are not UTF-8
        raise InputError(f"-m '{options.message}' is not UTF-8 text: type it again") from None
    api = kaggle_api.connect()
    with _hold_lock():
        number = send(api, path, options.message, digest)
    entry = None
    if number and not options.no_wait:
        entry = kaggle_api.wait_for_score(api, number, _LONGEST_WAIT_S)
    score = "no score yet: ask later with --scores"
    if entry:
        with _hold_lock():
            Ledger().record([entry])
        score = f"score: public {entry.public_score}, private {entry.private_score}"
    Ledger().print()
    launch.print_done(score)


def send(api: Any, path: Path, message: str, digest: str) -> int:
    """Send a checked file; the ledger lists it before, and Kaggle's number of it after.

    What an interrupted command has sent with the same message is not sent again.

    Args:
        api: Kaggle's.
        path: the file.
        message: for Kaggle.
        digest: of the table that was checked.
    Returns:
        Kaggle's number, 0 where it gives none.
    Raises:
        InputError: the file changed since the check, or Kaggle did not take it.
    """
    ledger = Ledger()
    interrupted = ledger.interrupted()
    if interrupted:
        ledger.record(kaggle_api.list_all_submissions(api), are_all=True)
    for row in interrupted:
        if row["kaggle_number"] and row["digest"] == digest and row["message"] == message:
            print(f"not sent again: Kaggle has it from the command interrupted at {row['time']}")
            return int(row["kaggle_number"])
    if table.digest_table(path) != digest:
        raise InputError(f"{paths.shown(path)} was changed after the check: rerun the command")
    sent = ledger.add(
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        **_describe_table(path),
        message=message,
        digest=digest,
        status=SENDING,
    )
    ledger.write()
    number = kaggle_api.submit_file(api, path, message)
    print(f"sent {paths.shown(path)}: {kaggle_api.PAGE}/submissions", flush=True)
    ledger = Ledger()  # users may have edited it meanwhile
    for row in ledger.interrupted():
        if number and row == sent:
            row["kaggle_number"] = str(number)
            row["status"] = PENDING
    ledger.write()
    return number


def _hold_lock() -> AbstractContextManager[None]:
    return files.hold_lock(layout.submissions_dir() / files.LOCK, "sending a submission")


def describe_check(path: Path) -> str:
    """Check a file against the test galaxies of the dataset that its card names, and say so.

    Raises:
        InputError: it is no submission of these galaxies.
    """
    dataset = _dataset_of(path)
    checked = check_file(path, dataset)
    valid = f"{paths.shown(path)} is valid ({checked.rows:,} rows). Not sent."
    if dataset == WHOLE:
        return valid
    return f"{valid} Kaggle takes the whole competition's test galaxies; these are {dataset}'s."


def _dataset_of(path: Path) -> str:
    """Dataset that a file's card names; without a card, the whole competition."""
    card = submission.read_card(SubmissionCard, path) or _read_run_card(path)
    return card.dataset if card else WHOLE


def _describe_table(path: Path) -> dict[str, Any]:
    """Columns of the ledger that are known of a table: what it is of, and its scores."""
    card = submission.read_card(EnsembleCard, path)
    if card:
        nested = card.nested and card.nested.score
        return {"ensemble": card.name, "cross_validated": card.score, "nested": nested}
    run_card = _read_run_card(path)
    if run_card:
        return {"ensemble": run_card.run, "cross_validated": run_card.score}
    return {"ensemble": paths.shown(path)}


def _read_run_card(path: Path) -> RunCard | None:
    """Read the card of a run by the path of its test predictions; None: they are not of a run."""
    run = f"{path.parent.name}/{path.stem.removesuffix(paths.REFIT_END)}"
    folder = layout.RunFolder(path.parent.parent.name, run)
    card = submission.read_card(RunCard, folder.oof_csv)
    if not card or not path.exists():
        return None
    is_of_run = table.digest_table(path) in (card.tables.test, card.tables.refit)
    return card if is_of_run else None


@dataclass(frozen=True)
class CheckedFile:
    """A file that is a submission."""

    digest: str  # of the table
    rows: int


def check_file(path: Path, dataset: str) -> CheckedFile:
    """Check that a file is a submission of a dataset, and its score card its own.

    Raises:
        InputError: it is missing, differs from its card, or is not what the dataset's sample asks
            for.
    """
    if not path.exists():
        raise InputError(
            f"{paths.shown(path)} is missing: `{launch.typed('train_folds')}` writes "
            f"{paths.shown(layout.published_csv())}"
        )
    card = layout.card_path(path)
    digest = table.digest_table(path)
    is_ours = card.exists() and not manifest.is_unsealed(card)  # or one that the user wrote
    if is_ours and SubmissionCard.read(card).table != digest:
        raise InputError(
            f"{paths.shown(path)} does not match its card {paths.shown(card)}: rebuild both, or "
            "delete the card if the table is your own"
        )
    ids = _test_ids(dataset)
    submission.check(path, registry.get_task(kinds.COMPETITION_TASK), ids)
    return CheckedFile(digest, len(ids))


def _test_ids(dataset: str) -> np.ndarray:
    """(test galaxy,) ids in the order of a dataset's sample submission."""
    if dataset != WHOLE:
        return load_catalog(dataset).test_ids
    download = launch.typed("download_data")
    with advise(
        f"type `{download}` (if input/ itself holds a subset, first move it to input/NAME/)"
    ):
        return whole_sample_ids()
