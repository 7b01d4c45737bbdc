"""Small images as a zip or a folder of files, for tests of what reads them."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.data.stores.base import Images
from galaxyzoo.data.stores.opening import open_by_galaxy_id
from support.kaggle_fixtures import draw_image, encode, write_zip

SMALL = ImageConfig(crop_px=400, cache_px=32)
N = 10


@pytest.fixture
def encoded() -> dict[int, bytes]:
    rng = np.random.default_rng(3)
    return {100 + i: encode(draw_image(rng, 60)) for i in range(N)}


def make_zip(root: Path, encoded: dict[int, bytes]) -> Images:
    path = root / "input" / "pictures.zip"
    write_zip(path, {f"pictures/{i}.jpg": data for i, data in encoded.items()})
    return open_by_galaxy_id(path)


def make_folder(root: Path, encoded: dict[int, bytes]) -> Images:
    folder = root / "input" / "pictures"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for i, data in encoded.items():
        (folder / f"{i}.jpg").write_bytes(data)
    return open_by_galaxy_id(folder)


MAKERS = pytest.mark.parametrize("make", [make_zip, make_folder], ids=["zip", "folder"])
