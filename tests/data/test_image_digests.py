"""Images that changed since the split are refused; copies of them, in any form, are not."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from galaxyzoo.data import image_digests
from galaxyzoo.data.prepare import prepare
from support.datasets import TEST_IMAGES, TRAIN_IMAGES, draw_competition, write_own_labels
from support.pictures import draw_images, encode
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
    first = prepare()
    change(root / "input")
    assert prepare().fingerprint == first.fingerprint
    monkeypatch.setattr(image_digests, "_read", lambda images, row: pytest.fail("read again"))
    prepare()


@pytest.mark.parametrize("part", [TRAIN_IMAGES, TEST_IMAGES])
def test_changed_images_are_counted_and_the_first_is_named(root, part):
    folder = COMPETITION.write_unpacked(root / "input") / part
    name = prepare().dataset
    paths = sorted(folder.glob("*.jpg"))
    paths[1].write_bytes(paths[0].read_bytes())  # a galaxy of another fold, perhaps
    line = one_line_refusal(prepare)
    assert f"1 image changed since folds/{name} was made ({paths[1].name} in input/{part}" in line
    assert f"delete folds/{name} to split and train again" in line


def test_a_changed_image_of_own_labels_is_named(root):
    """Its id is text; one to predict counts as well."""
    folder = root / "input/mine"
    images = {f"J{number}": image for number, image in enumerate(draw_images(9))}
    write_own_labels(folder, images, [*"abababab", ""])
    prepare("mine", n_folds=2, tasks={"mine"})
    prepare("mine", tasks={"mine"})
    for name in ("J3", "J8"):
        path = folder / f"images/{name}.png"
        before = path.read_bytes()
        path.write_bytes(encode(np.rot90(images[name]), end=".png"))
        line = one_line_refusal(prepare, "mine", None, None, {"mine"})
        assert f"1 image changed since folds/mine was made ({name}.png in input/mine" in line
        path.write_bytes(before)
    prepare("mine", tasks={"mine"})
