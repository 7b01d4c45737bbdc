"""Galaxies cut out of the Sloan Digital Sky Survey's colour images, by their place in the sky.

Each image is a file of its own, so whoever was stopped goes on where it was; `manifest.csv` beside
them says of every galaxy where its image came from, what it holds, and what failed.

Source: SkyServer's image cut-out service (https://skyserver.sdss.org/dr18/, "Image List" and its
"getjpeg"), the one that Galaxy Zoo 2's own images came from (Willett et al. 2013, section 2.2).
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import pandas as pd
from tqdm import tqdm

from galaxyzoo import atomic
from galaxyzoo.archives import MAX_IMAGE_BYTES
from galaxyzoo.config import ORIGINAL_PX
from galaxyzoo.downloads import Downloader, DownloadError, Manners, check_url
from galaxyzoo.encoded import check_encoded
from galaxyzoo.errors import InputError
from galaxyzoo.images import decode
from galaxyzoo.paths import shown
from galaxyzoo.tables import ID, read_csv, write_table

SERVICE = "https://skyserver.sdss.org/dr18/SkyServerWS/ImgCutout/getjpeg"
MANIFEST = "manifest.csv"
GOOD = "ok"
_COLUMNS = ("ra", "dec", "url", "bytes", "sha256", "status")
_BETWEEN_NOTES = 500  # images that a killed run may leave out of the manifest
_GIVE_UP = 20  # galaxies in a row that get no answer: the server is down, or the network


@dataclass(frozen=True)
class Cutout:
    """What is cut out around each galaxy."""

    # arcsec per pixel. Galaxy Zoo 2 scaled each image by the galaxy (0.02 of its Petrosian radius
    # petroR90_r), which the vote table does not hold; this suits the usual radius of 7.5".
    scale: float = 0.15
    size_px: int = ORIGINAL_PX
    service: str = SERVICE

    def url(self, ra: float, dec: float) -> str:
        """Address of the image around a place in the sky (degrees)."""
        side = f"width={self.size_px}&height={self.size_px}"
        return f"{self.service.rstrip('?')}?ra={ra:.6f}&dec={dec:.6f}&scale={self.scale:g}&{side}"

    def folder_name(self) -> str:
        """Name that tells images of another scale or size apart, so that none is taken for ours."""
        return f"sdss_{self.size_px}px_{self.scale:g}arcsec"

    def check(self, data: bytes) -> None:
        """Raise ValueError where bytes are no whole image of that size, or show nothing."""
        (height, width), _ = check_encoded(data)
        if (height, width) != (self.size_px, self.size_px):
            raise ValueError(f"its size is {width} × {height} px, not {self.size_px}")
        try:
            pixels = decode(data, ORIGINAL_PX, self.size_px)
        except cv2.error as error:
            raise ValueError(f"it does not decode ({error.code})") from None
        if pixels.min() == pixels.max():  # what lies outside the survey
            raise ValueError("all its pixels are alike: it shows nothing")


def download_cutouts(
    positions: pd.DataFrame, folder: Path, cutout: Cutout, manners: Manners
) -> pd.Series:
    """Download the galaxies' images into `<folder>/<GalaxyID>.jpg`, and keep the manifest.

    Images that are there and whole are kept.

    Args:
        positions: (galaxy, 2) `ra` and `dec` in degrees, by GalaxyID.
        folder: made where it is not there.
        cutout: what to cut out.
        manners: how to ask.
    Returns:
        (galaxy,) `GOOD`, or why there is no image, by GalaxyID in the order of the positions.
    Raises:
        InputError: the service gives no answer, its address is none, or the disk is full. What was
            downloaded until then is kept.
    """
    check_url(cutout.service)
    manifest = _Manifest(folder / MANIFEST)
    downloader = Downloader(manners)
    one = partial(_download_one, downloader, folder, cutout)
    silent = 0
    with ThreadPoolExecutor(manners.workers) as pool:
        jobs = {
            pool.submit(one, int(place.Index), place.ra, place.dec): int(place.Index)
            for place in positions.itertuples()
        }
        try:
            bar = tqdm(as_completed(jobs), "downloading", len(jobs), unit="image", disable=None)
            for job in bar:
                row, is_answered = job.result()
                manifest.add(jobs[job], row)
                silent = 0 if is_answered else silent + 1
                if silent == _GIVE_UP:
                    raise InputError(
                        f"{cutout.service} gives no image, of {silent} galaxies in a row (last: "
                        f"{row[-1]}): see that the network is there, or try later; the same "
                        "command goes on from here"
                    )
        finally:
            downloader.stop()
            pool.shutdown(cancel_futures=True)
            manifest.write()
    return manifest.statuses(positions.index)


def _download_one(
    downloader: Downloader, folder: Path, cutout: Cutout, galaxy_id: int, ra: float, dec: float
) -> tuple[tuple, bool]:
    """A galaxy's row of the manifest, and whether there was an answer, be it a refusal."""
    path, url = folder / f"{galaxy_id}.jpg", cutout.url(ra, dec)
    try:
        data = _read_whole(path, cutout)
        if data is None:
            data = downloader.fetch(url, cutout.check, MAX_IMAGE_BYTES)
            atomic.write_bytes(path, data)
    except DownloadError as error:
        return (ra, dec, url, 0, "", str(error)), error.is_refusal
    return (ra, dec, url, len(data), hashlib.sha256(data).hexdigest(), GOOD), True


def _read_whole(path: Path, cutout: Cutout) -> bytes | None:
    """An image that was downloaded before; None where it is not there, or not whole."""
    try:
        data = path.read_bytes()
        cutout.check(data)
    except (FileNotFoundError, ValueError):
        return None
    return data


class _Manifest:
    """The table beside the images; galaxies of earlier runs stay in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[int, tuple] = {}
        self._new = 0
        if path.exists():
            before = read_csv(path)
            if missing := [name for name in _COLUMNS if name not in before.columns]:
                raise InputError(
                    f"{shown(path)} has no column '{missing[0]}': delete it, and it is made again"
                )
            rows = before[list(_COLUMNS)].itertuples(index=False, name=None)
            self._rows = dict(zip(before.index.tolist(), rows, strict=True))

    def add(self, galaxy_id: int, row: tuple) -> None:
        """Take up a galaxy; now and then the file is written."""
        self._rows[galaxy_id] = row
        self._new += 1
        if self._new % _BETWEEN_NOTES == 0:
            self.write()

    def write(self) -> None:
        """Write the file, ids ascending."""
        rows = [(galaxy_id, *self._rows[galaxy_id]) for galaxy_id in sorted(self._rows)]
        write_table(self._path, pd.DataFrame(rows, columns=[ID, *_COLUMNS]))

    def statuses(self, ids: pd.Index) -> pd.Series:
        """(galaxy,) statuses by GalaxyID, in that order."""
        return pd.Series([self._rows[int(g)][-1] for g in ids], index=ids, dtype=object)
