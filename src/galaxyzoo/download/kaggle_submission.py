"""Send a submission to Kaggle and wait for its score."""

import sys
import time
from pathlib import Path
from typing import Any

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.readers import kaggle
from galaxyzoo.download.kaggle_api import COMPETITION, PAGE, retry
from galaxyzoo.results import submission
from galaxyzoo.results.card import SubmissionCard
from galaxyzoo.results.layout import card_path, published_csv
from galaxyzoo.results.table import digest_table
from galaxyzoo.tasks.kinds import COMPETITION_TASK
from galaxyzoo.tasks.registry import get_task

SUBMISSIONS_PAGE = f"{PAGE}/submissions"
FIRST_SCORE_PAUSE_S, MAX_SCORE_PAUSE_S = 2.0, 30.0


def check_file(path: Path) -> None:
    """Check that a file is a submission of the whole competition, before anything is sent.

    A score card beside it must be its own; a file of somebody else needs none.
    """
    if not path.exists():
        raise InputError(
            f"{shown(path)} is missing: `bash scripts/train_folds.sh` writes "
            f"{shown(published_csv())}"
        )
    card = card_path(path)
    if card.exists() and SubmissionCard.read(card).table != digest_table(path):
        raise InputError(
            f"{shown(path)} is not the table that {shown(card)} was written for: make both again, "
            "or delete the card if the table is your own"
        )
    submission.check(path, get_task(COMPETITION_TASK), kaggle.whole_sample_ids())


def send(api: Any, path: Path, message: str) -> int:
    """Send a submission; never twice.

    Args:
        api: from `connect`.
        path: the table.
        message: its description on Kaggle.
    Returns:
        Kaggle's number of it; 0 where it gives none.
    """
    import requests

    def submit() -> int:
        try:
            quiet = not sys.stderr.isatty()
            answer = api.competition_submit(str(path), message, COMPETITION, quiet=quiet)
        except OSError as error:
            if not _may_have_arrived(error):
                raise
            raise InputError(
                "the connection broke while Kaggle took the submission: look whether it stands "
                f"on {SUBMISSIONS_PAGE} before you send it again"
            ) from None
        if answer.message == api.COMPETITION_SUBMIT_UPLOAD_FAILED_MESSAGE:
            raise requests.ConnectionError("the upload broke")  # before anything was submitted
        return int(answer.ref)

    return retry(submit, "submission")


def wait_for_score(api: Any, ref: int, limit_s: float) -> Any:
    """Poll for the score.

    Args:
        api: from `connect`.
        ref: Kaggle's number of the submission; 0: the newest.
        limit_s: seconds of pauses in all.
    Returns:
        The client's `ApiSubmission` with `public_score` and `private_score`; None where Kaggle was
        not done within the limit.
    """
    waited_s, pause_s = 0.0, FIRST_SCORE_PAUSE_S
    while True:
        entries = retry(lambda: api.competition_submissions(COMPETITION), "score")
        entry = next((e for e in entries or () if ref in (0, e.ref)), None)
        if entry is not None and entry.status.name == "COMPLETE":
            return entry
        if entry is not None and entry.status.name == "ERROR":
            raise InputError(
                f"Kaggle could not score the submission ({entry.error_description or 'no reason'})"
                f": see {SUBMISSIONS_PAGE}"
            )
        if waited_s >= limit_s:
            return None
        time.sleep(pause_s)
        waited_s, pause_s = waited_s + pause_s, min(1.5 * pause_s, MAX_SCORE_PAUSE_S)


def describe(entry: Any) -> str:
    """Describe the scores in one line; Kaggle may withhold the private one."""
    scores = {"public": entry.public_score, "private": entry.private_score}
    given = ", ".join(f"{kind} {value}" for kind, value in scores.items() if value)
    return f"score ({get_task(COMPETITION_TASK).metric}): {given or 'none given'}"


def _may_have_arrived(error: OSError) -> bool:
    """Check whether the last call broke so that Kaggle may have received it."""
    request, response = getattr(error, "request", None), getattr(error, "response", None)
    is_last_step = str(getattr(request, "url", "")).endswith("/CreateSubmission")
    return is_last_step and (response is None or response.status_code >= 500)
