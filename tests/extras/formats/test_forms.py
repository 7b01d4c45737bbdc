"""Every form of input × every oddity: read as a PNG of it is, noted, an error, or refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.core.console import ProgressBar
from galaxyzoo.core.errors import InputError
from galaxyzoo.extras.formats.fits import FitsSettings
from galaxyzoo.inference.predict import Predictor, predict_stores
from support.forms import FORMS, write_folder
from support.pictures import draw_image
from support.surveys import Brightness

GALAXY = draw_image(np.random.default_rng(1), 424)
GALAXY[0, 0], GALAXY[0, 1] = 0, 255  # FITS is stretched from the lowest to the highest value
OTHER = np.ascontiguousarray(GALAXY[::-1])
IDS: list[Any] = ["a", "b"]
IMAGE = ImageConfig(crop_px=424, cache_px=64)


def shrink(image: np.ndarray, side: int) -> np.ndarray:
    return cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)


NOISE = np.random.default_rng(0).integers(0, 256, (424, 424, 3), np.uint8)
NOISE[0, 0], NOISE[0, 1] = 0, 255
# Oddity -> the first of two images
ODDITIES: dict[str, np.ndarray] = {
    "8 bits, three colors": GALAXY,
    "planes first": GALAXY.transpose(2, 0, 1),
    "floats from 0 to 1": (GALAXY / 255).astype(np.float32),
    "one channel": GALAXY[..., 0],
    "another size": shrink(GALAXY, 96),
    "not square": GALAXY[:, 40:],
    "mostly noise": NOISE,
    "16 bits": GALAXY.astype(np.uint16) * 257,
    "one color alone": np.full((424, 424, 3), 9, np.uint8),
    "a value that is NaN": np.where(np.arange(424)[:, None, None] == 9, np.nan, GALAXY / 255),
    "sides of 4 px": shrink(GALAXY, 4),
}
READ, SAID, ERROR, REFUSED, NONE = "read", "said", "error", "refused", "–"


def row(*others: str, png: str = NONE) -> dict[str, str]:
    """Outcomes by form: of PNGs in any, then of FITS, of HDF5 and .npz."""
    return dict(zip(FORMS, [png] * 4 + [*others, others[-1]], strict=True))


EXPECTED: dict[str, dict[str, str]] = {
    "8 bits, three colors": row(READ, READ, png=READ),
    "planes first": row(READ, READ),
    "floats from 0 to 1": row(READ, READ),
    "one channel": row(SAID, SAID, png=SAID),
    "another size": row(READ, SAID, png=SAID),
    "not square": row(SAID, SAID, png=SAID),
    "mostly noise": row(SAID, SAID, png=SAID),
    "16 bits": row(READ, REFUSED, png=SAID),
    "one color alone": row(ERROR, ERROR, png=ERROR),
    "a value that is NaN": row(SAID, ERROR),
    "sides of 4 px": row(ERROR, REFUSED, png=SAID),
}
CASES = [(form, oddity) for oddity, row in EXPECTED.items() for form, is_ in row.items()
         if is_ != NONE]  # fmt: skip


class Pixelwise(Brightness):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def predict(self, decode: Callable[[ImageConfig], np.ndarray]) -> np.ndarray:
        self.seen.append(decode(IMAGE))
        return super().predict(decode)


def outcome_of(path: Path) -> tuple[str, np.ndarray, list[Any]]:
    """What becomes of an input; the pixels that are predicted, and their ids."""
    predictor = Pixelwise()
    said: list[str] = []
    settings = FitsSettings(stretch="linear", bands=(0, 1, 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ProgressBar, "write", said.append)
        try:
            table, errors = predict_stores(cast(Predictor, predictor), [path], settings)
        except InputError:
            return REFUSED, np.empty(0), []
    outcome = READ
    if any(" images: " in note for note in said):
        outcome = SAID
    if errors:
        outcome = ERROR
    return outcome, np.concatenate(predictor.seen), list(table.index)


@pytest.mark.parametrize(("form", "oddity"), CASES)
def test_what_becomes_of_it(tmp_path, form, oddity):
    odd = ODDITIES[oddity]
    other = OTHER
    if form in ("`.h5`", "`.npz`") and oddity != "one color alone":
        axis_of_rows = 1 if oddity == "planes first" else 0
        other = np.flip(np.nan_to_num(odd), axis_of_rows)
    path = FORMS[form](tmp_path / "one", [odd, other], IDS)
    outcome, seen, index = outcome_of(path)
    assert outcome == EXPECTED[oddity][form]
    if outcome == READ:
        picture = odd if oddity == "another size" else GALAXY
        as_png = write_folder(tmp_path / "png", [picture, OTHER], IDS)
        np.testing.assert_array_equal(seen, outcome_of(as_png)[1])
        assert [name.split(".")[0] for name in index] == IDS
    elif outcome == ERROR:
        assert len(index) == 1
