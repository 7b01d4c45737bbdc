"""Files from a server, asked for slowly, again where an answer fails, and checked before use."""

import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from urllib.parse import urlsplit

from galaxyzoo.errors import InputError

_AGENT = "galaxy-zoo-ensemble/0.1 (Python urllib)"
# Too early, too many requests, and what a server or one in front of it lacks for a while.
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_LONGEST_PAUSE_S = 120.0
_PART_BYTES = 1 << 16


@dataclass(frozen=True)
class Manners:
    """How slowly and how patiently a server is asked."""

    workers: int = 4  # files on their way at once
    rate: float = 5.0  # requests per second, of all workers together
    tries: int = 5  # per file
    first_pause_s: float = 1.0  # before the second try; doubled before each further one
    timeout_s: float = 30.0  # without a byte
    deadline_s: float = 120.0  # for a whole answer


class DownloadError(Exception):
    """A file could not be had.

    Attributes:
        is_refusal: the server has answered that it has no such file; asking again is of no use.
        pause_s: how long the server wants to be left alone.
    """

    def __init__(self, message: str, is_refusal: bool = False, pause_s: float = 0.0) -> None:
        super().__init__(message)
        self.is_refusal, self.pause_s = is_refusal, pause_s


class Downloader:
    """Fetches files; safe to use from several threads, which share the rate."""

    def __init__(self, manners: Manners) -> None:
        self.manners = manners
        self._opener = urllib.request.build_opener()  # obeys the system's proxies
        self._lock = threading.Lock()
        self._next_turn = 0.0  # s, of the monotonic clock
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let no thread wait any longer or ask again."""
        self._stopped.set()

    def fetch(self, url: str, check: Callable[[bytes], None], limit: int) -> bytes:
        """The content of a URL, whole and checked.

        Failures that may pass are tried again after pauses that double (exponential backoff) and
        vary by a quarter, so that workers do not come back together; longer where the server says
        so (`Retry-After`).

        Args:
            url: http or https.
            check: raises ValueError where the content is not what it should be.
            limit: the largest size that is read, in bytes.
        Raises:
            DownloadError: every try failed, or `stop` was called; the last reason.
        """
        failure, pause = DownloadError("stopped"), 0.0
        for number in range(self.manners.tries):
            if self._stopped.wait(pause) or not self._wait_for_turn():
                break
            try:
                return self._try_once(url, check, limit)
            except DownloadError as error:
                failure = error
            if failure.is_refusal:
                break
            own = self.manners.first_pause_s * 2**number * random.uniform(0.75, 1.25)
            pause = min(max(own, failure.pause_s), _LONGEST_PAUSE_S)
        raise failure

    def _try_once(self, url: str, check: Callable[[bytes], None], limit: int) -> bytes:
        request = urllib.request.Request(url, headers={"User-Agent": _AGENT})
        try:
            with self._opener.open(request, timeout=self.manners.timeout_s) as answer:
                data = self._read(answer, limit)
            check(data)
        except urllib.error.HTTPError as error:
            error.close()
            pause = asked_pause_s(error.headers.get("Retry-After", "")) or 0.0
            raise DownloadError(f"HTTP {error.code}", error.code not in _PASSING, pause) from None
        except urllib.error.URLError as error:
            raise DownloadError(f"no connection: {error.reason}") from None
        except (OSError, HTTPException, ValueError) as error:
            raise DownloadError(str(error) or type(error).__name__) from None
        return data

    def _read(self, answer: HTTPResponse, limit: int) -> bytes:
        """A whole answer; one that drips in would never end by the time-out for each part."""
        end = time.monotonic() + self.manners.deadline_s
        parts, size = [], 0
        while part := answer.read1(_PART_BYTES):
            parts.append(part)
            size += len(part)
            if size > limit:
                raise ValueError(f"larger than {limit:,} bytes")
            if time.monotonic() > end:
                raise ValueError(f"not whole after {self.manners.deadline_s:g} s")
            if self._stopped.is_set():
                raise ValueError("stopped")
        said = answer.headers.get("Content-Length", "")
        if said.isdecimal() and size != int(said):
            raise ValueError(f"cut off after {size:,} of {int(said):,} bytes")
        return b"".join(parts)

    def _wait_for_turn(self) -> bool:
        """Wait until the next request may go out; False: stopped meanwhile."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next_turn)
            self._next_turn = turn + 1 / self.manners.rate
        return not self._stopped.wait(turn - now)


def check_url(url: str) -> None:
    """Raise InputError where a URL is not of the web (a `file:` would be read, too)."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        good = False
    if not good:
        raise InputError(f"'{url}' is no address that begins with http:// or https://")


def asked_pause_s(header: str) -> float | None:
    """How long a server asks to wait.

    Args:
        header: `Retry-After` (RFC 9110): seconds, or a date.
    Returns:
        Seconds, 0 or more; None where the header is empty or neither.
    """
    if header.strip().isdecimal():
        return float(header)
    try:
        until = parsedate_to_datetime(header)
        return max((until - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):  # no date, or one without a zone
        return None
