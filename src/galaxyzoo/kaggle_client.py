"""Kaggle's own client: logged in, with patience, and what it refuses told in one line.

The package `kaggle` comes with `scripts/setup.sh --extras`, so it and what it brings are imported
only where they are used.
"""

import contextlib
import io
import itertools
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from tqdm import tqdm

from galaxyzoo.downloads import asked_pause_s
from galaxyzoo.errors import InputError, one_line

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
