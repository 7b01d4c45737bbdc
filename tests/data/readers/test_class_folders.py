"""Labelled images in folders named by class, and in `.npz` files."""

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.image_cache import decode
from galaxyzoo.data.prepare import prepare
from galaxyzoo.data.readers import class_folders
from galaxyzoo.data.readers.find import open_input
from galaxyzoo.tasks.registry import get_task
from support.kaggle_fixtures import damage, draw_image, encode

CLASSES = ("normal", "ringed", "merger", "irregular")

MEMBERS = (6, 4, 4, 4)


def draw(count: int = 18, side_px: int = 48) -> np.ndarray:
    rng = np.random.default_rng(count)
    return np.stack([draw_image(rng, side_px) for _ in range(count)])


def numbers() -> np.ndarray:
    """(18,) class numbers, mixed."""
    return np.random.default_rng(0).permutation(np.repeat(np.arange(4), MEMBERS))


def write_folders(folder: Path, names: list[str] | None = None) -> Path:
    """One image each, its class by `numbers`; default names are the same in every class."""
    for row, (image, number) in enumerate(zip(draw(), numbers(), strict=True)):
        stem = names[row] if names else f"img ({row})"
        path = folder / CLASSES[number] / f"{stem}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(image))
    return folder


def write_npz(path: Path, **changes: Any) -> Path:
    """A file with class names; arrays changed by name, None leaves one out."""
    arrays = {"images": draw(), "labels": np.array(CLASSES)[numbers()], **changes}
    np.savez(path, **{name: values for name, values in arrays.items() if values is not None})
    return path


def refusal(data: str | None, task: str = "anomaly4") -> str:
    with pytest.raises(InputError) as caught:
        open_input(data, {task})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_folders_are_classes_and_files_are_numbered_in_order(root):
    folder = write_folders(root / "input" / "odd ones")
    source = open_input(None, {"anomaly4"})
    assert (source.dataset, source.own_ids, len(source.test_ids)) == ("odd ones", True, 0)
    assert list(source.targets.columns) == list(get_task("anomaly4").columns)
    assert source.targets.index.tolist() == list(range(18))
    paths = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jpg"))
    for row, path in enumerate(paths):
        assert source.targets.loc[row].idxmax() == Path(path).parent.name
        assert source.train_images.read(row) == (folder / path).read_bytes()


def test_names_that_are_galaxy_ids_are_ids(root):
    ids = np.random.default_rng(1).permutation(np.arange(587722982291472386, 587722982291472404))
    folder = write_folders(root / "input" / "mine", [str(i) for i in ids])
    source = open_input(None, {"anomaly4"})
    assert not source.own_ids
    assert source.targets.index.tolist() == sorted(ids)
    for galaxy_id, number in zip(ids.tolist(), numbers(), strict=True):
        assert source.targets.loc[galaxy_id].idxmax() == CLASSES[number]
        path = folder / CLASSES[number] / f"{galaxy_id}.jpg"
        assert source.train_images.read(galaxy_id) == path.read_bytes()


@pytest.mark.parametrize(
    "names", [[f"{i:06d}" for i in range(18)], [f"{i}" for i in range(18)], ["100008"] * 18]
)
def test_numbered_or_repeated_names_are_no_galaxy_ids(root, names):
    write_folders(root / "input" / "mine", names)
    source = open_input(None, {"anomaly4"})
    assert source.own_ids
    assert source.targets.index.tolist() == list(range(len(source.targets)))


def test_a_folder_of_an_unknown_class_is_named(root):
    folder = write_folders(root / "input" / "mine")
    (folder / "ringed").rename(folder / "Ringed")
    message = refusal(None)
    assert message.startswith("input/mine/: unknown class 'Ringed': the classes of anomaly4 are")
    (folder / "Ringed").rename(folder / "ringed")
    (folder / "notes").mkdir()  # a folder without images is no class
    assert open_input("mine", {"anomaly4"}).dataset == "mine"


def test_an_image_outside_the_folders_is_named(root):
    folder = write_folders(root / "input" / "mine")
    (folder / "example.jpg").write_bytes(encode(draw(1)[0]))
    assert refusal("mine") == "input/mine: 'example.jpg' lies in no class's folder"


def test_images_in_folders_deeper_down_belong_to_the_class(root):
    folder = write_folders(root / "input" / "mine")
    (folder / "merger").rename(root / "input" / "some")
    (folder / "merger").mkdir()
    (root / "input" / "some").rename(folder / "merger" / "some")
    source = open_input("mine", {"anomaly4"})
    assert source.targets.sum().tolist() == list(MEMBERS)


def test_one_folder_with_a_class_name_is_not_yet_such_a_set(root):
    assert not class_folders.holds_data(write_folders(root / "input" / "mine") / "normal")
    (root / "input" / "spiral").mkdir()
    assert not class_folders.holds_data(root / "input")


def test_anomaly4_from_folders_is_prepared(root):
    write_folders(root / "input" / "mine")
    data = prepare("mine", n_folds=3, tasks={"anomaly4"})
    catalog = data.catalog.for_task(get_task("anomaly4"))
    assert catalog.targets("anomaly4").sum(axis=0).tolist() == list(MEMBERS)
    assert data.train_images(data.raw.image).images.shape == (18, 96, 96, 3)
    assert len(data.test_images(data.raw.image).ids) == 0
    assert prepare("mine", tasks={"anomaly4"}).catalog.fingerprint == data.catalog.fingerprint


@pytest.mark.parametrize("form", ["folders", "npz"])
def test_a_class_with_too_few_members_is_named(root, form):
    if form == "npz":
        write_npz(root / "input" / "mine.npz")
    else:
        write_folders(root / "input" / "mine")
    catalog = prepare(n_folds=5, tasks={"anomaly4"}).catalog
    with pytest.raises(InputError, match=r"'ringed' has 4 galaxies, too few for 5 folds \(3 such"):
        catalog.for_task(get_task("anomaly4"))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("labels", ["names", "bytes", "numbers"])
def test_every_way_to_write_labels_reads_the_same(root, save, labels):
    names = np.array(CLASSES)[numbers()]
    classes = np.array(sorted(CLASSES))  # in another order than the task's
    arrays = {
        "names": {"labels": names},
        "bytes": {"labels": names.astype("S")},
        "numbers": {"labels": np.searchsorted(classes, names), "classes": classes},
    }[labels]
    save(root / "input" / "mine.npz", images=draw(), **arrays)
    source = open_input(None, {"anomaly4"})
    assert (source.dataset, source.own_ids, len(source.test_ids)) == ("mine", True, 0)
    assert source.targets.to_numpy().argmax(axis=1).tolist() == numbers().tolist()
    decoded = np.stack([decode(source.train_images.read(row), 424, 48) for row in range(18)])
    assert (decoded == draw()).all()


def test_the_arrays_are_opened_again_in_another_process(root):
    write_npz(root / "input" / "mine.npz")
    store = pickle.loads(pickle.dumps(open_input(None, {"anomaly4"}).train_images))
    assert (decode(store.read(5), 424, 48) == draw()[5]).all()


def test_a_changed_image_is_decoded_again(root):
    path = write_npz(root / "input" / "mine.npz")
    before = open_input(None, {"anomaly4"}).train_images.digest_of(0)
    images = draw()
    images[5] += 1
    write_npz(path, images=images)
    assert open_input(None, {"anomaly4"}).train_images.digest_of(0) != before


def test_anomaly4_from_an_npz_is_prepared(root):
    write_npz(root / "input" / "mine.npz")
    data = prepare(n_folds=3, tasks={"anomaly4"})
    catalog = data.catalog.for_task(get_task("anomaly4"))
    assert catalog.targets("anomaly4").argmax(axis=1).tolist() == numbers().tolist()
    assert data.train_images(data.raw.image).images.shape == (18, 96, 96, 3)


def objects(values: np.ndarray) -> np.ndarray:
    return values.astype(object)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"images": None, "pictures": draw()}, "has no array 'images'"),
        ({"labels": None, "y": numbers()}, "has no array 'labels'"),
        ({"labels": numbers()}, "has no array 'classes' (labels that are numbers need their"),
        ({"images": objects(draw())}, "'images' is object of shape (18, 48, 48, 3), expected"),
        ({"labels": objects(np.array(CLASSES)[numbers()])}, "'labels' holds Python objects: save"),
        ({"images": draw() / 255}, "'images' is float64"),
        ({"images": draw()[..., 0]}, "'images' is uint8 of shape (18, 48, 48), expected"),
        ({"images": draw()[:-1]}, "holds 17 images and 18 labels"),
        ({"labels": numbers() / 2}, "'labels' is float64"),
        ({"labels": np.eye(4, dtype=int)[numbers()]}, "'labels' has shape (18, 4)"),
        (
            {"labels": numbers(), "classes": np.array(CLASSES[:3])},
            "is 3, and 'classes' has 3 names",
        ),
        ({"labels": numbers() - 1, "classes": np.array(CLASSES)}, "is -1, and 'classes' has 4"),
        ({"labels": np.array(("normal", "ringed", "merger", "odd"))[numbers()]}, "class 'odd'"),
    ],
)
def test_what_is_wrong_with_arrays_is_said_in_one_line(root, changes, named):
    write_npz(root / "input" / "mine.npz", **changes)
    message = refusal(None)
    assert message.startswith("input/mine.npz")
    assert named in message


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def damaged_labels(path: Path) -> None:
    damage(path, "labels.npy")


def no_zip(path: Path) -> None:
    path.write_bytes(b"\x93NUMPY")


def no_array(path: Path) -> None:
    write_npz(path, images=None)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("images.npy", b"no array")


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (truncated, "is not a whole zip file"),
        (damaged_labels, "'labels' cannot be read (Bad CRC-32"),
        (no_zip, "is not a whole zip file"),
        (no_array, "'images' cannot be read ("),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_damaged_file_is_named(root: Path, spoil: Callable[[Path], None], named: str) -> None:
    spoil(write_npz(root / "input" / "mine.npz"))
    message = refusal("mine.npz")
    assert message.startswith("input/mine.npz")
    assert named in message


def test_damaged_images_are_named_when_they_are_decoded(root):
    damage(write_npz(root / "input" / "mine.npz"), "images.npy")
    with pytest.raises(InputError, match=r"input/mine\.npz: 'images' cannot be read \(Bad CRC"):
        prepare(tasks={"anomaly4"})
