"""Download cut-outs of galaxies from the Sloan Digital Sky Survey's color images.

Requests are limited in rate, tried again where a failure may pass, and their content is checked.
Each image is a file of its own, so a stopped download goes on where it was; `manifest.csv` beside
them has each galaxy's address, size, checksum and status.

Source: SkyServer's image cut-out service (https://skyserver.sdss.org/dr18/, "Image List" and its
"getjpeg"), the one that Galaxy Zoo 2's own images came from (Willett et al. 2013, section 2.2).
"""

import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import pandas as pd

from galaxyzoo.config.schema import ORIGINAL_PX
from galaxyzoo.core import files
from galaxyzoo.core.console import Bar
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.manifest import digest
from galaxyzoo.core.paths import shown
from galaxyzoo.data.image_cache import decode, read_size
from galaxyzoo.data.stores.base import MAX_IMAGE_BYTES
from galaxyzoo.io.tables import ID, read_csv, write_table

_AGENT = "galaxy-zoo-ensemble/0.1 (Python urllib)"
# Statuses that may pass: too early, too many requests, a server that fails for a while.
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_MAX_PAUSE_S = 120.0
_PART_BYTES = 1 << 16
MANIFEST = "manifest.csv"
GOOD = "ok"
_COLUMNS = ("ra", "dec", "url", "bytes", "sha256", "status")
_GIVE_UP = 20  # galaxies in a row without an answer: the server is down, or the network


@dataclass(frozen=True)
class DownloadPolicy:
    """Limits of rate, attempts and time."""

    workers: int = 4  # parallel downloads
    rate: float = 5.0  # requests per second, all workers together
    max_attempts: int = 5  # per file
    first_pause_s: float = 1.0  # before the second try; doubled before each further one
    timeout_s: float = 30.0  # without a byte
    deadline_s: float = 120.0  # for a whole file


class DownloadError(Exception):
    """A file could not be downloaded.

    Attributes:
        is_refusal: the server answered that it has no such file; another try is of no use.
        pause_s: how long the server asks to wait.
    """

    def __init__(self, message: str, is_refusal: bool = False, pause_s: float = 0.0) -> None:
        super().__init__(message)
        self.is_refusal, self.pause_s = is_refusal, pause_s


class Downloader:
    """Downloads files with retries; safe to use from several threads, which share the rate.

    urllib3's `Retry` is not used: it tries nothing again whose body is cut off, stalls or fails the
    check, makes no pause before its first retry, and can be neither stopped nor limited in rate.
    """

    def __init__(self, policy: DownloadPolicy, stopped: threading.Event | None = None) -> None:
        """Prepare; `stopped` ends all waits and retries of all threads once it is set."""
        self.policy = policy
        self._stopped = stopped or threading.Event()
        self._opener = urllib.request.build_opener()  # obeys the system's proxies
        self._lock = threading.Lock()
        self._next_turn = 0.0  # s, of the monotonic clock

    def fetch(self, url: str, check: Callable[[bytes], None], max_bytes: int) -> bytes:
        """The content of a URL, whole and checked.

        Failures that may pass are tried again after pauses that double (exponential backoff) and
        vary by a quarter, so that workers do not come back together; longer where the server asks
        for it (`Retry-After`).

        Args:
            url: http or https.
            check: raises ValueError where the content is not what it should be.
            max_bytes: size above which a file is refused.
        Raises:
            DownloadError: every try failed, with the last reason, or `stopped` was set.
        """
        failure, pause = DownloadError("stopped"), 0.0
        for number in range(self.policy.max_attempts):
            if self._stopped.wait(pause) or not self._wait_for_turn():
                break
            try:
                return self._try_once(url, check, max_bytes)
            except DownloadError as error:
                failure = error
            if failure.is_refusal:
                break
            backoff_s = self.policy.first_pause_s * 2**number * random.uniform(0.75, 1.25)
            pause = min(max(backoff_s, failure.pause_s), _MAX_PAUSE_S)
        raise failure

    def _try_once(self, url: str, check: Callable[[bytes], None], max_bytes: int) -> bytes:
        request = urllib.request.Request(url, headers={"User-Agent": _AGENT})
        try:
            with self._opener.open(request, timeout=self.policy.timeout_s) as answer:
                data = self._read(answer, max_bytes)
            check(data)
        except urllib.error.HTTPError as error:
            error.close()
            pause = retry_after_s(error.headers.get("Retry-After", "")) or 0.0
            raise DownloadError(f"HTTP {error.code}", error.code not in _PASSING, pause) from None
        except urllib.error.URLError as error:
            raise DownloadError(f"no connection: {error.reason}") from None
        except (OSError, HTTPException, ValueError) as error:
            raise DownloadError(str(error) or type(error).__name__) from None
        return data

    def _read(self, answer: HTTPResponse, max_bytes: int) -> bytes:
        """Read a whole body within the time limit, also one that arrives byte by byte."""
        end = time.monotonic() + self.policy.deadline_s
        parts, size = [], 0
        while part := answer.read1(_PART_BYTES):
            parts.append(part)
            size += len(part)
            if size > max_bytes:
                raise ValueError(f"larger than {max_bytes:,} bytes")
            if time.monotonic() > end:
                raise ValueError(f"not whole after {self.policy.deadline_s:g} s")
            if self._stopped.is_set():
                raise ValueError("stopped")
        length = answer.headers.get("Content-Length", "")
        if length.isdecimal() and size != int(length):
            raise ValueError(f"cut off after {size:,} of {int(length):,} bytes")
        return b"".join(parts)

    def _wait_for_turn(self) -> bool:
        """Wait until the next request may be sent; False where stopped meanwhile."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next_turn)
            self._next_turn = turn + 1 / self.policy.rate
        return not self._stopped.wait(turn - now)


def check_url(url: str) -> None:
    """Raise InputError unless a URL is http or https (urllib would read a `file:`, too)."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        good = False
    if not good:
        raise InputError(f"'{url}' is not an address that begins with http:// or https://")


def retry_after_s(header: str) -> float | None:
    """Seconds that a `Retry-After` header (RFC 9110) asks for, as a number or a date; else None."""
    if header.strip().isdecimal():
        return float(header)
    try:
        until = parsedate_to_datetime(header)
        return max((until - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):  # no date, or one without a zone
        return None


@dataclass(frozen=True)
class Cutout:
    """Scale, size and server of the images."""

    # arcsec per pixel. Galaxy Zoo 2 scaled each image by the galaxy (0.02 of its Petrosian radius
    # petroR90_r), which the vote table does not hold; this suits the usual radius of 7.5".
    scale: float = 0.15
    size_px: int = ORIGINAL_PX
    service: str = "https://skyserver.sdss.org/dr18/SkyServerWS/ImgCutout/getjpeg"

    def url(self, ra: float, dec: float) -> str:
        """Address of the image around a place in the sky (degrees)."""
        side = f"width={self.size_px}&height={self.size_px}"
        return f"{self.service.rstrip('?')}?ra={ra:.6f}&dec={dec:.6f}&scale={self.scale:g}&{side}"

    def folder_name(self) -> str:
        """Name of the folder of images of this scale and size alone."""
        return f"sdss_{self.size_px}px_{self.scale:g}arcsec"

    def check(self, data: bytes) -> None:
        """Raise ValueError unless bytes are a whole image of that size that shows something."""
        height, width = read_size(data)
        if (height, width) != (self.size_px, self.size_px):
            raise ValueError(f"its size is {width} × {height} px, not {self.size_px}")
        try:
            pixels = decode(data, ORIGINAL_PX, self.size_px)
        except cv2.error as error:
            raise ValueError(f"it does not decode ({error.code})") from None
        if pixels.min() == pixels.max():  # what lies outside the survey
            raise ValueError("all its pixels are alike: it shows nothing")


def download_cutouts(
    positions: pd.DataFrame, folder: Path, cutout: Cutout, policy: DownloadPolicy
) -> pd.Series:
    """Download the galaxies' images into `<folder>/<GalaxyID>.jpg`, and keep the manifest.

    Images that are there and whole are kept, also after an error.

    Args:
        positions: (galaxy, 2) `ra` and `dec` in degrees, by GalaxyID.
        folder: made where it is missing.
        cutout: scale, size and server.
        policy: limits.
    Returns:
        (galaxy,) `GOOD`, or why there is no image, by GalaxyID in the order of the positions.
    """
    check_url(cutout.service)
    rows = _read_manifest(folder / MANIFEST)
    stopped = threading.Event()
    downloader = Downloader(policy, stopped)
    download = partial(_download_one, downloader, folder, cutout)
    silent = 0
    with ThreadPoolExecutor(policy.workers) as pool:
        jobs = {
            pool.submit(download, int(place.Index), place.ra, place.dec): int(place.Index)
            for place in positions.itertuples()
        }
        try:
            bar = Bar(as_completed(jobs), "downloading", len(jobs), unit="image")
            for job in bar:
                row, is_answered = job.result()
                rows[jobs[job]] = row
                silent = 0 if is_answered else silent + 1
                if silent == _GIVE_UP:
                    raise InputError(
                        f"{cutout.service} gives no image, of {silent} galaxies in a row (last: "
                        f"{row[-1]}): see that the network is there, or try later; the same "
                        "command goes on from here"
                    )
        finally:
            stopped.set()
            pool.shutdown(cancel_futures=True)
            table = pd.DataFrame.from_dict(rows, orient="index", columns=list(_COLUMNS))
            write_table(folder / MANIFEST, table.sort_index().rename_axis(ID).reset_index())
    return table.loc[positions.index, "status"]


def _download_one(
    downloader: Downloader, folder: Path, cutout: Cutout, galaxy_id: int, ra: float, dec: float
) -> tuple[tuple, bool]:
    """Download a galaxy's image; returns its manifest row, and whether the server answered."""
    path, url = folder / f"{galaxy_id}.jpg", cutout.url(ra, dec)
    try:
        data = _read_whole(path, cutout)
        if data is None:
            data = downloader.fetch(url, cutout.check, MAX_IMAGE_BYTES)
            files.write_bytes(path, data)
    except DownloadError as error:
        return (ra, dec, url, 0, "", str(error)), error.is_refusal
    return (ra, dec, url, len(data), digest([data]), GOOD), True


def _read_whole(path: Path, cutout: Cutout) -> bytes | None:
    """Read an image downloaded before; None if missing or incomplete."""
    try:
        data = path.read_bytes()
        cutout.check(data)
    except (FileNotFoundError, ValueError):
        return None
    return data


def _read_manifest(path: Path) -> dict[int, tuple]:
    """GalaxyID -> row of an earlier download."""
    if not path.exists():
        return {}
    before = read_csv(path)
    if missing := [name for name in _COLUMNS if name not in before.columns]:
        raise InputError(
            f"{shown(path)} has no column '{missing[0]}': delete it, and it is made again"
        )
    rows = before[list(_COLUMNS)].itertuples(index=False, name=None)
    return dict(zip(before.index.tolist(), rows, strict=True))
