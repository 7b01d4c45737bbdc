"""Cut-outs that were trimmed at a survey's edge: centered by their WCS and a list's position."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.data.parallel_decoding import decode_many
from galaxyzoo.data.stores.opening import open_all
from galaxyzoo.extras.formats.fits import FitsSettings, to_rgb
from support.fits_files import CUBE, SKY, write_fits
from support.refusals import one_line_refusal

POSITION = (180.0, 30.0)  # of the galaxy, which is at (24, 24) of 48 × 48 px
WHOLE = to_rgb(write_fits(CUBE), FitsSettings())
NOT_SQUARE = "not square"
MOVED = "centered on ra and dec"
OUTSIDE = "ra and dec of the list are outside"
FILLED = "pixels without a value"


def trimmed(left: int, bottom: int, right: int = 48, top: int = 48, **header: Any) -> bytes:
    """A part of the cube, with the WCS of that part."""
    wcs = {**SKY, "CRPIX1": 25 - left, "CRPIX2": 25 - bottom, **header}
    return write_fits(CUBE[:, bottom:top, left:right].copy(), **wcs)


def kinds(notes: Any) -> list[str]:
    known = (NOT_SQUARE, OUTSIDE, MOVED, FILLED)
    return [kind for note in notes for kind in known if note.startswith(kind)]


EDGES = {
    "left": (14, 0, 48, 48),
    "right": (0, 0, 34, 48),
    "bottom": (0, 18, 48, 48),
    "top": (0, 0, 48, 40),
    "a corner": (18, 0, 48, 34),
    "a corner, square": (0, 0, 34, 34),
    "next to the galaxy": (21, 0, 48, 48),
}


@pytest.mark.parametrize("edge", EDGES)
def test_trimmed_cut_outs_are_centered_on_the_lists_position(edge):
    left, bottom, right, top = EDGES[edge]
    picture = to_rgb(trimmed(*EDGES[edge]), FitsSettings(), None, POSITION)
    assert picture.shape == (48, 48, 3)
    there = np.s_[48 - top : 48 - bottom, left:right]
    assert np.abs(picture[there].astype(int) - WHOLE[there]).mean() < 4
    is_missing = np.ones((48, 48), bool)
    is_missing[there] = False
    assert picture[is_missing].mean() < 40  # sky
    assert kinds(picture.notes) == [MOVED, FILLED]


def test_a_field_is_cut_around_the_position():
    for part in EDGES.values():
        picture = to_rgb(trimmed(*part), FitsSettings(), 5, POSITION)  # 20 px, of which 17 remain
        assert np.unravel_index(picture.sum(axis=2).argmax(), (20, 20)) == (9, 10)
    edge = to_rgb(trimmed(1, 1, 48, 41), FitsSettings(), 11.75, POSITION)  # a field of 47 px
    whole = to_rgb(trimmed(1, 1), FitsSettings())  # 47 × 47 px
    assert np.abs(edge[8:].astype(int) - whole[8:]).mean() < 4
    odd = [to_rgb(trimmed(14, 0), FitsSettings(), 5.25, (180 + d, 30)) for d in (-1e-9, 1e-9)]
    assert np.array_equal(odd[0], odd[1])  # the last digits do not choose a pixel
    tile = np.tile(CUBE, (1, 3, 3))
    data = write_fits(tile, **{**SKY, "CRPIX1": 25 + 96, "CRPIX2": 25 + 48})
    picture = to_rgb(data, FitsSettings(), 12, POSITION)
    assert np.abs(picture.astype(int) - WHOLE).mean() < 4
    assert kinds(picture.notes) == [MOVED]
    assert "does not fit" in one_line_refusal(to_rgb, data, FitsSettings(), 70, POSITION)


def test_positions_are_found_in_coordinates_of_the_galaxy():
    """As in Planck's and GLIMPSE's images."""
    galactic = SkyCoord(*POSITION, unit="deg").galactic
    header: dict[str, Any] = {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"}
    header |= {"CRVAL1": galactic.l.deg, "CRVAL2": galactic.b.deg}
    plain = to_rgb(trimmed(14, 0), FitsSettings(), None, POSITION)
    assert np.array_equal(to_rgb(trimmed(14, 0, **header), FitsSettings(), None, POSITION), plain)


def test_positions_are_found_in_a_cube_with_distortions():
    """Bands stacked under the header of one of them, whose SIP astropy takes in two axes alone."""
    header: dict[str, Any] = {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP"}
    header |= {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-5, "B_0_2": 1e-5}
    plain = to_rgb(trimmed(14, 0), FitsSettings(), 5, POSITION)
    assert np.array_equal(to_rgb(trimmed(14, 0, **header), FitsSettings(), 5, POSITION), plain)


# Cut-out and position -> what is said; the picture is of all pixels
AS_BEFORE: dict[str, tuple[bytes, Any, list[str]]] = {
    "square": (trimmed(0, 0), None, []),
    "square, at the position": (trimmed(0, 0), POSITION, []),
    "square, at the edge of the outer pixel": (trimmed(0, 0, CRPIX1=48.4), POSITION, []),
    "square, a pixel off": (trimmed(0, 0, CRPIX1=25.2), POSITION, []),
    "trimmed on both sides": (trimmed(10, 0, 39, 48), POSITION, []),
    "not square": (trimmed(14, 0), None, [NOT_SQUARE]),
    "not square, no WCS": (write_fits(CUBE[:, 14:].copy()), POSITION, [NOT_SQUARE]),
    "not square, a damaged WCS": (trimmed(14, 0, CTYPE1="RA---XYZ"), POSITION, [NOT_SQUARE]),
    "elsewhere on the sky": (trimmed(14, 0), (180.5, 30.0), [OUTSIDE]),
    "on the other side of the sky": (trimmed(14, 0), (0.0, -30.0), [OUTSIDE]),
    "the WCS of the image that it was cut from": (trimmed(0, 0, CRPIX1=4e3), POSITION, [OUTSIDE]),
    "another galaxy's": (trimmed(0, 0), (30.0, 80.0), [OUTSIDE]),
    "radians": (trimmed(0, 0), tuple(np.radians(POSITION)), [OUTSIDE]),
}


@pytest.mark.parametrize("case", AS_BEFORE)
def test_others_are_used_as_they_are_and_said_where_the_galaxy_may_be_elsewhere(case):
    data, position, said = AS_BEFORE[case]
    picture = to_rgb(data, FitsSettings(), None, position)
    assert np.array_equal(picture, to_rgb(data, FitsSettings()))
    assert kinds(picture.notes) == said


LISTS = {
    "degrees": "path,RA,Dec\n7.fits,180,30\n8.fits,,\n",
    "hours, minutes, seconds": "path,raj2000,dej2000\n7.fits,12:00:00,+30:00:00\n8.fits,--,--\n",
}


@pytest.mark.parametrize("case", LISTS)
def test_positions_come_from_lists_and_may_be_missing(tmp_path: Path, case: str) -> None:
    for name in ("7.fits", "8.fits"):
        (tmp_path / name).write_bytes(trimmed(14, 0))
    (tmp_path / "list.csv").write_text(LISTS[case])
    [images] = open_all([tmp_path / "list.csv"])
    centered, other = (images.load(row) for row in range(2))
    assert np.array_equal(centered, to_rgb(trimmed(14, 0), FitsSettings(), None, POSITION))
    assert np.array_equal(other, to_rgb(trimmed(14, 0), FitsSettings()))
    assert decode_many(images, ImageConfig(crop_px=424, cache_px=24))[1] == {}


def test_positions_of_which_none_can_be_are_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "7.fits").write_bytes(trimmed(14, 0))
    (tmp_path / "list.csv").write_text("path,ra,dec\n7.fits,30,180\n")
    [images] = open_all([tmp_path / "list.csv"])
    assert "The list's ra and dec are not used: no dec from -90 to 90 has an ra" in images.notes


def test_a_list_of_pictures_needs_no_angles_in_its_position(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path,ra,dec\n7.png,unknown,unknown\n")
    assert len(open_all([tmp_path / "list.csv"])[0]) == 1
    (tmp_path / "list.csv").write_text("path,ra,dec\n7.fits,unknown,unknown\n")
    line = one_line_refusal(open_all, [tmp_path / "list.csv"])
    assert (
        "'unknown' in column 'ra' is not an angle: write degrees, or leave the cell empty" in line
    )
