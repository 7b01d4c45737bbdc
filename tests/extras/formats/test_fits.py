"""FITS cut-outs: the right bands, part and orientation, or a line with what to type."""

import bz2
import gzip
import io
import lzma
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.stats import mad_std
from astropy.visualization import make_lupton_rgb

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.data.image_cache import decode_many
from galaxyzoo.data.stores.opening import open_all
from galaxyzoo.extras.formats.fits import STRETCHES, TITLE, FitsSettings, to_rgb
from support.refusals import one_line_refusal

LINEAR = FitsSettings(stretch="linear")
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
LINE = np.arange(10.0)
MASK = np.zeros((48, 48), np.int32)


def part(values: np.ndarray | None, name: str | None = None, **header: Any) -> fits.ImageHDU:
    """An extension."""
    made = fits.ImageHDU(values, name=name)
    made.header.update(header)
    return made


def write(*parts: Any, **header: Any) -> bytes:
    """A FITS file of the parts, the first of values alone, with some keys in its header."""
    file = io.BytesIO()
    first = fits.PrimaryHDU(parts[0])
    first.header.update(header)
    fits.HDUList([first, *parts[1:]]).writeto(file)
    return file.getvalue()


def packed(values: np.ndarray) -> bytes:
    """A tile-compressed part behind an empty one."""
    return write(None, fits.CompImageHDU(values.astype(np.int32)))


def bands(*names: str, **header: Any) -> bytes:
    """A band in each extension."""
    return write(
        None, *[part(band, name, **header) for band, name in zip(CUBE, names, strict=True)]
    )


RIGHT: dict[str, tuple[Callable[[], bytes], str]] = {
    # Cutana's raw cut-outs, named by their tiles
    "a band an extension, named": (lambda: bands("TILE1_VIS", "TILE1_Y", "TILE1_H"), "1,2,3"),
    "a band an extension, by names": (lambda: bands("g", "r", "i"), "G,r,i"),
    # SCI, ERR and DQ of HST and JWST; IMAGE, MASK and VARIANCE of Rubin and HSC
    "SCI among others": (lambda: write(None, part(CUBE * 2, "ERR"), part(CUBE, "SCI")), ""),
    "IMAGE among others": (lambda: write(None, part(CUBE, "IMAGE"), part(CUBE, "VARIANCE")), ""),
    # Legacy Surveys' cutout service with invvar
    "the first, weights behind": (lambda: write(CUBE, part(CUBE + 1, "INVVAR")), ""),
    "by its number": (lambda: write(CUBE[::-1].copy(), part(CUBE)), "1"),
    # spectra, histograms and look-up arrays in front (astropy 8.0.2, HDUList)
    "1-D data in front": (lambda: write(LINE, part(CUBE)), ""),
    "a few rows in front": (lambda: write(np.ones((4, 99)), part(CUBE)), ""),
    # radio's cubes: CASA's exportfits keeps the axis of Stokes
    "an axis of 1 in front": (lambda: write(CUBE[None]), ""),
    "an axis of 1 amid": (lambda: write(CUBE[:, None]), ""),
    "an axis of 1 behind": (lambda: write(CUBE[..., None]), ""),
    "gzip": (lambda: gzip.compress(write(CUBE)), ""),
    "tile compression": (lambda: packed(CUBE), ""),  # fpack's .fits.fz
}


@pytest.mark.parametrize("case", RIGHT)
def test_a_form_gives_the_plain_cubes_picture(case):
    make, hdu = RIGHT[case]
    settings = FitsSettings(hdu=tuple(hdu.split(",")) if hdu else ())
    assert np.array_equal(to_rgb(make(), settings), to_rgb(write(CUBE), FitsSettings()))


def test_linear_values_are_as_by_hand():
    values = np.kron(np.array([[[0.0, 1.0], [2.0, 10.0]]] * 3), np.ones((4, 4)))
    values[2, 4:, 4:] = 5  # red
    picture = to_rgb(write(values), LINEAR)
    assert picture[::4, ::4, 1].tolist() == [[51, 255], [0, 26]]  # last row first; 25.5 to even
    assert picture[0, 4].tolist() == [128, 255, 255]  # red, green, blue


@pytest.mark.parametrize("stretch", STRETCHES)
def test_a_red_disc_is_red_and_above(stretch):
    values = galaxy(x=16, y=33)
    picture = to_rgb(write(values), FitsSettings(stretch=stretch)).astype(int)
    assert picture.shape == (48, 48, 3)
    light = picture.sum(axis=2)
    y, x = np.argwhere(light >= 0.9 * light.max()).mean(axis=0)
    assert (round(y), round(x)) == (47 - 33, 16)  # FITS counts rows from below
    assert picture[..., 0].sum() > picture[..., 2].sum()
    turned = to_rgb(write(values), FitsSettings(stretch=stretch, bands=(0, 1, 2))).astype(int)
    assert np.array_equal(turned, picture[..., ::-1])
    gray = to_rgb(write(values[0]), FitsSettings(stretch=stretch))
    assert (gray == gray[..., :1]).all()
    assert np.ptp(gray) > 50


@pytest.mark.parametrize("brightest", [0, 3e4, 1e25])
def test_luptons_stretch_is_astropys(brightest):
    values = np.random.default_rng(1).normal(0, 1, (3, 200, 200)).astype(np.float32)
    values[:, 90:110, 90:110] += np.geomspace(0.01, 1000, 20, dtype=np.float32)
    values[0, 95, 95:97] += brightest
    sky = values - np.median(values[:, ::2, ::2], axis=(1, 2), keepdims=True)
    right = make_lupton_rgb(
        *sky[::-1], minimum=0, stretch=20 * float(mad_std(sky[:, ::2, ::2])), Q=8
    )
    difference = np.abs(to_rgb(write(values), FitsSettings())[::-1].astype(int) - right)
    assert difference.max() <= 1
    assert difference.mean() < 1e-3


@pytest.mark.parametrize("settings", [LINEAR, FitsSettings(stretch="linear", pixel_arcsec=0.5)])
def test_the_field_is_the_center_by_the_header_or_the_given_scale(settings):
    kept = round(5 / (settings.pixel_arcsec or SCALE))
    edge = (48 - kept) // 2
    inner = CUBE[:, edge : edge + kept, edge : edge + kept]
    assert np.array_equal(to_rgb(write(CUBE, **SKY), settings, 5), to_rgb(write(inner), settings))


def to_folder(path: Path, files: dict[str, bytes]) -> list[Path]:
    (path / "cuts").mkdir()
    for name, data in files.items():
        (path / "cuts" / name).write_bytes(data)
    return [path / "cuts"]


def to_zip(path: Path, files: dict[str, bytes]) -> list[Path]:
    with zipfile.ZipFile(path / "cuts.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return [path / "cuts.zip"]


def to_list(path: Path, files: dict[str, bytes]) -> list[Path]:
    to_folder(path, files)
    table = pd.DataFrame({"path": [f"cuts/{name}" for name in files], "petroR90_r": 6 / 8.48})
    table.to_csv(path / "cuts.csv", index=False)
    return [path / "cuts.csv"]


@pytest.mark.parametrize("form", [to_folder, to_zip, to_list])
def test_every_form_gives_the_same_pictures(tmp_path, form):
    png = cv2.imencode(".png", np.full((40, 40, 3), 90, np.uint8))[1].tobytes()
    cut = write(CUBE, **SKY)
    settings = {TITLE: FitsSettings(field_arcsec=6)}
    [store] = open_all(form(tmp_path, {"7.fits": cut, "8.png": png}), settings)
    assert not store.left_out
    store = pickle.loads(pickle.dumps(store))  # as other processes get it
    images, problems = decode_many(store, ImageConfig(crop_px=424, cache_px=24))
    assert problems == {}
    by_name = {Path(store.names[int(i)]).name: images[i] for i in store.ids}
    assert np.array_equal(by_name["7.fits"], to_rgb(cut, FitsSettings(), 6))  # 24 px of 0.25"
    assert (by_name["8.png"] == 90).all()
    assert len(store.notes) == (form is not to_list)


def test_another_stretch_is_another_digest(tmp_path):
    paths = to_folder(tmp_path, {"7.fits": write(CUBE)})
    [one] = open_all(paths)
    [other] = open_all(paths, {TITLE: LINEAR})
    assert one.identities()[0] != other.identities()[0]
    assert len(other.notes) == 2
    assert "linear" in other.notes[0]


def renamed(key: bytes, old: int, new: int) -> bytes:
    """A file whose head says another number."""
    data = write(CUBE)
    assert key + b"%21d" % old in data
    return data.replace(key + b"%21d" % old, key + b"%21d" % new)


def table_alone() -> bytes:
    """A FITS file with a table and no image."""
    file = io.BytesIO()
    fits.BinTableHDU.from_columns([fits.Column("x", "E", array=[1.0])]).writeto(file)
    return file.getvalue()


HOLED = np.where(np.arange(48) == 4, np.nan, CUBE)
DAMAGED = "FITS is damaged"
NO_SCALE = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 180.0, "CRVAL2": 30.0}
WRONG: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "parts of any name": (
        lambda: bands("A", "B", "C"),
        "",
        "It has 1 A, 2 B, 3 C: give --hdu 1, or --hdu 1,2,3 for one band in each",
    ),
    "planes and a cube": (
        lambda: write(None, part(MASK, "A"), part(CUBE, "B")),
        "",
        "which extension is the image? It has 1 A, 2 B: give --hdu 1,",
    ),
    "colors last": (lambda: write(np.moveaxis(CUBE, 0, 2).copy()), "", "its shape is (48, 48, 3)"),
    "bands of two sizes": (
        lambda: write(None, part(CUBE[0]), part(CUBE[1, :30])),
        "1,2",
        "--hdu 1,2: these extensions differ in size",
    ),
    "no such name": (lambda: write(CUBE, part(MASK, "DQ")), "SCI", "extension --hdu SCI, but 0 "),
    "no such number": (lambda: write(CUBE, part(MASK, "DQ")), "7", "1 DQ"),
    "an empty part": (
        lambda: write(None, part(CUBE, "A")),
        "0",
        "--hdu 0 is not an image; it has 1 A",
    ),
    "a line by name": (lambda: write(LINE, part(CUBE)), "0", "its shape is (10,)"),
    "lines alone": (lambda: write(LINE, part(LINE)), "", "its shape is (10,)"),
    "a few px wide": (lambda: write(CUBE[:, :7]), "", "its shape is (3, 7, 48)"),
    "one value": (lambda: write(np.full((3, 48, 48), 2.5)), "", "have the same value (2.5)"),
    "a value a band": (lambda: write(CUBE[:, :1, :1] + 0 * CUBE), "", "have the same value"),
    "two values": (lambda: write((CUBE > 200).astype(np.uint8)), "", "stretch needs sky noise"),
    "NaN": (lambda: write(HOLED), "", "144 of its pixels have no value"),
    "cut off": (lambda: write(CUBE)[:6000], "", DAMAGED),
    "packed and cut off": (lambda: packed(np.tile(CUBE, (1, 4, 4)))[:20000], "", DAMAGED),
    "head alone": (lambda: write(CUBE)[:2000], "", DAMAGED),
    "gzip, cut off": (lambda: gzip.compress(write(CUBE))[:-900], "", DAMAGED),
    "gzip of text": (lambda: gzip.compress(b"text"), "", DAMAGED),
    "text": (lambda: b"SIMPLE  = nothing else", "", DAMAGED),
    "no pixels": (lambda: write(np.zeros(0)), "", "shape is (0,)"),
    "a table": (table_alone, "", "has no image"),
    "four axes": (lambda: write(np.stack([CUBE] * 2)), "", "shape is (2, 3, 48, 48)"),
    "two bands": (lambda: write(CUBE[:2]), "", "2 bands, but --bands names 2"),
    "a side that it lacks": (lambda: renamed(b"NAXIS1  =", 48, 9000), "", DAMAGED),
    "bands that it lacks": (lambda: renamed(b"NAXIS3  =", 3, 99999999), "", "too large"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_read_says_what_to_type(case):
    make, hdu, why = WRONG[case]
    settings = FitsSettings(hdu=tuple(hdu.split(",")) if hdu else ())
    assert why in one_line_refusal(to_rgb, make(), settings)


SCALES: dict[str, tuple[dict[str, Any], str]] = {  # astropy 8.0.2, WCS
    "no coordinates": ({}, "no pixel scale"),
    "an unknown projection": ({**SKY, "CTYPE1": "RA---XYZ"}, "(XYZ in CTYPE1)"),
    "no CDELT": (NO_SCALE, "no pixel scale"),
    "CDELT of one axis": ({**NO_SCALE, "CDELT1": 1e-4}, "no pixel scale"),
    "CTYPE1 alone": ({"CTYPE1": "RA---TAN"}, "WCS is damaged"),
    "CDELT of 0": ({**NO_SCALE, "CDELT1": 0.0, "CDELT2": 0.0}, "WCS is damaged"),
}


@pytest.mark.parametrize("case", SCALES)
def test_coordinates_without_a_scale_name_the_option(case):
    header, why = SCALES[case]
    data = write(None, part(CUBE, **header))
    line = one_line_refusal(to_rgb, data, FitsSettings(), 5)
    assert why in line
    assert line.endswith("give --pixel-scale")
    assert to_rgb(data, FitsSettings(pixel_arcsec=0.25), 5).shape == (20, 20, 3)


BZERO = {"i1": -(2**7), "u2": 2**15, "u4": 2**31, "u8": 2**63}
PACKED_BZERO = {**BZERO, "u8": 2**31}


@pytest.mark.pinned  # astropy below 8 takes BLANK for a value where bytes are packed
@pytest.mark.parametrize("blank", [0, 7])
@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_blank_of_any_integer_has_no_value(kind, blank, is_packed):
    values = np.clip(CUBE, 1 + blank, 120).astype(kind)
    values[1, 3, 4:6] = blank
    make, zeros = (fits.CompImageHDU, PACKED_BZERO) if is_packed else (part, BZERO)
    made = make(values)
    made.header["XLANK"] = blank - zeros.get(kind, 0)  # astropy would write NaN
    data = write(None, made).replace(b"XLANK  ", b"BLANK  ")
    assert "2 of its pixels have no value" in one_line_refusal(to_rgb, data, FitsSettings())
    values[1, 3, 4:6] = values[1, 3, 6]
    made = make(values)
    assert to_rgb(write(None, made), FitsSettings()).shape == (48, 48, 3)


@pytest.mark.parametrize("side", [8, 16, 30])  # of 48: 31, 56 and 86 % are padding
def test_padding_is_refused_unless_another_stretch_is_named(side):
    padded = np.where(np.arange(48) < side, 0, CUBE)
    padded[:, :side] = 0
    assert "this sky has none or" in one_line_refusal(to_rgb, write(padded), FitsSettings())
    assert to_rgb(write(padded), LINEAR).any()


@pytest.mark.parametrize("radius", ["", "x", "0", "-1", "inf"])
def test_a_radius_that_is_none_is_refused(tmp_path, radius):
    to_folder(tmp_path, {"7.fits": write(CUBE, **SKY)})
    (tmp_path / "cuts.csv").write_text(f"path,petroR90_r\ncuts/7.fits,{radius}\n")
    assert "'petroR90_r' of row 0 is not a radius" in one_line_refusal(
        open_all, [tmp_path / "cuts.csv"]
    )


def test_names_with_other_ends_are_fits(tmp_path):
    data = write(CUBE)
    files = {
        "1.fits": data,
        "2.fits.gz": gzip.compress(data),
        "6.fits.bz2": bz2.compress(data),
        "7.fits.xz": lzma.compress(data),
        "3.FITS.FZ": packed(CUBE),
        "4.fts": data,
        "5.fit": data,
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    for paths in ([tmp_path], [tmp_path / name for name in files]):
        [store] = open_all(paths)
        assert not store.left_out
        pictures = [store.load(int(i)) for i in store.ids]
        assert len(pictures) == 7
        assert all(np.array_equal(p, to_rgb(data, FitsSettings())) for p in pictures)
