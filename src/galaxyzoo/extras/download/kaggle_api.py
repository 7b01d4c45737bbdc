"""Download the competition's files and send submissions through Kaggle's own client.

The client comes with `scripts/setup.sh --extras`, so it is imported only where used. It finds the
credentials, retries and resumes; this module checks files and turns its errors into one line.
"""

import contextlib
import io
import itertools
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from galaxyzoo.core import files
from galaxyzoo.core.artifact import Artifact, State
from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.data.readers.kaggle import SAMPLES, SOLUTIONS, TEST_IMAGES, TRAIN_IMAGES
from galaxyzoo.io.archives import BROKEN_ZIP, open_zip

COMPETITION = "galaxy-zoo-the-galaxy-challenge"
PAGE = f"https://www.kaggle.com/competitions/{COMPETITION}"
_LOGIN = "create credentials at https://www.kaggle.com/settings (API) and store them in \
~/.kaggle/kaggle.json, in KAGGLE_USERNAME and KAGGLE_KEY, or in KAGGLE_API_TOKEN"
_ADVICE = {401: _LOGIN, 403: f"accept the rules on {PAGE}/rules", 404: f"see {PAGE}/data"}
# The small ones first: whatever is refused is refused at once.
ZIPS = tuple(f"{stem}.zip" for stem in (SAMPLES[0], SOLUTIONS, TRAIN_IMAGES, TEST_IMAGES))
_SCORE_PAUSE_S = 5


def connect() -> Any:
    """Log in with the credentials that the client finds; returns its `KaggleApi`."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # its help fills a screen
            from kaggle.api.kaggle_api_extended import KaggleApi

            api = KaggleApi()
            with _explain_errors("login", "check the network"):
                api.authenticate()
    except SystemExit:
        raise InputError(f"no valid Kaggle credentials found: {_LOGIN}") from None
    return api


def download(folder: Path) -> list[str]:
    """Download the missing and damaged ones of the four files; returns their names.

    A file arrives in `<folder>/.part/` and gets its name once it is whole; a stopped download goes
    on from there.

    Raises:
        InputError: there are no credentials, Kaggle refuses, the network fails, or what arrived is
            damaged.
    """
    downloaded: list[str] = []
    api = None
    for name in ZIPS:
        with _Zip(folder / name).make("downloading") as filling:
            if filling:
                api = api or connect()
                _download(api, folder / name)
                downloaded.append(name)
    return downloaded


@dataclass(frozen=True)
class _Zip(Artifact):
    """A downloaded zip, finished where it can be read to its end; else it is downloaded again."""

    path: Path

    @property
    def folder(self) -> Path:
        """Folder of all zips."""
        return self.path.parent

    def state(self) -> State:
        """Read it to its end."""
        if not self.path.exists():
            return "absent"
        return "finished" if _is_whole(self.path) else "stale"


def _download(api: Any, path: Path) -> None:
    """Download a zip, from where an earlier download stopped."""
    name = path.name
    incomplete = path.parent / ".part" / name
    advice = "check the network and rerun the command, which resumes"
    with files.explain_write_errors(incomplete), _explain_errors(name, advice):
        quiet = not sys.stderr.isatty()
        try:
            api.competition_download_file(COMPETITION, name, str(incomplete.parent), quiet=quiet)
        except ValueError:  # an error page in place of the rest
            incomplete.unlink(missing_ok=True)
            raise
    if not _is_whole(incomplete):
        incomplete.unlink()
        raise InputError(f"{name} was damaged in transit: rerun the command")
    with files.explain_write_errors(path):
        incomplete.replace(path)


def submit_file(api: Any, path: Path, message: str) -> int:
    """Send a submission; returns Kaggle's number of it, 0 where it gives none.

    Raises:
        InputError: it failed; where only the upload did, nothing was submitted.
    """
    with _explain_errors("submission", f"check {PAGE}/submissions before you submit again"):
        answer = api.competition_submit(str(path), message, COMPETITION, quiet=True)
    if answer.message == api.COMPETITION_SUBMIT_UPLOAD_FAILED_MESSAGE:
        raise InputError("the upload failed and nothing was submitted: rerun the command")
    return int(answer.ref)


def list_submissions(api: Any, page: int = 1) -> list[Any]:
    """List a page of the submissions that Kaggle has, the newest first."""
    with _explain_errors("score", f"see {PAGE}/submissions"):
        ask = api.with_retry(api.competition_submissions)
        return list(ask(COMPETITION, page_number=page) or ())


def list_all_submissions(api: Any) -> list[Any]:
    """List all submissions that Kaggle has, the newest first."""
    entries: dict[int, Any] = {}
    for page in itertools.count(1):
        listed = {entry.ref: entry for entry in list_submissions(api, page)}
        if entries.keys() >= listed.keys():  # nothing new: the page before was the last
            break
        entries |= listed
    return list(entries.values())


def wait_for_score(api: Any, ref: int, limit_s: float) -> Any | None:
    """Poll for a scored submission, by its number; None: not scored in time.

    Raises:
        InputError: Kaggle could not score it.
    """
    for _ in range(int(limit_s / _SCORE_PAUSE_S)):
        for entry in list_submissions(api):
            if entry.ref != ref:
                continue
            if entry.status.name == "COMPLETE":
                return entry
            if entry.status.name == "ERROR":
                reason = entry.error_description or f"see {PAGE}/submissions"
                raise InputError(f"Kaggle could not score the submission: {reason}")
        time.sleep(_SCORE_PAUSE_S)
    return None


def _is_whole(path: Path) -> bool:
    """Read a zip to its end."""
    try:
        with open_zip(path) as archive:
            return archive.testzip() is None
    except (InputError, *BROKEN_ZIP):
        return False


@contextlib.contextmanager
def _explain_errors(action: str, advice: str) -> Iterator[None]:
    """Turn the client's errors into an `InputError`, without their addresses, which are signed."""
    import requests

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except (requests.RequestException, ValueError) as error:  # of another size than announced
        response = getattr(error, "response", None)
        status = 0
        reason = type(error).__name__
        if response is not None:
            status = response.status_code
            reason = f"status {status}"
            with contextlib.suppress(ValueError, KeyError, TypeError):  # nothing, or a whole page
                reason += f": {one_line(str(response.json()['message']))}"
        raise InputError(f"{action}: {reason}: {_ADVICE.get(status, advice)}") from None
