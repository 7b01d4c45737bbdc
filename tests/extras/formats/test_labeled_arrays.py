"""Labeled arrays in `.npz` and Galaxy10's HDF5 files: read, prepared, and every defect named."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.decoding import decode
from galaxyzoo.data.prepare import prepare
from galaxyzoo.data.readers.find import open_input
from galaxyzoo.tasks.registry import get_task
from support.datasets import ANOMALIES, anomaly_numbers
from support.pictures import damage, draw_images
from support.refusals import one_line_refusal

NAMES = np.array(ANOMALIES)[anomaly_numbers()]
NUMBERS = anomaly_numbers()


def write_npz(path: Path, **changes: Any) -> Path:
    """A file with class names; arrays changed by name, None leaves one out."""
    arrays = {"images": draw_images(), "labels": NAMES, **changes}
    np.savez(path, **{name: values for name, values in arrays.items() if values is not None})
    return path


def draw(count: int = 40, side_px: int = 69) -> dict[str, np.ndarray]:
    """Galaxy10's arrays: pictures that differ, classes in turn."""
    images = draw_images(count, side_px)
    return {"images": images, "ans": np.arange(count, dtype=np.uint8) % 10}


def write(path: Path, arrays: dict[str, Any], **options: Any) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            if values is not None:
                file.create_dataset(name, data=values, **options)
    return path


def refusal(data: str | None, task: str) -> str:
    return one_line_refusal(open_input, data, {task})


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("labels", ["names", "bytes", "numbers"])
def test_every_way_to_write_labels_reads_the_same(root, save, labels):
    classes = np.array(sorted(ANOMALIES))  # in another order than the task's
    arrays = {
        "names": {"labels": NAMES},
        "bytes": {"labels": NAMES.astype("S")},
        "numbers": {"labels": np.searchsorted(classes, NAMES), "classes": classes},
    }
    save(root / "input" / "mine.npz", images=draw_images(), **arrays[labels])
    raw = open_input(None, {"anomaly4"})
    assert raw.dataset == "mine"
    assert not raw.galaxy_ids
    assert len(raw.test_ids) == 0
    assert raw.targets.to_numpy().argmax(axis=1).tolist() == NUMBERS.tolist()
    assert (raw.image.crop_px, raw.image.cache_px) == (424, 96)
    assert raw.targets.index.tolist() == list(range(18))  # rows of the file
    for row, picture in enumerate(draw_images()):
        assert (decode(raw.train_images.read(row), 424, 48) == picture).all()


@pytest.mark.parametrize(
    ("side_px", "name", "first", "cache_px"),
    [(69, "galaxy10", "disk_face_on_no_spiral", 69), (256, "galaxy10_decals", "disturbed", 128)],
)
def test_the_side_of_the_images_says_which_file_it_is(root, side_px, name, first, cache_px):
    made = draw(12, side_px)
    write(root / "input" / "renamed.h5", made)
    raw = open_input(None, {name})
    assert raw.dataset == name
    assert not raw.galaxy_ids
    assert len(raw.test_ids) == 0
    assert list(raw.targets.columns) == list(get_task(name).columns)
    assert raw.targets.to_numpy().argmax(axis=1).tolist() == made["ans"].tolist()
    assert np.flatnonzero(raw.targets[first]).tolist() == [0, 10]
    assert (raw.image.crop_px, raw.image.cache_px) == (424, cache_px)
    assert (decode(raw.train_images.read(5), 424, side_px) == made["images"][5]).all()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"labels": None, "y": NUMBERS}, "has no array 'labels'"),
        ({"labels": NUMBERS}, "has no array 'classes' (the names of numeric labels)"),
        ({"images": draw_images().astype(object)}, "'images' is object of shape (18, 48, 48, 3)"),
        ({"labels": NAMES.astype(object)}, "'labels' holds Python objects: save"),
        ({"images": draw_images()[:-1]}, "has 17 images, but 18 labels"),
        ({"ids": NAMES}, "has id normal twice"),
        ({"labels": NUMBERS / 2}, "'labels' is float64"),
        ({"labels": np.eye(4, dtype=int)[NUMBERS]}, "'labels' is int64 of shape (18, 4)"),
        ({"labels": NUMBERS, "classes": np.array(ANOMALIES[:3])}, "is 3, not 0 to 2 ("),
        ({"labels": NUMBERS - 1, "classes": np.array(ANOMALIES)}, "is -1, not 0 to 3 ("),
        ({"labels": np.array(("normal", "ringed", "merger", "odd"))[NUMBERS]}, "class 'odd'"),
    ],
)
def test_what_is_wrong_with_npz_arrays_is_one_line(root, changes, named):
    write_npz(root / "input" / "mine.npz", **changes)
    message = refusal(None, "anomaly4")
    assert message.startswith("input/mine.npz")
    assert named in message


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"images": None, "data": [1]}, "no array 'images' (found 'ans', 'data')"),
        ({"ans": None}, "no array 'ans' (found 'images')"),
        ({"images": draw()["images"][..., 0]}, "'images' is uint8 of shape (40, 69, 69); expected"),
        (draw(12, 64), "shape (12, 64, 64, 3); expected uint8 color images of 69 × 69 or 256"),
        ({"images": draw()["images"] / 255}, "'images' is float64"),
        ({"ans": draw()["ans"] / 2}, "'ans' is float64"),
        ({"ans": draw()["ans"][:-1]}, "has 40 images, but 39 labels"),
        ({"ans": draw()["ans"] + 1}, "'ans' of image 9 is 10, not 0 to 9 (such images: 4)"),
        ({name: values[:0] for name, values in draw().items()}, "has no images"),
    ],
)
def test_what_is_wrong_with_hdf5_arrays_is_one_line(root, changes, named):
    write(root / "input" / "Galaxy10.h5", draw() | changes)
    for data in (None, "Galaxy10.h5"):
        message = refusal(data, "galaxy10")
        assert message.startswith("input/Galaxy10.h5")
        assert named in message


def test_tables_have_the_ids_of_the_file(root):
    ids = [f"J{1042 - row}" for row in range(18)]
    write_npz(root / "input" / "mine.npz", ids=ids)
    data = prepare(tasks={"anomaly4"}, n_folds=2)
    assert data.ids.tolist() == sorted(ids)
    for row, galaxy in enumerate(ids):
        assert data.train.loc[galaxy, ANOMALIES[NUMBERS[row]]] == 1
        decoded = decode(data.raw.train_images.read(galaxy), 424, 48)
        np.testing.assert_array_equal(decoded, draw_images()[row])


def test_damaged_images_of_an_npz_are_named_when_they_are_decoded(root):
    damage(write_npz(root / "input" / "mine.npz"), "images.npy")
    with pytest.raises(InputError, match=r"input/mine\.npz: 'images' cannot be read \(Bad CRC"):
        prepare(tasks={"anomaly4"})
