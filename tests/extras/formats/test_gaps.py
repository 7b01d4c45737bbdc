"""Pixels without a value: filled with sky away from the galaxy, refused near it."""

from typing import Any, cast

import numpy as np
import pytest

from galaxyzoo.core.console import ProgressBar
from galaxyzoo.extras.formats.fits import FitsSettings, to_rgb
from galaxyzoo.extras.formats.stretches import STRETCHES
from galaxyzoo.inference.predict import Predictor, predict_stores
from support.fits_files import CUBE, SKY, write_fits
from support.refusals import one_line_refusal
from support.surveys import Brightness

EVERY = slice(None)
# Places of gaps in bands, rows and columns; 6 px around 23.5 are near it
AWAY: dict[str, Any] = {
    "a border": (EVERY, slice(0, 5)),
    "a corner": (EVERY, slice(2, 4), slice(2, 4)),
    "a chip's gap": (EVERY, EVERY, slice(38, 41)),
    "a pixel of a band": (1, 5, 20),
    "a band's half, trimmed": (2, EVERY, slice(36, 48)),
    "all but the middle": (EVERY, ~np.pad(np.ones((30, 30), bool), 9)),
}
# Gray levels by which pictures may differ where the sky is measured on fewer pixels; zscale fits a
# line to a sample of them
LEVELS = {"lupton": 4, "linear": 4, "zscale": 30}
NEAR: dict[str, tuple[Any, str]] = {
    "the core": ((EVERY, slice(23, 25), slice(23, 25)), "4 pixels"),
    "a pixel of the red band": ((2, 24, 28), "1 pixel"),
    "a bad column": ((slice(0, 2), EVERY, 20), "10 pixels"),
}


def gapped(place: Any, value: float = np.nan) -> np.ndarray:
    cube = CUBE.copy()
    cube[place] = value
    return cube


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("stretch", STRETCHES)
@pytest.mark.parametrize("place", AWAY)
def test_gaps_away_from_the_galaxy_become_sky(place, stretch, value):
    cube = gapped(AWAY[place], value)
    settings = FitsSettings(stretch=cast(Any, stretch))
    picture = to_rgb(write_fits(cube), settings)
    whole = to_rgb(write_fits(CUBE), settings)
    is_gap = ~np.isfinite(cube).all(axis=0)[::-1]
    assert picture.notes == {"pixels without a value, filled with sky": f", {is_gap.sum():,} px"}
    difference = np.abs(picture.astype(int) - whole)
    assert difference[~is_gap].mean() < LEVELS[stretch]
    assert abs(picture[is_gap].mean() - whole[is_gap].mean()) < 6 * LEVELS[stretch]
    again = to_rgb(write_fits(cube), settings)
    assert np.array_equal(picture, again)


def test_values_beyond_float32_are_gaps():
    cube = CUBE.astype(np.float64)
    cube[1, 2, 2] = 1e300
    assert to_rgb(write_fits(cube), FitsSettings()).notes


@pytest.mark.parametrize("place", NEAR)
def test_gaps_near_the_center_are_refused_with_the_options(place):
    where, count = NEAR[place]
    data = write_fits(gapped(where), **SKY)
    line = one_line_refusal(to_rgb, data, FitsSettings())
    assert f" has no value (NaN) in {count} near its center" in line
    assert line.endswith("choose other bands with --bands, or crop with --field")


def test_the_options_that_a_gap_names_help():
    of_red = write_fits(gapped(NEAR["a pixel of the red band"][0]), **SKY)
    assert "band 2 has no value" in one_line_refusal(to_rgb, of_red, FitsSettings())
    assert to_rgb(of_red, FitsSettings(bands=(1, 1, 0))).notes == {}
    assert to_rgb(of_red, FitsSettings(), 7.5).notes  # of 30 px an eighth is less than its 4.5
    assert to_rgb(of_red, FitsSettings(), 2).notes == {}


def test_a_galaxy_without_any_sky_is_refused():
    rows, columns = np.mgrid[:48, :48] - 23.5
    masked = np.where(np.hypot(rows, columns) < 12, CUBE, np.nan)
    assert "band 2 has no value (NaN) in all its sky" in one_line_refusal(
        to_rgb, write_fits(masked), FitsSettings()
    )


def test_a_band_that_is_partly_empty_is_refused():
    cube = gapped((0, slice(0, 20)), 0)
    line = one_line_refusal(to_rgb, write_fits(cube), FitsSettings())
    assert "the sky of blue is noiseless or padded" in line
    assert to_rgb(write_fits(cube), FitsSettings(bands=(2, 1, 1))).shape == (48, 48, 3)


def test_a_survey_keeps_cut_outs_with_gaps_and_counts_them(tmp_path, monkeypatch):
    for number, place in enumerate(AWAY.values()):
        (tmp_path / f"{number}.fits").write_bytes(write_fits(gapped(place)))
    (tmp_path / "8.fits").write_bytes(write_fits(gapped(NEAR["the core"][0])))
    (tmp_path / "9.fits").write_bytes(write_fits(CUBE))
    said: list[str] = []
    monkeypatch.setattr(ProgressBar, "write", said.append)
    table, unreadable = predict_stores(cast(Predictor, Brightness()), [tmp_path])
    assert len(table) == len(AWAY) + 1
    assert [name for name, _ in unreadable] == ["8.fits"]
    first = "(first: 0.fits, 240 px)"
    assert said[1:] == [f"6 of 7 images: pixels without a value, filled with sky {first}"]
