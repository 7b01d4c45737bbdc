"""One galaxy's pixels in every form: equal votes by a bundled network."""

import gzip
import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.extras.formats.fits import FitsSettings, to_rgb
from galaxyzoo.inference.load_model import load_predictor
from galaxyzoo.inference.pictures import Model
from galaxyzoo.inference.predict import Predictor, predict_stores
from support.fits_files import part, write_fits
from support.forms import write_folder, write_hdf5, write_image_zip, write_npz, write_parquet

RUN = "gz37/d4cnn_transfer"
Y, X = np.mgrid[:128, :128] - 64
LIGHT = np.exp(-np.hypot(X, Y / 0.6) / 12)
NOISE = np.random.default_rng(0).normal(0, 0.01, (3, 128, 128))
CUBE = (LIGHT * np.array([0.4, 0.8, 1.2])[:, None, None] + NOISE).astype(np.float32)  # g, r, i
PICTURE = np.asarray(to_rgb(write_fits(CUBE), FitsSettings()))


def scaled(unit: float, zero: float, kind: str = "uint8") -> bytes:
    """As `hdu.scale` of astropy writes integers, for which values above 0 need no BZERO."""
    hdu = part((CUBE - CUBE.min()) * unit + zero * unit)
    hdu.scale(kind, "minmax")
    return write_fits(None, hdu)


def compressed(**how: Any) -> bytes:
    return write_fits(None, fits.CompImageHDU(CUBE, **how))


def bands(**header: Any) -> bytes:
    g, r, i = CUBE
    return write_fits(None, part(g, "G"), part(r, "R"), part(i, "I", **header))


# Files of measured pixels, with `--bands` and `--hdu` -> their votes are those of the plain cube
MEASURED: dict[str, tuple[Callable[[], bytes], dict[str, Any]]] = {
    "float64": (lambda: write_fits(CUBE.astype(np.float64)), {}),
    "other units": (lambda: write_fits(CUBE * 1024), {}),
    "an axis of 1": (lambda: write_fits(CUBE[None]), {}),
    "an extension": (lambda: write_fits(None, part(CUBE, "SCI"), part(NOISE, "ERR")), {}),
    "a version": (
        lambda: write_fits(None, part(NOISE, "SCI"), part(CUBE, "SCI", EXTVER=2)),
        {"hdu": ("SCI", "2")},
    ),
    "a band in each": (bands, {"hdu": ("1", "2", "3")}),
    "a band in each, by name": (bands, {"hdu": ("i", "r", "g"), "bands": (0, 1, 2)}),
    "BANDS": (lambda: write_fits(CUBE[::-1].copy(), BANDS="irg"), {}),
    "gzip": (lambda: gzip.compress(write_fits(CUBE)), {}),
    "compressed tiles": (lambda: compressed(compression_type="GZIP_2", quantize_level=0), {}),
}
# Those that keep some digits, 256 levels of the whole range at least
ROUNDED: dict[str, Callable[[], bytes]] = {
    "bytes of 0 to 1": lambda: scaled(1, 0),
    "bytes of 0 to 1000": lambda: scaled(1000, 0),
    "bytes above a zero": lambda: scaled(1, 5),
    "bytes of 0 to 1000, above a zero": lambda: scaled(1000, 5),
    "16 bits": lambda: scaled(1000, 0, "int16"),
    "float16 numbers": lambda: write_fits(CUBE.astype(np.float16).astype(np.float32)),
    "compressed tiles, quantized": lambda: compressed(compression_type="RICE_1"),
}


def write_colors(path: Path, pixels: list[np.ndarray], ids: list[Any]) -> Path:
    planes = np.ascontiguousarray(np.moveaxis(pixels[0], 2, 0)[:, ::-1])
    path.with_suffix(".fits").write_bytes(write_fits(planes))
    return path.with_suffix(".fits")


def write_fits_list(path: Path, pixels: list[np.ndarray], ids: list[Any]) -> Path:
    write_folder(path, pixels, ids)
    Table({"path": [f"{path.name}/{ids[0]}.png"]}).write(path.with_suffix(".fits"))
    return path.with_suffix(".fits")


# The picture of these pixels, 8 bits
DRAWN = {
    "PNG": write_folder,
    "PNG in a zip": write_image_zip,
    "PNG in Parquet": write_parquet,
    "HDF5": write_hdf5,
    "npz": write_npz,
    "FITS of three colors": write_colors,
    "FITS list": write_fits_list,
}


@cache
def predictor() -> Predictor:
    return load_predictor(BUNDLED, RUN, [0], 1)


def votes(path: Path, **settings: Any) -> pd.DataFrame:
    table, unreadable = predict_stores(predictor(), [path], FitsSettings(**settings))
    assert unreadable == []
    return table


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    path = tmp_path_factory.mktemp("plain") / "0.fits"
    path.write_bytes(write_fits(CUBE))
    return votes(path).to_numpy()


@pytest.mark.parametrize("form", MEASURED)
def test_measured_pixels_have_the_same_votes(tmp_path, expected, form):
    make, settings = MEASURED[form]
    (tmp_path / "0.fits").write_bytes(make())
    np.testing.assert_array_equal(votes(tmp_path / "0.fits", **settings), expected)


def test_rounded_pixels_have_almost_the_same_votes(tmp_path, expected):
    for number, make in enumerate(ROUNDED.values()):
        (tmp_path / f"{number}.fits").write_bytes(make())
    differences = np.abs(votes(tmp_path) - expected).max(axis=1)
    assert dict(zip(ROUNDED, differences < 0.02, strict=True)) == dict.fromkeys(ROUNDED, True)


@pytest.mark.parametrize("form", DRAWN)
def test_the_drawn_picture_has_the_same_votes(tmp_path, expected, form):
    path = DRAWN[form](tmp_path / "one", [PICTURE], [0])
    np.testing.assert_array_equal(votes(path), expected)


def test_an_array_in_memory_has_the_same_votes(expected):
    file = io.BytesIO()
    np.save(file, PICTURE)  # as of a user's .npy
    file.seek(0)
    table = Model(RUN, BUNDLED, predictor()).predict(np.load(file))
    np.testing.assert_array_equal(table, expected)
