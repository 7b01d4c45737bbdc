"""Folders of galaxies with a class each: order plays no part, every mistake is one line."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import load_catalog
from galaxyzoo.data.prepare import prepare
from galaxyzoo.data.readers import labelled
from galaxyzoo.tasks.registry import TASKS
from support.class_fixtures import ZOO5, write_labelled


@pytest.fixture
def folder(root: Path) -> Path:
    return write_labelled(root / "input" / "small", shuffle=3)


def labels(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "train_labels.csv")


def rewrite(folder: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(folder / "train_labels.csv", index=False)


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        labelled.read_source(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_labels_become_one_hot_columns_by_ascending_id(folder):
    source = labelled.read_source(folder)
    assert source.dataset == "small"
    assert source.targets.index.tolist() == list(range(1, 41))
    assert list(source.targets.columns) == list(ZOO5)
    np.testing.assert_array_equal(source.targets.to_numpy().argmax(axis=1), np.arange(40) % 5)
    assert (source.targets.sum(axis=1) == 1).all()
    assert source.test_ids.tolist() == [41, 42, 43, 44]
    assert labelled.find_tasks(folder) == {"zoo5"}
    assert not source.own_ids


def test_shuffled_rows_give_the_same_catalog(root, folder):
    first = prepare("small", n_folds=4).catalog
    content = (root / "folds" / "small" / "train.csv").read_bytes()
    shutil.rmtree(root / "folds" / "small")
    rewrite(folder, labels(folder).sample(frac=1, random_state=9))
    again = prepare("small", n_folds=4).catalog
    assert again.fingerprint == first.fingerprint
    assert (root / "folds" / "small" / "train.csv").read_bytes() == content
    task = first.for_task(TASKS["zoo5"])
    for fold in range(4):
        assert task.targets("zoo5")[task.folds == fold].sum(axis=0).tolist() == [2] * 5


def test_spaces_a_byte_order_mark_and_other_columns_do_not_matter(folder):
    frame = labels(folder).assign(note="x")
    frame["class"] = " " + frame["class"] + " "
    text = frame.to_csv(index=False, lineterminator="\r\n")
    (folder / "train_labels.csv").write_bytes(text.encode("utf-8-sig"))
    source = labelled.read_source(folder)
    np.testing.assert_array_equal(source.targets.to_numpy().argmax(axis=1), np.arange(40) % 5)


def test_images_may_be_a_zip_and_others_are_ignored(folder):
    shutil.copyfile(folder / "images" / "1.jpg", folder / "images" / "999.jpg")
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for path in (folder / "images").iterdir():
            archive.write(path, f"images/{path.name}")
    shutil.rmtree(folder / "images")
    (folder / "test_ids.csv").unlink()  # and a set without test galaxies is one, too
    source = labelled.read_source(folder)
    assert len(source.targets) == 40
    assert source.test_ids.tolist() == []
    assert source.test_ids.dtype == np.int64


def change_class(frame: pd.DataFrame, value: object) -> pd.DataFrame:
    return frame.assign(**{"class": [value, *frame["class"][1:]]})


MISTAKES = {
    "unknown class": (lambda f: change_class(f, "spirals"), "unknown class 'spirals'"),
    "a number for a class": (lambda f: f.assign(**{"class": range(40)}), "unknown class '0'"),
    "no class": (lambda f: change_class(f, None), "has no class"),
    "no column": (lambda f: f.rename(columns={"class": "label"}), "has no column 'class'"),
    "no ids": (lambda f: f.drop(columns="GalaxyID"), "has no column 'GalaxyID'"),
    "repeated id": (lambda f: pd.concat([f, f[:1]]), "stands there twice"),
    "no id": (lambda f: f.assign(GalaxyID=["x", *f["GalaxyID"][1:]]), "'x' is not a GalaxyID"),
    "no image": (lambda f: f.assign(GalaxyID=f["GalaxyID"] + 500), "has no image of GalaxyID 501"),
    "no galaxy": (lambda f: f[:0], "holds no galaxy"),
}


@pytest.mark.parametrize(("change", "named"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_labels_is_one_line(folder, change, named):
    rewrite(folder, change(labels(folder)))
    message = refusal(folder)
    assert named in message
    assert "train_labels.csv" in message


def test_test_ids_need_images_and_are_no_training_galaxies(folder):
    (folder / "test_ids.csv").write_text("GalaxyID\n41\n600\n700\n")
    assert refusal(folder).endswith("GalaxyID 600, which stands in test_ids.csv (2 missing)")
    (folder / "test_ids.csv").write_text("GalaxyID\n41\n7\n")
    assert "GalaxyID 7 is both a training and a test galaxy" in refusal(folder)


def test_images_must_be_there(folder):
    shutil.rmtree(folder / "images")
    assert "lacks images.zip (or a folder images/)" in refusal(folder)


def test_a_class_with_fewer_members_than_folds_is_named(root, folder):
    frame = labels(folder)
    few = frame.index[frame["class"] == "edge_on"][:5]  # of eight
    rewrite(folder, frame.drop(few))
    catalog = prepare("small", n_folds=4).catalog
    with pytest.raises(InputError) as caught:
        catalog.for_task(TASKS["zoo5"])
    assert "class 'edge_on' has 3 galaxies, too few for 4 folds" in str(caught.value)


def test_a_class_of_its_own_task_is_missing_altogether(root, folder):
    frame = labels(folder)
    rewrite(folder, frame[frame["class"] != "spiral"])
    catalog = prepare("small", n_folds=3).catalog
    with pytest.raises(InputError, match="class 'spiral' has 0 galaxies"):
        catalog.for_task(TASKS["zoo5"])
    with pytest.raises(InputError, match="has no labels for task 'galaxy10'"):
        catalog.for_task(TASKS["galaxy10"])


def test_labels_that_change_after_the_split_are_refused(root, folder):
    prepare("small", n_folds=4)
    before = labels(folder)
    rewrite(folder, change_class(before, "spiral" if before["class"][0] != "spiral" else "edge_on"))
    with pytest.raises(InputError, match="no longer what folds/small was made from"):
        prepare("small")
    # Classes of another task: the catalog has not even their columns.
    names = dict(zip(ZOO5, TASKS["galaxy10"].columns, strict=False))
    rewrite(folder, before.assign(**{"class": before["class"].map(names)}))
    with pytest.raises(InputError, match="no longer what folds/small was made from"):
        prepare("small")
    rewrite(folder, before)
    assert load_catalog("small").fingerprint == prepare("small").catalog.fingerprint
