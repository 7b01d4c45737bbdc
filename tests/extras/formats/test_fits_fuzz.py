"""Whatever stands in a FITS file's headers and behind them: a picture, or one line."""

import io
import random
import warnings
from typing import Any

import numpy as np
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from galaxyzoo.core.errors import InputError
from galaxyzoo.extras.formats.fits import FitsSettings, to_rgb
from galaxyzoo.extras.formats.stretches import STRETCHES
from support.fuzz_fixtures import CASES, mutate
from support.refusals import check_refusal
from support.strategies import SEEDS

CARD = 80  # bytes
KEYS = ("BITPIX", "NAXIS", "NAXIS1", "NAXIS3", "BSCALE", "BZERO", "BLANK", "CD1_1", "CTYPE1", "END")
VALUES = ("0", "-1", "3", "8", "-64", "1E400", "NaN", "'RA---TAN'", "'x", "99999999999999", "T", "")


def make_file(is_packed: bool) -> bytes:
    values = np.random.default_rng(0).normal(50, 9, (3, 24, 24)).astype(np.int16)
    values[:, 8:16, 8:16] += 300
    part = (fits.CompImageHDU if is_packed else fits.ImageHDU)(values)
    part.header.update({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CD1_1": -1e-4, "CD2_2": 1e-4})
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), part]).writeto(file)
    return file.getvalue()


FILES = {is_packed: make_file(is_packed) for is_packed in (False, True)}


@CASES
@given(SEEDS, st.sampled_from([False, True]), st.booleans(), st.sampled_from([None, 3]))
def test_any_fits_file_is_a_picture_or_one_line(seed, is_packed, in_header, field):
    rng = random.Random(seed)
    data = FILES[is_packed]
    if in_header:
        place = CARD * rng.randrange(len(data) // CARD)
        card = f"{rng.choice(KEYS):8}= {rng.choice(VALUES):>20}".ljust(CARD).encode()
        data = data[:place] + card + data[place + CARD :]
    else:
        data = mutate(data, rng)
    stretch: Any = rng.choice([*STRETCHES])
    settings = FitsSettings(stretch=stretch)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # of what other tests left to be collected
        try:
            picture = to_rgb(data, settings, field)
        except InputError as error:
            check_refusal(error)
        else:
            assert picture.dtype == np.uint8
            assert picture.ndim == 3
            assert picture.shape[2] == 3
