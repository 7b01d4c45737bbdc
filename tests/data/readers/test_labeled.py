"""Galaxies with a class each, by a table or by folders: every mistake is one line."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.prepare import prepare
from galaxyzoo.data.readers.find import open_input
from galaxyzoo.tasks.registry import TASKS
from support.datasets import ANOMALIES, ZOO5, anomaly_numbers, write_labeled
from support.pictures import draw_images, encode
from support.refusals import one_line_refusal


@pytest.fixture
def folder(root: Path) -> Path:
    return write_labeled(root / "input" / "small", shuffle=3)


def labels(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "train_labels.csv")


def rewrite(folder: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(folder / "train_labels.csv", index=False)


def refusal(data: str, task: str = "zoo5") -> str:
    return one_line_refusal(open_input, data, {task})


def test_labels_become_one_hot_columns_by_ascending_id(folder):
    frame = labels(folder)
    rewrite(folder, frame.assign(**{"class": " " + frame["class"] + " "}))
    raw = open_input("small", {"zoo5"})
    assert (raw.dataset, raw.galaxy_ids) == ("small", True)
    assert raw.targets.index.tolist() == list(range(1, 41))
    assert list(raw.targets.columns) == list(ZOO5)
    np.testing.assert_array_equal(raw.targets.to_numpy().argmax(axis=1), np.arange(40) % 5)
    assert (raw.targets.sum(axis=1) == 1).all()
    assert raw.test_ids.tolist() == [41, 42, 43, 44]


def test_images_may_be_a_zip_and_others_are_ignored(folder):
    shutil.copyfile(folder / "images" / "1.jpg", folder / "images" / "999.jpg")
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for path in (folder / "images").iterdir():
            archive.write(path, f"images/{path.name}")
    shutil.rmtree(folder / "images")
    (folder / "test_ids.csv").unlink()  # and a set without test galaxies is one, too
    raw = open_input("small", {"zoo5"})
    assert len(raw.targets) == 40
    assert raw.test_ids.tolist() == []
    assert raw.test_ids.dtype == np.int64


def change_class(frame: pd.DataFrame, value: object) -> pd.DataFrame:
    return frame.assign(**{"class": [value, *frame["class"][1:]]})


MISTAKES = {
    "unknown class": (lambda f: change_class(f, "spirals"), "unknown class 'spirals'"),
    "no class": (lambda f: change_class(f, None), "has no class"),
    "no column": (lambda f: f.rename(columns={"class": "label"}), "has no column 'class'"),
    "no ids": (lambda f: f.drop(columns="GalaxyID"), "has no column 'GalaxyID'"),
    "repeated id": (lambda f: pd.concat([f, f[:1]]), "appears twice"),
    "no image": (lambda f: f.assign(GalaxyID=f["GalaxyID"] + 500), "has no image of GalaxyID 501"),
    "no galaxy": (lambda f: f[:0], "column 'class' is empty"),
}


@pytest.mark.parametrize(("change", "named"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_labels_is_one_line(folder, change, named):
    rewrite(folder, change(labels(folder)))
    message = refusal("small")
    assert named in message
    assert "train_labels.csv" in message


def test_test_ids_need_images_and_are_no_training_galaxies(folder):
    (folder / "test_ids.csv").write_text("GalaxyID\n41\n600\n700\n")
    assert "GalaxyID 600, which test_ids.csv lists (such galaxies: 2)" in refusal("small")
    (folder / "test_ids.csv").write_text("GalaxyID\n41\n7\n")
    assert "GalaxyID 7 is both a training and a test galaxy" in refusal("small")


@pytest.mark.parametrize(("kept", "named"), [(3, r"\(3\) for 4"), (0, r"\(0\)")])
def test_a_class_with_fewer_members_than_folds_is_named(folder, kept, named):
    frame = labels(folder)
    rewrite(folder, frame.drop(frame.index[frame["class"] == "edge_on"][kept:]))
    catalog = prepare("small", n_folds=4)
    with pytest.raises(InputError, match=f"class 'edge_on' has too few galaxies {named}"):
        catalog.for_task(TASKS["zoo5"])
    with pytest.raises(InputError, match="has no labels for task 'galaxy10'"):
        catalog.for_task(TASKS["galaxy10"])


def write_folders(folder: Path, names: list[str] | None = None) -> Path:
    """One image each, its class by `anomaly_numbers`; default names are alike in every class."""
    for row, (image, number) in enumerate(zip(draw_images(), anomaly_numbers(), strict=True)):
        stem = names[row] if names else f"img ({row})"
        path = folder / ANOMALIES[number] / f"{stem}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(image))
    return folder


def test_folders_are_classes_and_paths_are_ids(root):
    folder = write_folders(root / "input" / "odd ones")
    (folder / "merger").rename(folder / "deep")  # an image deeper down belongs to the class, too
    (folder / "merger").mkdir()
    (folder / "deep").rename(folder / "merger" / "deep")
    raw = open_input(None, {"anomaly4"})
    assert (raw.dataset, raw.galaxy_ids, len(raw.test_ids)) == ("odd ones", False, 0)
    assert list(raw.targets.columns) == list(TASKS["anomaly4"].columns)
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))
    assert raw.targets.index.tolist() == paths
    assert raw.targets.index.name == "id"
    for path in paths:
        assert raw.targets.loc[path].idxmax() == Path(path).parts[0]
        assert raw.train_images.read(path) == (folder / path).read_bytes()


def test_names_that_are_galaxy_ids_are_ids(root):
    ids = np.random.default_rng(1).permutation(np.arange(587722982291472386, 587722982291472404))
    folder = write_folders(root / "input" / "mine", [str(i) for i in ids])
    raw = open_input(None, {"anomaly4"})
    assert raw.galaxy_ids
    assert raw.targets.index.tolist() == sorted(ids)
    for galaxy_id, number in zip(ids.tolist(), anomaly_numbers(), strict=True):
        assert raw.targets.loc[galaxy_id].idxmax() == ANOMALIES[number]
        path = folder / ANOMALIES[number] / f"{galaxy_id}.jpg"
        assert raw.train_images.read(galaxy_id) == path.read_bytes()


NUMBERED = [[f"{i:06d}" for i in range(18)], [f"{i}" for i in range(18)], ["100008"] * 18]


@pytest.mark.parametrize("names", NUMBERED)
def test_numbered_or_repeated_names_are_no_galaxy_ids(root, names):
    write_folders(root / "input" / "mine", names)
    raw = open_input(None, {"anomaly4"})
    assert not raw.galaxy_ids
    assert raw.targets.index.tolist() == sorted(raw.train_images.names)


def test_a_folder_of_an_unknown_class_is_named(root):
    folder = write_folders(root / "input" / "mine")
    (folder / "ringed").rename(folder / "Ringed")
    message = refusal("mine", "anomaly4")
    assert message.startswith("input/mine/: unknown class 'Ringed': the classes of anomaly4 are")
    (folder / "Ringed").rename(folder / "ringed")
    (folder / "notes").mkdir()  # a folder without images is no class
    assert open_input("mine", {"anomaly4"}).dataset == "mine"
    (folder / "example.jpg").write_bytes(encode(draw_images(1)[0]))
    assert (
        refusal("mine", "anomaly4") == "input/mine: 'example.jpg' is not in a class folder: move it"
    )
