"""Download cut-outs of galaxies from the Sloan Digital Sky Survey's color images.

pooch tries again what may pass. Each image is checked and a file of its own, so a stopped download
goes on where it was.

Source: SkyServer's image cut-out service (https://skyserver.sdss.org/dr18/, "Image List" and its
"getjpeg"), the one that Galaxy Zoo 2's own images came from (Willett et al. 2013, section 2.2).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import pandas as pd

from galaxyzoo.config.schema import ORIGINAL_PX
from galaxyzoo.core import console, files
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.decoding import decode, read_size

SERVICE = "https://skyserver.sdss.org/dr18/SkyServerWS/ImgCutout/getjpeg"
SIZE_PX = ORIGINAL_PX
# arcsec per pixel. Galaxy Zoo 2 scaled each image by the galaxy (0.02 of its Petrosian radius
# petroR90_r), which the vote table does not hold; this suits the usual radius of 7.5".
SCALE = 0.15
FOLDER = f"sdss_{SIZE_PX}px_{SCALE:g}arcsec"
_RETRIES = 4  # of each file, pooch's pauses of 1, 2, 3, 4 s between them
_TIMEOUT_S = 30.0  # without a byte
# Statuses that may pass: too early, too many requests, a server that fails for a while.
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_WORKERS = 4  # parallel downloads
_GIVE_UP = 20  # galaxies in a row without an answer: the server is down, or the network


class DownloadError(Exception):
    """A file could not be downloaded."""


class RefusedError(DownloadError):
    """The server answered that it has no such file."""


def cutout_url(service: str, ra: float, dec: float) -> str:
    """Address of the image around a place in the sky (degrees)."""
    side = f"width={SIZE_PX}&height={SIZE_PX}"
    return f"{service.rstrip('?')}?ra={ra:.6f}&dec={dec:.6f}&scale={SCALE:g}&{side}"


def check_image(data: bytes) -> None:
    """Raise ValueError unless bytes are a whole image of that size that shows something."""
    height, width = read_size(data)
    if (height, width) != (SIZE_PX, SIZE_PX):
        raise ValueError(f"its size is {width} × {height} px, not {SIZE_PX} × {SIZE_PX}")
    try:
        pixels = decode(data, ORIGINAL_PX, SIZE_PX)
    except cv2.error as error:
        raise ValueError(f"it cannot be decoded ({error.code})") from None
    if pixels.min() == pixels.max():  # what lies outside the survey
        raise ValueError("it is blank: all its pixels are equal")


def fetch(url: str, path: Path, check: Callable[[bytes], None]) -> None:
    """Download a file, which gets its name once its content has passed the check.

    Args:
        url: http or https.
        path: of the file; one that is there is replaced.
        check: raises ValueError where the content is not what it should be.
    Raises:
        DownloadError: every try failed, with the last reason.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    # A stream leaves the connection of a refused request open.
    receive = pooch.HTTPDownloader(timeout=_TIMEOUT_S, stream=False)

    def receive_checked(url: str, file: str, _: object) -> None:
        try:
            receive(url, file, None)
        except requests.HTTPError as error:
            status = getattr(error.response, "status_code", 0)
            if status in _PASSING:
                raise ValueError(f"HTTP {status}") from None  # pooch tries again
            raise RefusedError(f"HTTP {status}") from None
        check(Path(file).read_bytes())

    registry = {path.name: None}
    urls = {path.name: url}
    store = pooch.create(path.parent, "", registry=registry, urls=urls, retry_if_failed=_RETRIES)
    with files.explain_write_errors(path):
        path.unlink(missing_ok=True)  # or pooch would keep it
        try:
            store.fetch(path.name, downloader=receive_checked)
        except requests.RequestException as error:
            raise DownloadError(f"no connection: {error}") from None
        except ValueError as error:
            raise DownloadError(str(error)) from None


def download_cutouts(positions: pd.DataFrame, folder: Path, service: str) -> dict[int, str]:
    """Download the galaxies' images into `<folder>/<GalaxyID>.jpg`.

    Images that are there and whole are kept, also after an error.

    Args:
        positions: (galaxy, 2) `ra` and `dec` in degrees, by GalaxyID.
        folder: made where it is missing.
        service: address of the cut-out service.
    Returns:
        Why there is no image, by GalaxyID of each galaxy without one.
    Raises:
        InputError: the address is none, or `_GIVE_UP` galaxies in a row got no answer.
    """
    address = urlsplit(service)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise InputError(f"--base-url '{service}' must be an http:// or https:// address")
    failed: dict[int, str] = {}
    silent = 0

    def download_one(galaxy_id: int, ra: float, dec: float) -> DownloadError | None:
        path = folder / f"{galaxy_id}.jpg"
        try:
            if not _is_whole(path):
                fetch(cutout_url(service, ra, dec), path, check_image)
        except DownloadError as error:
            return error
        return None

    galaxies = positions.index.tolist()
    with ThreadPoolExecutor(_WORKERS) as pool:
        jobs = pool.map(download_one, galaxies, positions["ra"], positions["dec"])
        try:
            bar = console.ProgressBar(jobs, "downloading", len(galaxies), unit="image")
            for galaxy_id, error in zip(galaxies, bar, strict=True):
                if error is None or isinstance(error, RefusedError):
                    silent = 0
                else:
                    silent += 1
                if error:
                    failed[galaxy_id] = str(error)
                if silent == _GIVE_UP:
                    raise InputError(
                        f"{service} returned no image for {silent} galaxies in a row (last: "
                        f"{error}): check the network or try later, and rerun the command to resume"
                    )
        finally:
            pool.shutdown(cancel_futures=True)
    return failed


def _is_whole(path: Path) -> bool:
    """Check an image downloaded before."""
    try:
        check_image(path.read_bytes())
    except (OSError, ValueError):
        return False
    return True
