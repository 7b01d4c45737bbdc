"""FITS files of a red galaxy, as telescopes and archives write them."""

import io
from typing import Any

import numpy as np
from astropy.io import fits

SCALE = 0.25  # arcsec
SKY: dict[str, Any] = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 24, "CRPIX2": 24, "CRVAL1": 180,
    "CRVAL2": 30, "CD1_1": -SCALE / 3600, "CD1_2": 0, "CD2_1": 0, "CD2_2": SCALE / 3600,
}  # fmt: skip


def galaxy(sky: float = 100, x: int = 24, y: int = 24) -> np.ndarray:
    """(3, 48, 48) float32 whole numbers: a red disc around (x, y) on a noisy sky."""
    rows, columns = np.mgrid[:48, :48]
    disc = 400 * np.exp(-np.hypot(columns - x, rows - y) / 4)
    noise = np.random.default_rng(0).normal(0, 9, (3, 48, 48))
    color = np.array([0.4, 0.8, 1.2])[:, None, None]  # of blue, green, red
    return np.round(disc * color + noise + sky).astype(np.float32)


CUBE = galaxy()


def part(values: np.ndarray | None, name: str | None = None, **header: Any) -> fits.ImageHDU:
    """An extension."""
    made = fits.ImageHDU(values, name=name)
    made.header.update(header)
    return made


def write_fits(*parts: Any, **header: Any) -> bytes:
    """A FITS file of the parts, the first of values alone, with some keys in its header."""
    file = io.BytesIO()
    first = fits.PrimaryHDU(parts[0])
    first.header.update(header)
    fits.HDUList([first, *parts[1:]]).writeto(file)
    return file.getvalue()


def packed(values: np.ndarray) -> bytes:
    """A tile-compressed part behind an empty one."""
    return write_fits(None, fits.CompImageHDU(values.astype(np.int32)))


def bands(*names: str, **header: Any) -> bytes:
    """A band in each extension."""
    return write_fits(
        None, *[part(band, name, **header) for band, name in zip(CUBE, names, strict=True)]
    )
