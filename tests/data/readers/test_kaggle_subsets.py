"""Cutting a known subset out of the whole competition: the same bytes each time, or nothing."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.readers.kaggle import find_folder, open_dataset_files, write_subset
from support.datasets import PARTS, TEST_IMAGES, TRAIN_IMAGES, Competition, draw_competition
from support.pictures import damage
from support.refusals import listing


@pytest.fixture
def whole(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Competition:
    """The whole competition in input/, and a subset 'few': test ids from both of its halves."""
    whole = draw_competition(n_train=12, n_test=6)
    whole.write_zips(root / "input")
    monkeypatch.setenv("GALAXYZOO_CONFIGS", str(tmp_path / "configs"))
    write_lists(tmp_path, whole.votes.index[:5], [*whole.test_ids[[4, 1]], whole.votes.index[7]])
    return whole


def write_lists(root: Path, train_ids: Iterable[int], test_ids: Iterable[int]) -> None:
    folder = root / "configs" / "subsets" / "few"
    folder.mkdir(parents=True, exist_ok=True)
    for name, ids in (("train", train_ids), ("test", test_ids)):
        np.savetxt(folder / f"{name}_ids.txt", np.array(list(ids)), fmt="%d")


def test_a_subset_is_a_competition_of_its_own_with_the_same_image_bytes(whole, root):
    folder = write_subset("few", None)
    assert folder == root / "input" / "few"
    assert sorted(p.name for p in folder.iterdir()) == sorted(f"{part}.zip" for part in PARTS)
    raw = open_dataset_files(find_folder("few"))
    assert int(whole.votes.index[7]) not in raw.targets.index
    assert raw.dataset == "few"
    pd.testing.assert_frame_equal(raw.targets, whole.votes.iloc[:5])
    assert raw.test_ids.tolist() == [*whole.test_ids[[4, 1]], whole.votes.index[7]]
    for store in (raw.train_images, raw.test_images):
        for galaxy_id in map(int, store.ids):
            assert store.read(galaxy_id) == whole.images[galaxy_id]


@pytest.mark.parametrize("kind", ["folder", "dead link"])
def test_what_is_there_already_is_left_alone(whole, root, tmp_path, kind):
    theirs, target = tmp_path / "theirs", root / "input" / "few"
    if kind == "folder":
        target.mkdir()
    else:
        target.symlink_to(theirs)
    before = listing(root, tmp_path)
    with pytest.raises(InputError, match="few already exists"):
        write_subset("few", None)
    assert listing(root, tmp_path) == before


def refusal(root: Path) -> str:
    before = listing(root)
    with pytest.raises(InputError) as caught:
        write_subset("few", None)
    assert listing(root) == before
    assert not (root / "input" / "few").exists()
    assert not list((root / "input").glob(".*"))
    return str(caught.value)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_galaxy_that_the_input_lacks_is_named_and_nothing_is_written(whole, root, tmp_path, part):
    ids = {"train": list(whole.votes.index[:3]), "test": list(whole.test_ids)}
    ids[part].append(77)
    write_lists(tmp_path, ids["train"], ids["test"])
    assert "GalaxyID 77" in refusal(root)


@pytest.mark.parametrize("part", [TRAIN_IMAGES, TEST_IMAGES])
def test_a_damaged_image_is_named_and_nothing_is_written(whole, root, part):
    ids = whole.votes.index[:5] if part == TRAIN_IMAGES else whole.test_ids[[4, 1]]
    name = f"{part}/{ids[1]}.jpg"
    damage(root / "input" / f"{part}.zip", name)
    assert name in refusal(root)
