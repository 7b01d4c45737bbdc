"""FITS cut-outs that are not read: a line that says what to type."""

import gzip
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from galaxyzoo.data.stores.opening import open_all
from galaxyzoo.extras.formats.fits import FitsSettings, to_rgb
from support.fits_files import CUBE, SKY, bands, packed, part, write_fits
from support.refusals import one_line_refusal

LINEAR = FitsSettings(stretch="linear")
MASK = np.zeros((48, 48), np.int32)


def renamed(key: bytes, old: int, new: int) -> bytes:
    """A file whose head says another number."""
    data = write_fits(CUBE)
    assert key + b"%21d" % old in data
    return data.replace(key + b"%21d" % old, key + b"%21d" % new)


LINE = np.arange(10.0)
TABLE = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=[1.0])])
NAMELESS = "it has 1 A, 2 B: choose the image with --hdu 1,"
CHIPS = [part(CUBE, name, EXTVER=k) for k in (1, 2) for name in ("SCI", "ERR")]
UNEQUAL = part(CUBE[0]), part(CUBE[1, :30])
SIZES = "--hdu 1,2: these extensions differ in size"
DEAD = CUBE.copy()
DEAD[1] = 7
DAMAGED = "FITS file is damaged"
NO_SCALE = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 180.0, "CRVAL2": 30.0}
WRONG: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "parts of any name": (lambda: bands("A", "B", "C"), "", "2 B, 3 C: choose the image with"),
    "planes and a cube": (lambda: write_fits(None, part(MASK, "A"), part(CUBE, "B")), "", NAMELESS),
    "colors last": (lambda: write_fits(np.moveaxis(CUBE, 0, 2).copy()), "", "(48, 48, 3)"),
    "bands of two sizes": (lambda: write_fits(None, *UNEQUAL), "1,2", SIZES),
    "no such name": (lambda: write_fits(CUBE, part(MASK, "DQ")), "SCI", "SCI (--hdu), only 0"),
    "an empty part": (lambda: write_fits(None, part(CUBE, "A")), "0", "--hdu 0: not an image"),
    "lines alone": (lambda: write_fits(LINE, part(LINE)), "", "its shape is (10,)"),
    "one value": (
        lambda: write_fits(np.full((3, 48, 48), 2.5)),
        "",
        "band 2 have the same value (2.5)",
    ),
    "two values": (lambda: write_fits((CUBE > 200).astype("i2")), "", "stretch needs sky noise"),
    "one value in a band": (lambda: write_fits(DEAD), "", "band 1 have the same value (7): choose"),
    "a name of two": (lambda: write_fits(None, *CHIPS), "SCI", "it has 1 SCI, 3 SCI: choose the"),
    "a name of two, and a part": (
        lambda: write_fits(None, *CHIPS),
        "SCI,4",
        "1 SCI, 3 SCI: choose",
    ),
    "no such version": (lambda: write_fits(CUBE, part(MASK, "DQ")), "DQ,2", "2 (--hdu), only 0"),
    "cut off": (lambda: write_fits(CUBE)[:6000], "", DAMAGED),
    "packed and cut off": (lambda: packed(np.tile(CUBE, (1, 4, 4)))[:20000], "", DAMAGED),
    "gzip, cut off": (lambda: gzip.compress(write_fits(CUBE))[:-900], "", DAMAGED),
    "a table": (lambda: write_fits(None, TABLE), "", "has no image"),
    # as in files of Rubin and JWST
    "the number of a table": (
        lambda: write_fits(None, TABLE, part(CUBE, "SCI")),
        "1",
        "--hdu 1: not an image; the file has 2 SCI",
    ),
    "no such name beside a table": (lambda: write_fits(CUBE, TABLE), "X", "X (--hdu), only 0"),
    # as fitsio and galsim's writeMulti write bands
    "bands without names": (
        lambda: write_fits(CUBE[0], part(CUBE[1]), part(CUBE[2])),
        "",
        "it has 0 PRIMARY, 1, 2: choose the image with --hdu 0, or --hdu 0,1,2 for one band",
    ),
    "several beside a table": (
        lambda: write_fits(None, TABLE, part(CUBE, "A"), part(CUBE, "B")),
        "",
        "it has 2 A, 3 B: choose the image with",
    ),
    "four axes": (lambda: write_fits(np.stack([CUBE] * 2)), "", "shape is (2, 3, 48, 48)"),
    "two bands": (lambda: write_fits(CUBE[:2]), "", "only bands 0 to 1: set --bands R,G,B"),
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
    "CDELT of 0": ({**NO_SCALE, "CDELT1": 0.0, "CDELT2": 0.0}, "WCS is damaged"),
}


@pytest.mark.parametrize("case", SCALES)
def test_coordinates_without_a_scale_name_the_option(case):
    header, why = SCALES[case]
    data = write_fits(None, part(CUBE, **header))
    line = one_line_refusal(to_rgb, data, FitsSettings(), 5)
    assert why in line
    assert line.endswith("add --pixel-scale")
    assert to_rgb(data, FitsSettings(pixel_arcsec=0.25), 5).shape == (20, 20, 3)


BZERO = {"i1": -(2**7), "u2": 2**15, "u4": 2**31, "u8": 2**63}
PACKED_BZERO = {**BZERO, "u8": 2**31}


@pytest.mark.pinned  # astropy below 8 takes BLANK for a value where bytes are packed
@pytest.mark.parametrize("blank", [0, 7])
@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_blank_of_any_integer_has_no_value(kind, blank, is_packed):
    values = np.clip(CUBE, 1 + blank, 120).astype(kind)
    values[1, 24, 24:26] = blank
    make, zeros = (fits.CompImageHDU, PACKED_BZERO) if is_packed else (part, BZERO)
    made = make(values)
    made.header["XLANK"] = blank - zeros.get(kind, 0)  # astropy would write NaN
    data = write_fits(None, made).replace(b"XLANK  ", b"BLANK  ")
    assert "band 1 has no value (NaN) in 2 pixels near" in one_line_refusal(
        to_rgb, data, FitsSettings()
    )
    values[1, 24, 24:26] = values[1, 24, 26]
    made = make(values)
    assert to_rgb(write_fits(None, made), FitsSettings()).shape == (48, 48, 3)


def test_blank_means_nothing_in_floats():
    """A header that was copied from an image of whole numbers (FITS standard 4.0, 4.4.2.4)."""
    values = CUBE.copy()
    values[1, 24, 24] = 0
    picture = to_rgb(write_fits(values, BLANK=0), FitsSettings())
    assert np.array_equal(picture, to_rgb(write_fits(values), FitsSettings()))
    assert picture.notes == {}


@pytest.mark.parametrize("side", [8, 16, 30])  # of 48: 31, 56 and 86 % are padding
def test_padding_is_refused_unless_another_stretch_is_named(side):
    padded = np.where(np.arange(48) < side, 0, CUBE)
    padded[:, :side] = 0
    assert "is noiseless or padded" in one_line_refusal(to_rgb, write_fits(padded), FitsSettings())
    assert to_rgb(write_fits(padded), LINEAR).any()


@pytest.mark.parametrize("radius", ["", "nan", "N/A", "0", "-9999", "inf"])
@pytest.mark.parametrize("column", ["petroR90_r", "PETROR90_R", "petroR90_r_1"])
def test_a_missing_radius_is_an_error_of_its_image_alone(tmp_path, column, radius):
    for name in ("7.fits", "8.fits"):
        (tmp_path / name).write_bytes(write_fits(CUBE, **SKY))
    (tmp_path / "a.csv").write_text(f"path,{column}\n7.fits,{radius}\n8.fits,1\n")
    [images] = open_all([tmp_path / "a.csv"])
    assert "its petroR90_r is missing in the list" in one_line_refusal(images.load, 0)
    field = images.load(1)
    assert np.array_equal(field, to_rgb(write_fits(CUBE, **SKY), FitsSettings(), 8.48))
    [images] = open_all([tmp_path / "a.csv"], FitsSettings(field_arcsec=8.48))
    assert np.array_equal(images.load(0), field)


def test_a_radius_that_is_no_number_is_refused(tmp_path):
    radius = "3 arcsec"
    (tmp_path / "a.csv").write_text(f"path,petroR90_r\n7.fits,{radius}\n")
    message = one_line_refusal(open_all, [tmp_path / "a.csv"])
    assert "'petroR90_r' of data row 1 is not a radius in arcsec (such rows: 1)" in message
    (tmp_path / "a.csv").write_text(f"path,petroR90_r\n7.jpg,{radius}\n")
    assert len(open_all([tmp_path / "a.csv"])[0]) == 1  # where nothing uses it
