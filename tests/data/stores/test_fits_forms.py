"""FITS as the field's tools write it: the plain cube's picture, or a line with what to type."""

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from galaxyzoo.data.stores.fits import FitsSettings, draw
from galaxyzoo.data.stores.opening import open_stores
from support.refusals import one_line_refusal


def galaxy(sky: float = 100) -> np.ndarray:
    """(3, 48, 48) float32 whole numbers: a disc in the middle of a noisy sky."""
    y, x = np.mgrid[:48, :48] - 24
    disc = 400 * np.exp(-np.hypot(x, y) / 4) * np.array([0.4, 0.8, 1.2])[:, None, None]
    noise = np.random.default_rng(0).normal(0, 9, (3, 48, 48))
    return np.round(disc + noise + sky).astype(np.float32)


CUBE = galaxy()
LINE = np.arange(10.0)
MASK = np.zeros((48, 48), np.int32)


def part(values: np.ndarray | None, name: str | None = None, **header: Any) -> fits.ImageHDU:
    """An extension."""
    made = fits.ImageHDU(values, name=name)
    made.header.update(header)
    return made


def write(*parts: Any) -> bytes:
    """A FITS file of the parts, the first of values alone."""
    file = io.BytesIO()
    first = fits.PrimaryHDU(parts[0])
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
    # Cutana (esa/Cutana at 01ba8a1, cutout_writer_fits.py: ImageHDU(name=channel))
    "a band an extension, Cutana": (lambda: bands("CHANNEL_1", "CHANNEL_2", "CHANNEL_3"), ""),
    # its raw cut-outs, named by their tiles
    "a band an extension, named": (lambda: bands("TILE1_VIS", "TILE1_Y", "TILE1_H"), "1,2,3"),
    "a band an extension, by names": (lambda: bands("g", "r", "i"), "G,r,i"),
    # astrocut (spacetelescope/astrocut at 05a7a35, fits_cutout.py:_hducut), single_outfile
    "a band an extension, astrocut": (lambda: bands("CUTOUT", "CUTOUT", "CUTOUT"), ""),
    "astrocut of SCI": (lambda: bands("CUTOUT", "CUTOUT", "CUTOUT", O_EXT_NM="SCI"), ""),
    # SCI, ERR and DQ of HST and JWST; IMAGE, MASK and VARIANCE of Rubin and HSC
    "SCI among others": (lambda: write(None, part(CUBE * 2, "ERR"), part(CUBE, "SCI")), ""),
    "IMAGE among others": (lambda: write(None, part(CUBE, "IMAGE"), part(CUBE, "VARIANCE")), ""),
    # Legacy Surveys' cutout service with invvar
    "the first, weights behind": (lambda: write(CUBE, part(CUBE + 1, "INVVAR")), ""),
    "the cube among planes": (lambda: write(None, part(MASK, "A"), part(CUBE, "B")), ""),
    "the larger one": (lambda: write(None, part(CUBE[:, :20, :20], "PSF"), part(CUBE, "B")), ""),
    "by its number": (lambda: write(CUBE[::-1].copy(), part(CUBE)), "1"),
    # spectra, histograms and look-up arrays in front (astropy 8.0.2, HDUList)
    "1-D data in front": (lambda: write(LINE, part(CUBE)), ""),
    "a few rows in front": (lambda: write(np.ones((4, 99)), part(CUBE)), ""),
    # matplotlib's and PIL's axes, written as they are
    "colors last": (lambda: write(np.moveaxis(CUBE, 0, 2).copy()), ""),
    "four colors last": (
        lambda: write(np.moveaxis(np.stack([*CUBE, CUBE[0]]), 0, 2).copy()),
        "",
    ),
    # radio's cubes: CASA's exportfits keeps the axis of Stokes
    "an axis of 1 in front": (lambda: write(CUBE[None]), ""),
    "an axis of 1 amid": (lambda: write(CUBE[:, None]), ""),
    "an axis of 1 behind": (lambda: write(CUBE[..., None]), ""),
    "gzip": (lambda: gzip.compress(write(CUBE)), ""),
    "tile compression": (lambda: packed(CUBE), ""),  # fpack's .fits.fz
}


@pytest.mark.parametrize("case", RIGHT)
def test_a_form_gives_the_plain_cubes_picture(case: str) -> None:
    make, hdu = RIGHT[case]
    settings = FitsSettings(hdu=tuple(hdu.split(",")) if hdu else ())
    assert np.array_equal(draw(make(), settings), draw(write(CUBE), FitsSettings()))


NO_SCALE = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 180.0, "CRVAL2": 30.0}
WRONG: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "parts of any name": (
        lambda: bands("A", "B", "C"),
        "",
        "It has 1 A, 2 B, 3 C: give --hdu 1, or --hdu 1,2,3 for a band in each",
    ),
    "bands of two sizes": (
        lambda: write(None, part(CUBE[0]), part(CUBE[1, :30])),
        "1,2",
        "--hdu 1,2: these parts have bands of different sizes",
    ),
    "no such name": (lambda: write(CUBE, part(MASK, "DQ")), "SCI", "no part --hdu SCI, but 0 "),
    "no such number": (lambda: write(CUBE, part(MASK, "DQ")), "7", "1 DQ"),
    "an empty part": (lambda: write(None, part(CUBE, "A")), "0", "--hdu 0 is no image; it has 1 A"),
    "a line by name": (lambda: write(LINE, part(CUBE)), "0", "its shape is (10,)"),
    "lines alone": (lambda: write(LINE, part(LINE)), "", "its shape is (10,)"),
    "a few px wide": (lambda: write(CUBE[:, :7]), "", "48 × 7 px of it are too few: 8"),
    "one value": (lambda: write(np.full((3, 48, 48), 2.5)), "", "have one value (2.5)"),
    "a value a band": (lambda: write(CUBE[:, :1, :1] + 0 * CUBE), "", "have one value"),
    "padding to the middle": (
        lambda: write(np.where(np.arange(48) < 30, 0, CUBE)),
        "",
        "its middle has one value, as much around it: is it padding?",
    ),
    "two values": (
        lambda: write((CUBE > 200).astype(np.uint8)),
        "",
        "no noise to set Lupton's stretch by: give --stretch linear",
    ),
    "gzip, cut off": (lambda: gzip.compress(write(CUBE))[:-900], "", "damaged FITS"),
    "gzip of text": (lambda: gzip.compress(b"text"), "", "damaged FITS"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_read_says_what_to_type(case: str) -> None:
    make, hdu, why = WRONG[case]
    settings = FitsSettings(hdu=tuple(hdu.split(",")) if hdu else ())
    assert why in one_line_refusal(draw, make(), settings)


SCALES: dict[str, tuple[dict[str, Any], str]] = {  # astropy 8.0.2, WCS
    "no CDELT": (NO_SCALE, "no scale"),
    "CDELT of one axis": ({**NO_SCALE, "CDELT1": 1e-4}, "no scale"),
    "CTYPE1 alone": ({"CTYPE1": "RA---TAN"}, "coordinates are damaged"),
    "CDELT of 0": ({**NO_SCALE, "CDELT1": 0.0, "CDELT2": 0.0}, "coordinates are damaged"),
}


@pytest.mark.parametrize("case", SCALES)
def test_coordinates_without_a_scale_name_the_option(case: str) -> None:
    header, why = SCALES[case]
    data = write(None, part(CUBE, **header))
    line = one_line_refusal(draw, data, FitsSettings(), 5)
    assert why in line
    assert line.endswith("give --pixel-scale")
    assert draw(data, FitsSettings(pixel_arcsec=0.25), 5).shape == (20, 20, 3)


BZERO = {"i1": -(2**7), "u2": 2**15, "u4": 2**31, "u8": 2**63}
PACKED_BZERO = {**BZERO, "u8": 2**31}


@pytest.mark.parametrize("blank", [0, 7])
@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_blank_of_any_integer_has_no_value(kind: str, blank: int, is_packed: bool) -> None:
    values = np.clip(CUBE, 1 + blank, 120).astype(kind)
    values[1, 3, 4:6] = blank
    make, zeros = (fits.CompImageHDU, PACKED_BZERO) if is_packed else (part, BZERO)
    made = make(values)
    made.header["XLANK"] = blank - zeros.get(kind, 0)  # astropy would write NaN
    data = write(None, made).replace(b"XLANK  ", b"BLANK  ")
    assert "2 of its pixels have no value" in one_line_refusal(draw, data, FitsSettings())
    values[1, 3, 4:6] = values[1, 3, 6]
    made = make(values)
    assert draw(write(None, made), FitsSettings()).shape == (48, 48, 3)


def test_nan_in_a_band_that_is_not_named_is_no_error() -> None:
    holed = np.stack([*CUBE, np.full_like(CUBE[0], np.nan)])
    assert np.array_equal(draw(write(holed), FitsSettings()), draw(write(CUBE), FitsSettings()))
    assert "have no value" in one_line_refusal(draw, write(holed), FitsSettings(bands=(3, 1, 0)))


@pytest.mark.parametrize("sky", [0, 100])
@pytest.mark.parametrize("side", [4, 8, 11, 13, 16])  # of 48: 16, 31, 41, 47 and 56 % are padding
def test_padding_is_black_and_the_rest_keeps_its_stretch(sky: float, side: int) -> None:
    values = galaxy(sky)
    padded = np.where(np.arange(48) < side, 0, values)
    padded[:, :side] = 0
    whole, picture = (draw(write(v), FitsSettings()).astype(int) for v in (values, padded))
    assert not picture[:, :side].any()
    assert abs(picture - whole)[: 48 - side, side:].mean() < 8
    assert 0.8 * whole.max() < picture.max() <= whole.max() + 8


def test_names_with_other_ends_are_fits(tmp_path: Path) -> None:
    data = write(CUBE)
    files = {
        "1.fits": data,
        "2.fits.gz": gzip.compress(data),
        "3.FITS.FZ": packed(CUBE),
        "4.fts": data,
        "5.fit": data,
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    for paths in ([tmp_path], [tmp_path / name for name in files]):
        [store] = open_stores(paths)
        assert not store.left_out
        pictures = [store.load(int(i)) for i in store.ids]
        assert len(pictures) == 5
        assert all(np.array_equal(p, draw(data, FitsSettings())) for p in pictures)
