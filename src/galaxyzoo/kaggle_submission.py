"""A submission on its way: checked here, sent once, its score waited for."""

import itertools
import sys
from pathlib import Path
from typing import Any

from galaxyzoo import kaggle, kaggle_client, submission
from galaxyzoo.errors import InputError
from galaxyzoo.kaggle_client import COMPETITION, SUBMISSIONS_PAGE
from galaxyzoo.paths import shown
from galaxyzoo.tasks import COMPETITION_TASK, get_task

FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 30.0
_WHAT = "submission"


def check_file(path: Path) -> None:
    """Check that a file is a submission of the whole competition, before anything is sent.

    Raises:
        InputError: it is not (`submission.check`), it is missing, or the sample submission is.
    """
    if not path.exists():
        raise InputError(
            f"{shown(path)} is missing: `bash scripts/train_folds.sh` writes "
            f"{shown(submission.published_csv())}"
        )
    submission.check(path, get_task(COMPETITION_TASK), kaggle.whole_sample_ids())


def send(api: Any, path: Path, message: str) -> int:
    """Send a submission; never twice.

    Args:
        api: of `kaggle_client.connect`.
        path: the table.
        message: its description on Kaggle.
    Returns:
        Kaggle's number of it; 0 where it tells none.
    Raises:
        InputError: Kaggle refuses or does not answer, or it is not known whether it arrived.
    """
    import requests

    for tries in itertools.count(1):
        try:
            quiet = not sys.stderr.isatty()
            answer = api.competition_submit(str(path), message, COMPETITION, quiet=quiet)
            if answer.message != api.COMPETITION_SUBMIT_UPLOAD_FAILED_MESSAGE:
                return int(answer.ref)
            raise requests.ConnectionError("the upload broke")  # before anything was submitted
        except OSError as error:
            if _may_have_arrived(error):
                raise InputError(
                    "the connection broke while Kaggle took the submission: look whether it stands "
                    f"on {SUBMISSIONS_PAGE} before you send it again"
                ) from None
            kaggle_client.pause_after(error, tries, _WHAT)
    raise AssertionError  # never reached


def wait_for_score(api: Any, ref: int, limit_s: float) -> Any:
    """Ask for the score until it is there.

    Args:
        api: of `kaggle_client.connect`.
        ref: Kaggle's number of the submission; 0: the newest.
        limit_s: seconds of pauses in all.
    Returns:
        The client's `ApiSubmission` with `public_score` and `private_score`; None where Kaggle was
        not done within the limit.
    Raises:
        InputError: Kaggle could not score the file, or does not answer.
    """
    waited_s, pause_s = 0.0, FIRST_PAUSE_S
    while True:
        entries = kaggle_client.patiently(lambda: api.competition_submissions(COMPETITION), "score")
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
        kaggle_client.rest(pause_s)
        waited_s, pause_s = waited_s + pause_s, min(1.5 * pause_s, LONGEST_PAUSE_S)


def describe(entry: Any) -> str:
    """One line of the scores, of which Kaggle may keep the private one to itself."""
    scores = {"public": entry.public_score, "private": entry.private_score}
    told = ", ".join(f"{kind} {value}" for kind, value in scores.items() if value)
    return f"score ({get_task(COMPETITION_TASK).metric}): {told or 'none told'}"


def _may_have_arrived(error: OSError) -> bool:
    """Whether the last step's call broke in a way that leaves open what Kaggle made of it."""
    request, response = getattr(error, "request", None), getattr(error, "response", None)
    is_last_step = str(getattr(request, "url", "")).endswith("/CreateSubmission")
    return is_last_step and (response is None or response.status_code >= 500)
