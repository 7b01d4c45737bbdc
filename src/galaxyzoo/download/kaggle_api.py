"""Kaggle's own client: logged in, with patience, and what it refuses told in one line.

The package `kaggle` comes with `scripts/setup.sh --extras`, so it and what it brings are imported
only where they are used.

The competition's files out of Kaggle into a folder: resumed, checked, whole or not there.

What has arrived of a file waits in `.<name>.<digest>.part`, where the digest is of the server's own
mark of the content (ETag) and its size, so that bytes of two versions never mix.

A submission on its way: checked here, sent once, its score waited for.
"""

import contextlib
import hashlib
import io
import itertools
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tqdm import tqdm

from galaxyzoo.core import files
from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.paths import shown
from galaxyzoo.data.readers import kaggle
from galaxyzoo.data.readers.kaggle import SAMPLES, SOLUTIONS, TEST_IMAGES, TRAIN_IMAGES
from galaxyzoo.download.sdss import asked_pause_s
from galaxyzoo.inference import submission
from galaxyzoo.io.archives import BROKEN_ZIP, open_zip
from galaxyzoo.tasks.registry import COMPETITION_TASK, get_task

if TYPE_CHECKING:
    import requests

T = TypeVar("T")
COMPETITION = "galaxy-zoo-the-galaxy-challenge"
PAGE = f"https://www.kaggle.com/competitions/{COMPETITION}"
RULES_PAGE = f"{PAGE}/rules"
SUBMISSIONS_PAGE = f"{PAGE}/submissions"
SETTINGS_PAGE = "https://www.kaggle.com/settings"
CREDENTIALS = "~/.kaggle/kaggle.json, KAGGLE_USERNAME and KAGGLE_KEY, or KAGGLE_API_TOKEN"
TRIES = 6  # calls in a row that bring nothing, about a minute in all
LONGEST_PAUSE_S = 60
LONGEST_ASKED_PAUSE_S = 600  # where Kaggle itself says how long
TIMEOUT_S = 60  # without a byte; the client by itself would wait for ever
LONGEST_WORDS = 300  # characters of Kaggle's own that are quoted


def connect() -> Any:
    """Log in with the credentials that the client finds by itself.

    Returns:
        The client's `KaggleApi`; each of its connections gives up after `TIMEOUT_S` of silence.
    Raises:
        InputError: the package is not installed, there are no credentials, Kaggle does not accept
            them, or does not answer.
    """
    said = io.StringIO()  # its own help fills a screen
    try:
        with contextlib.redirect_stdout(said):
            api = _client_class()()
            patiently(api.authenticate, "logging in")
    except SystemExit:
        raise _no_credentials() from None
    for line in sorted(set(said.getvalue().splitlines())):
        if line.startswith("Warning"):  # such as a key that others can read
            print(one_line(line), file=sys.stderr)
    return api


def patiently(call: Callable[[], T], what: str) -> T:
    """Call until Kaggle answers: again after a pause when it is busy or the connection breaks.

    Args:
        call: may be called several times.
        what: what is tried, for messages.
    Raises:
        InputError: Kaggle refuses, or `TRIES` calls were in vain.
    """
    for tries in itertools.count(1):
        try:
            return call()
        except OSError as error:
            pause_after(error, tries, what)
    raise AssertionError  # never reached


def pause_after(error: OSError, tries: int, what: str) -> None:
    """Pause before the next try, longer each time or as long as Kaggle asks for.

    Args:
        error: what the try ended with.
        tries: how many tries in a row have brought nothing.
        what: what is tried, for messages.
    Raises:
        InputError: the error will not pass, or these were `TRIES` tries.
        OSError: it is no error of a connection.
    """
    if not _is_passing(error) or tries >= TRIES:
        raise explain(error, what) from None
    seconds = min(_asked_pause_s(error) or min(2.0**tries, LONGEST_PAUSE_S), LONGEST_ASKED_PAUSE_S)
    tqdm.write(f"{what}: {_reason(error)}; again in {seconds:.0f} s")
    rest(seconds)


def rest(seconds: float) -> None:
    """Sleep."""
    time.sleep(seconds)


def explain(error: OSError, what: str) -> InputError:
    """What an error of the client means to users, and the page to visit.

    Neither addresses nor headers are quoted: those of files are signed.

    Raises:
        OSError: it is no error of a connection.
    """
    import requests

    if not isinstance(error, requests.RequestException):
        raise error
    response = error.response
    status = None if response is None else response.status_code
    if status == 401:
        return InputError(
            f"{what}: Kaggle does not accept the credentials (401): make new ones on "
            f"{SETTINGS_PAGE}, and put them where the old ones are ({CREDENTIALS})"
        )
    if status == 403:
        return InputError(
            f"{what}: Kaggle refuses it ({_reason(error)}): accept the rules on {RULES_PAGE} with "
            "the account of these credentials, then again"
        )
    if status == 404:
        return InputError(
            f"{what}: Kaggle knows no such file or competition ({_reason(error)}): see {PAGE}/data"
        )
    if _is_passing(error):
        return InputError(
            f"{what}: {_reason(error)}, {TRIES} times in a row: look at the network and type the "
            "same later; what is there is kept"
        )
    return InputError(f"{what}: Kaggle refuses it ({_reason(error)}): see {PAGE}")


def _client_class() -> type:
    """The client with connections that do not wait for ever."""
    try:
        import requests.adapters
        from kaggle.api.kaggle_api_extended import KaggleApi  # logs in, in vain or not
    except ModuleNotFoundError as error:
        raise InputError(
            f"Kaggle's client is not installed ({error.name} is missing): type "
            "`bash scripts/setup.sh --extras`, then again"
        ) from None
    except SystemExit:
        raise _no_credentials() from None

    class Impatient(requests.adapters.HTTPAdapter):
        """Gives up on a silent connection."""

        def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            """Send with a time limit."""
            kwargs["timeout"] = kwargs.get("timeout") or TIMEOUT_S
            return super().send(request, *args, **kwargs)

    class Client(KaggleApi):
        """The client, its sessions changed."""

        def build_kaggle_client(self) -> Any:
            """As of the client."""
            client = super().build_kaggle_client()
            http = client.http_client().__enter__()
            for start in ("https://", "http://"):
                http._session.mount(start, Impatient())
            return client

    return Client


def _no_credentials() -> InputError:
    """Neither of the client's three kinds is there, or the only one is a token that has expired."""
    return InputError(
        "Kaggle's client finds no valid credentials: make some on "
        f"{SETTINGS_PAGE}, section API, and keep them in one of {CREDENTIALS}"
    )


def _is_passing(error: OSError) -> bool:
    """Whether the same call may well succeed later."""
    import requests

    response: requests.Response | None = getattr(error, "response", None)
    if response is not None:
        # Behind a redirect is the store of files, whose signed addresses expire.
        return response.status_code in (408, 429) or response.status_code >= 500 or _moved(response)
    return isinstance(
        error,
        requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError,
    )


def _moved(response: "requests.Response") -> bool:
    return bool(response.history)


def _reason(error: OSError) -> str:
    """The status and Kaggle's own words, or that there was no answer."""
    response: requests.Response | None = getattr(error, "response", None)
    if response is None:
        return "no answer, or the connection broke"
    try:
        words = str(response.json()["message"])
    except (OSError, ValueError, KeyError, TypeError):  # it says nothing, or a whole page
        words = ""
    end = f": {one_line(words[:LONGEST_WORDS])}" if words else ""
    return f"status {response.status_code}{end}"


def _asked_pause_s(error: OSError) -> float | None:
    """Seconds that the server asks to wait; None where it does not answer or say."""
    response: requests.Response | None = getattr(error, "response", None)
    return None if response is None else asked_pause_s(response.headers.get("Retry-After", ""))


# The small ones first: whatever is refused is refused at once.
FILES = tuple(f"{part}.zip" for part in (SAMPLES[0], SOLUTIONS, TRAIN_IMAGES, TEST_IMAGES))
CHUNK_BYTES = 1 << 16  # what of the last one has come is lost when the connection breaks


def download(folder: Path) -> list[str]:
    """Get what is missing of the four files; those that are there and whole are left alone.

    Args:
        folder: is made where it is missing.
    Returns:
        Names of the files that were got.
    Raises:
        InputError: Kaggle refuses or does not answer, a file arrives damaged twice, or the disk is
            full. Files got before stay, and the next call goes on from there.
    """
    with files.holding(folder / files.NAME, "downloading"):
        missing = [name for name in FILES if not _is_whole(folder / name)]
        if missing:
            api = connect()
            for name in missing:
                _fetch(api, name, folder)
    return missing


def check_zip(path: Path) -> None:
    """Read a zip to its end.

    Raises:
        InputError: it is missing or cut off, or a member does not have its checksum.
    """
    with open_zip(path) as archive:
        try:
            damaged = archive.testzip()
        except BROKEN_ZIP as error:
            raise InputError(f"{shown(path)} is damaged ({error})") from None
    if damaged:
        raise InputError(f"{shown(path)} is damaged: '{damaged}' does not have its checksum")


def _is_whole(path: Path) -> bool:
    """Whether a file is there, with a word where it is broken: it is then got again."""
    if not path.exists():
        return False
    try:
        check_zip(path)
    except InputError as error:
        tqdm.write(f"getting it again: {error}")
        return False
    tqdm.write(f"{shown(path)} is there and whole")
    return True


def _fetch(api: Any, name: str, folder: Path) -> None:
    """Get one file, once more from its start where it arrives damaged, and give it its name."""
    for is_last in (False, True):
        part = _receive(api, name, folder)
        try:
            check_zip(part)
        except InputError as error:
            part.unlink()
            if is_last:
                raise InputError(f"{name} arrived damaged twice: try later ({error})") from None
            tqdm.write(f"{name} arrived damaged; from the start: {error}")
            continue
        with files.explaining(folder / name):
            part.replace(folder / name)
            files.sync_folder(folder)
        return


def _receive(api: Any, name: str, folder: Path) -> Path:
    """Get all bytes of a file, however often the connection breaks; its `.part`."""
    tries = 0
    while True:
        before = _received_bytes(folder, name)
        try:
            return _receive_once(api, name, folder)
        except OSError as error:
            tries = 1 if _received_bytes(folder, name) > before else tries + 1
            pause_after(error, tries, name)


def _receive_once(api: Any, name: str, folder: Path) -> Path:
    """Ask for a file and write what comes behind what is there.

    Raises:
        OSError: an error of the connection.
        InputError: the disk is full.
    """
    from kagglesdk.competitions.types.competition_api_service import ApiDownloadDataFileRequest

    request = ApiDownloadDataFileRequest()
    request.competition_name, request.file_name = COMPETITION, name
    with api.build_kaggle_client() as kaggle:
        response = kaggle.competitions.competition_api_client.download_data_file(request)
        with response:
            size = int(response.headers.get("Content-Length", -1))
            part = _part(folder, name, response.headers.get("ETag"), size)
            start = part.stat().st_size if part.exists() else 0
            if start != size:
                _check_space(folder, name, size - start)
                rest = _ask_for_rest(response, start)
                if rest is None:
                    _append(response, part, 0, size, name)
                else:
                    with rest:
                        _append(rest, part, start, size, name)
    return part


def _part(folder: Path, name: str, mark: str | None, size: int) -> Path:
    """Where the bytes of this content wait; those of any other content are removed."""
    digest = hashlib.sha256(f"{mark} {size}".encode()).hexdigest()[:12]
    part = folder / f".{name}.{digest}.part"
    for other in folder.glob(f".{name}.*.part"):
        # Without the server's mark nothing tells whose bytes they are.
        if other != part or mark is None or other.stat().st_size > size:
            other.unlink()
    return part


def _ask_for_rest(response: "requests.Response", start: int) -> "requests.Response | None":
    """The answer that goes on from a byte; None where the file has to come from its start.

    It is asked of the store that Kaggle's answer led to, as the client itself does, and without
    credentials: the address is signed.
    """
    import requests

    if start == 0 or not response.history:
        return None
    headers = {"Range": f"bytes={start}-", "If-Range": response.headers["ETag"]}
    rest = requests.get(response.url, headers=headers, stream=True, timeout=TIMEOUT_S)
    if rest.status_code == 206 and rest.headers.get("Content-Range", "").startswith(
        f"bytes {start}-"
    ):
        return rest
    rest.close()
    return None


def _append(response: "requests.Response", part: Path, start: int, size: int, name: str) -> None:
    import requests

    with files.explaining(part):
        file = open(part, "r+b" if start else "wb")  # noqa: SIM115 closed below
    with (
        file,
        tqdm(
            total=max(size, 0) or None,
            initial=start,
            desc=name,
            unit="B",
            unit_scale=True,
            disable=None,
        ) as bar,
    ):
        file.seek(start)
        for chunk in response.iter_content(CHUNK_BYTES):
            with files.explaining(part):
                file.write(chunk)
            bar.update(len(chunk))
        with files.explaining(part):
            file.flush()
            os.fsync(file.fileno())
    if part.stat().st_size != size >= 0:
        raise requests.ConnectionError(f"{name} ended early")


def _check_space(folder: Path, name: str, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{name} needs {needed:,} more bytes, the disk of {shown(folder)}/ has {free:,}: "
            "make room, then again"
        )


def _received_bytes(folder: Path, name: str) -> int:
    return sum(part.stat().st_size for part in folder.glob(f".{name}.*.part"))


FIRST_PAUSE_S, LONGEST_SCORE_PAUSE_S = 2.0, 30.0
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
            pause_after(error, tries, _WHAT)
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
        entries = patiently(lambda: api.competition_submissions(COMPETITION), "score")
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
        rest(pause_s)
        waited_s, pause_s = waited_s + pause_s, min(1.5 * pause_s, LONGEST_SCORE_PAUSE_S)


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
