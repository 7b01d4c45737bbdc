"""Images that changed since the split are refused; copies of them, in any form, are not."""

import os
import shutil
from pathlib import Path

import pytest

from galaxyzoo.data import image_cache
from galaxyzoo.data.prepare import prepare
from support.datasets import TEST_IMAGES, TRAIN_IMAGES, draw_competition
from support.refusals import one_line_refusal

COMPETITION = draw_competition(n_train=24, n_test=4, seed=6)


def touch(folder: Path) -> None:
    for path in folder.rglob("*.jpg"):
        os.utime(path, (1, 1))


def zip_them(folder: Path) -> None:
    shutil.rmtree(folder)
    COMPETITION.write_zips(folder)


@pytest.mark.parametrize("change", [touch, zip_them])
def test_a_copy_of_the_input_is_accepted_and_read_once(root, monkeypatch, change):
    COMPETITION.write_unpacked(root / "input")
    first = prepare().catalog
    change(root / "input")
    assert prepare().catalog.fingerprint == first.fingerprint
    monkeypatch.setattr(image_cache, "_read", lambda images, row: pytest.fail("read again"))
    prepare()


@pytest.mark.parametrize("part", [TRAIN_IMAGES, TEST_IMAGES])
def test_changed_images_are_counted_and_the_first_is_named(root, part):
    folder = COMPETITION.write_unpacked(root / "input") / part
    name = prepare().catalog.dataset
    paths = sorted(folder.glob("*.jpg"))
    paths[1].write_bytes(paths[0].read_bytes())  # a galaxy of another fold, perhaps
    line = one_line_refusal(prepare)
    assert f"1 image changed since folds/{name} was made ({paths[1].name} in input/{part}" in line
    assert f"delete folds/{name} to split and train again" in line
