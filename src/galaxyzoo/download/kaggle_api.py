"""Download the competition's files through Kaggle's own client, which finds the credentials.

The client comes with `scripts/setup.sh --extras`, so it and its dependencies are imported only
where used. It resumes a broken download; this module adds pauses, checks and errors in one line.
"""

import contextlib
import io
import os
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tqdm import tqdm

from galaxyzoo.core import files
from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.launch import install_command
from galaxyzoo.core.paths import shown
from galaxyzoo.data.readers.kaggle import SAMPLES, SOLUTIONS, TEST_IMAGES, TRAIN_IMAGES
from galaxyzoo.download.sdss import retry_after_s
from galaxyzoo.io.archives import BROKEN_ZIP, open_zip

if TYPE_CHECKING:
    import requests

T = TypeVar("T")
COMPETITION = "galaxy-zoo-the-galaxy-challenge"
PAGE = f"https://www.kaggle.com/competitions/{COMPETITION}"
RULES_PAGE = f"{PAGE}/rules"
SETTINGS_PAGE = "https://www.kaggle.com/settings"
CREDENTIALS = "~/.kaggle/kaggle.json, KAGGLE_USERNAME and KAGGLE_KEY, or KAGGLE_API_TOKEN"
# The small ones first: whatever is refused is refused at once.
FILES = tuple(f"{part}.zip" for part in (SAMPLES[0], SOLUTIONS, TRAIN_IMAGES, TEST_IMAGES))
MAX_ATTEMPTS = 6  # calls in a row that bring nothing, about a minute in all
MAX_PAUSE_S = 60
MAX_REQUESTED_PAUSE_S = 600  # where Kaggle asks for more
TIMEOUT_S = 60  # without a byte; the client by itself would wait for ever
_MAX_QUOTE_CHARS = 300  # characters of Kaggle's own message


def connect() -> Any:
    """Log in with the credentials that the client finds by itself.

    Returns:
        The client's `KaggleApi`; each of its connections gives up after `TIMEOUT_S` of silence.
    """
    printed = io.StringIO()  # its own help fills a screen
    try:
        with contextlib.redirect_stdout(printed):
            api = _client_class()()
            retry(api.authenticate, "logging in")
    except SystemExit:
        raise _no_credentials() from None
    for line in sorted(set(printed.getvalue().splitlines())):
        if line.startswith("Warning"):  # such as a key that others can read
            print(one_line(line), file=sys.stderr)
    return api


def download(folder: Path, chunk_bytes: int = 1 << 16) -> list[str]:
    """Download the missing ones of the four files; complete ones stay.

    What has arrived of a file waits in `.<name>.part`; after an error the next call goes on from
    there.

    Args:
        folder: made where it is missing.
        chunk_bytes: read at a time; the last chunk is lost when the connection breaks.
    Returns:
        Names of the downloaded files.
    """
    with files.hold_lock(folder / files.LOCK, "downloading"):
        missing = [name for name in FILES if not _is_whole(folder / name)]
        if missing:
            api = connect()
            for name in missing:
                _fetch(api, folder / name, chunk_bytes)
    return missing


def retry(call: Callable[[], T], action: str, received: Callable[[], int] = lambda: 0) -> T:
    """Call until Kaggle answers: again after a pause when it is busy or the connection breaks.

    Args:
        call: may be called several times.
        action: what is tried, for messages.
        received: bytes so far; a call that brings some starts the count of attempts anew.
    """
    attempts = 0
    while True:
        before = received()
        try:
            return call()
        except OSError as error:
            attempts = 1 if received() > before else attempts + 1
            _pause_after(error, attempts, action)


def _client_class() -> type:
    """The client with connections that do not wait for ever."""
    try:
        from kaggle.api.kaggle_api_extended import KaggleApi  # tries to log in
    except ModuleNotFoundError as error:
        raise InputError(
            f"Kaggle's client is not installed ({error.name} is missing): type "
            f"`{install_command('kaggle')}`, then again"
        ) from None
    except SystemExit:
        raise _no_credentials() from None

    class Client(KaggleApi):
        """The client, its sessions with a time limit."""

        def build_kaggle_client(self) -> Any:
            """Build the client."""
            client = super().build_kaggle_client()
            session = client.http_client().__enter__()._session
            session.send = partial(session.send, timeout=TIMEOUT_S)
            return client

    return Client


def _no_credentials() -> InputError:
    """Error for missing credentials, or a single token that has expired."""
    return InputError(
        "Kaggle's client finds no valid credentials: make some on "
        f"{SETTINGS_PAGE}, section API, and keep them in one of {CREDENTIALS}"
    )


def _is_whole(path: Path) -> bool:
    """Check whether a file is complete; a damaged one is downloaded again."""
    if not path.exists():
        return False
    try:
        _check_zip(path)
    except InputError as error:
        tqdm.write(f"downloading it again: {error}")
        return False
    tqdm.write(f"{shown(path)} is complete")
    return True


def _check_zip(path: Path) -> None:
    """Read a zip to its end."""
    with open_zip(path) as archive:
        try:
            damaged = archive.testzip()
        except BROKEN_ZIP as error:
            raise InputError(f"{shown(path)} is damaged ({error})") from None
    if damaged:
        raise InputError(f"{shown(path)} is damaged: '{damaged}' does not have its checksum")


def _fetch(api: Any, path: Path, chunk_bytes: int) -> None:
    """Get one file, once more from its start where it arrives damaged, and give it its name."""
    part = path.with_name(f".{path.name}.part")
    for is_last in (False, True):
        receive = partial(_receive, api, path.name, part, chunk_bytes)
        retry(receive, path.name, partial(_size, part))
        try:
            _check_zip(part)
        except InputError as error:
            part.unlink()
            if is_last:
                raise InputError(
                    f"{path.name} arrived damaged twice: try later ({error})"
                ) from None
            tqdm.write(f"{path.name} arrived damaged; starting over: {error}")
            continue
        with files.explain_write_errors(path):
            part.replace(path)
            files.sync_folder(path.parent)
        return


def _receive(api: Any, name: str, part: Path, chunk_bytes: int) -> None:
    """Request a file; the client continues a partial download of the same version.

    The client's own retries are off: they would request an expired address again, and keep the
    error page as content.
    """
    import requests
    from kagglesdk.competitions.types.competition_api_service import ApiDownloadDataFileRequest

    request = ApiDownloadDataFileRequest()
    request.competition_name, request.file_name = COMPETITION, name
    with (
        api.build_kaggle_client() as client,
        client.competitions.competition_api_client.download_data_file(request) as response,
        contextlib.redirect_stdout(io.StringIO()),  # its errors hold the signed address
    ):
        _check_space(part, name, int(response.headers.get("Content-Length", 0)) - _size(part))
        try:
            api.download_file(
                response,
                str(part),
                client.http_client(),
                quiet=not sys.stderr.isatty(),
                resume=True,
                chunk_size=chunk_bytes,
                max_retries=0,
                timeout=TIMEOUT_S,
            )
        except requests.RequestException:  # some are ValueErrors, too
            raise
        except ValueError:  # of another size than announced: an error page in place of the rest
            part.unlink(missing_ok=True)
            raise requests.ConnectionError(f"{name} ended early") from None
        except OSError as error:
            with files.explain_write_errors(part):
                raise error
    with files.explain_write_errors(part), open(part, "rb") as file:
        os.fsync(file.fileno())


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _check_space(part: Path, name: str, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise InputError(
            f"{name} needs {needed:,} more bytes, the disk of {shown(part.parent)}/ has {free:,}: "
            "make room, then again"
        )


def _pause_after(error: OSError, attempts: int, action: str) -> None:
    """Pause before the next try, longer each time or as long as Kaggle asks for.

    Args:
        error: what the try ended with.
        attempts: how many attempts in a row have brought nothing.
        action: what is tried, for messages.
    Raises:
        InputError: the error will not pass, or these were `MAX_ATTEMPTS` attempts.
        OSError: it is no error of a connection.
    """
    if not _is_transient(error) or attempts >= MAX_ATTEMPTS:
        raise _refusal(error, action) from None
    response: requests.Response | None = getattr(error, "response", None)
    asked_s = retry_after_s(response.headers.get("Retry-After", "")) if response is not None else 0
    seconds = min(asked_s or min(2.0**attempts, MAX_PAUSE_S), MAX_REQUESTED_PAUSE_S)
    tqdm.write(f"{action}: {_reason(error)}; again in {seconds:.0f} s")
    time.sleep(seconds)


def _is_transient(error: OSError) -> bool:
    """Check whether the same call may well succeed later."""
    import requests

    response: requests.Response | None = getattr(error, "response", None)
    if response is not None:
        # Behind a redirect is the store of files, whose signed addresses expire.
        status = response.status_code
        return status in (408, 429) or status >= 500 or bool(response.history)
    return isinstance(
        error,
        requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError,
    )


def _refusal(error: OSError, action: str) -> InputError:
    """An error of the client in one line, with the page to visit.

    Neither addresses nor headers are quoted: those of files are signed.

    Raises:
        OSError: it is no error of a connection.
    """
    import requests

    if not isinstance(error, requests.RequestException):
        raise error
    if _is_transient(error):
        return InputError(
            f"{action}: {_reason(error)}, {MAX_ATTEMPTS} times in a row: look at the network and "
            "type the same later; what is there is kept"
        )
    advice = {
        401: f"make new credentials on {SETTINGS_PAGE}, in place of the old ones ({CREDENTIALS})",
        403: f"accept the rules on {RULES_PAGE} with the account of these credentials, then again",
        404: f"see {PAGE}/data",
    }
    status = 0 if error.response is None else error.response.status_code
    page = advice.get(status, f"see {PAGE}")
    return InputError(f"{action}: Kaggle refuses it ({_reason(error)}): {page}")


def _reason(error: OSError) -> str:
    """The status and Kaggle's own message, or the kind of error where there was no answer."""
    response: requests.Response | None = getattr(error, "response", None)
    if response is None:
        kind = type(error).__name__  # its text may hold a signed address
        return "no answer, or the connection broke" if _is_transient(error) else kind
    try:
        message = str(response.json()["message"])
    except (OSError, ValueError, KeyError, TypeError):  # nothing, or a whole page
        message = ""
    end = f": {one_line(message[:_MAX_QUOTE_CHARS])}" if message else ""
    return f"status {response.status_code}{end}"
