"""Stretches of FITS cut-outs against values by hand and astropy's."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.stats import mad_std
from astropy.visualization import make_lupton_rgb

from galaxyzoo.extras.formats.fits import FitsSettings, to_rgb
from support.fits_files import write_fits


def test_linear_values_are_as_by_hand():
    values = np.kron(np.array([[[0.0, 1.0], [2.0, 10.0]]] * 3), np.ones((4, 4)))
    values[2, 4:, 4:] = 5  # red
    picture = to_rgb(write_fits(values), FitsSettings(stretch="linear"))
    assert picture[::4, ::4, 1].tolist() == [[51, 255], [0, 26]]  # last row first; 25.5 to even
    assert picture[0, 4].tolist() == [128, 255, 255]  # red, green, blue


@pytest.mark.parametrize("brightest", [0, 3e4, 1e25])
def test_luptons_stretch_is_astropys(brightest):
    values = np.random.default_rng(1).normal(0, 1, (3, 200, 200)).astype(np.float32)
    values[:, 90:110, 90:110] += np.geomspace(0.01, 1000, 20, dtype=np.float32)
    values[0, 95, 95:97] += brightest
    sample = values[:, ::2, ::2]
    blue, green, red = values - np.median(sample, axis=(1, 2), keepdims=True)
    noise = float(mad_std(np.stack([blue, green, red])[:, ::2, ::2]))
    expected = make_lupton_rgb(red, green, blue, minimum=0, stretch=20 * noise, Q=8)
    picture = to_rgb(write_fits(values), FitsSettings())[::-1].astype(int)
    assert np.abs(picture - expected).max() <= 1
    assert np.abs(picture - expected).mean() < 1e-3
    compressed = write_fits(None, fits.CompImageHDU(values, quantize_level=4))  # a tenth is 0
    rounded = to_rgb(compressed, FitsSettings())[::-1].astype(int)
    assert np.abs(rounded - expected).mean() < 3
