"""Every form of images × every damage: one line, in prediction and in training."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from galaxyzoo.data.image_cache import decode_many
from galaxyzoo.data.prepare import prepare
from galaxyzoo.data.readers.find import open_input
from galaxyzoo.data.readers.labeled import CUT_OUT
from galaxyzoo.data.stores.opening import open_all, open_images
from support.datasets import ZOO5
from support.forms import FORMS, to_png
from support.pictures import draw_image, write_zip
from support.refusals import one_line_refusal

IDS: list[Any] = [*range(101, 106)]
PIXELS = [draw_image(np.random.default_rng(i), 40) for i in IDS]
FOLDER, ZIP, LIST, PARQUET, _, HDF5, NPZ = FORMS
Change = Callable[[Path], object]


def write(root: Path, form: str, pixels: list[Any] = PIXELS, ids: list[Any] = IDS) -> Path:
    """A labeled folder with images in a form; returns where those are."""
    folder = root / "input" / "mine"
    folder.mkdir(parents=True)
    path = FORMS[form](folder / "images", pixels, ids)
    if form == LIST:  # seen from the folder of the list
        shutil.copytree(path.parent, folder, dirs_exist_ok=True)
        shutil.rmtree(path.parent)
        path = (folder / "list.csv").rename(folder / "images.csv")
    labels = pd.DataFrame({"GalaxyID": IDS, "class": ZOO5})
    labels.to_csv(folder / "train_labels.csv", index=False)
    return path


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwrite(content: str) -> Change:
    return lambda path: path.write_text(content)


def pack_nothing(path: Path) -> None:
    if path.suffix == ".parquet":
        parquet.write_table(parquet.read_table(path)[:0], path)
    elif path.suffix == ".csv":
        pd.read_csv(path)[:0].to_csv(path, index=False)
    elif path.suffix == ".zip":
        write_zip(path, {"read.me": b"x"})
    else:
        shutil.rmtree(path)
        path.mkdir()


def replace_arrays(**arrays: Any) -> Change:
    """An array of the file for another one, or none."""

    def change(path: Path) -> None:
        if path.suffix == ".npz":
            with np.load(path) as file:
                kept = {**file} | arrays
            np.savez(path, **{name: values for name, values in kept.items() if values is not None})
        else:
            with h5py.File(path, "a") as file:
                for name, values in arrays.items():
                    del file[name]
                    if values is not None:
                        file[name] = values

    return change


def replace_columns(**columns: Any) -> Change:
    """The table of the file for another one."""
    return lambda path: parquet.write_table(pa.table(columns), path)


NO_ZIP, NO_HDF5 = "is not a complete zip file", "complete HDF5 file ("
NO_PARQUET, NO_IMAGE = "is not a complete Parquet file", "has no images"
LOST = ["a", "b", None, "d", "e"]
FEW, DEEP = np.arange(4), np.zeros((5, 40, 40, 3), np.uint16)
ARRAYS = HDF5, NPZ
# What happens to a file -> by form, what its line says
DAMAGES: dict[str, tuple[Change, dict[str, str]]] = {
    "half of it is lost": (
        cut_off,
        {ZIP: NO_ZIP, PARQUET: NO_PARQUET, HDF5: NO_HDF5,
         NPZ: NO_ZIP},
    ),
    "it is a web page": (
        overwrite("<html>Please log in</html>"),
        {ZIP: NO_ZIP, PARQUET: NO_PARQUET, HDF5: f"{NO_HDF5}26 bytes", NPZ: NO_ZIP,
         LIST: "is a web page, not a table"},
    ),
    "it is empty": (
        overwrite(""),
        {ZIP: NO_ZIP, PARQUET: NO_PARQUET, HDF5: NO_HDF5, NPZ: NO_ZIP,
         LIST: "No columns to parse"},
    ),
    "there is nothing in it": (
        pack_nothing, dict.fromkeys([FOLDER, ZIP, LIST, PARQUET], NO_IMAGE)
    ),
    "images of other types": (
        replace_arrays(images=DEEP), dict.fromkeys(ARRAYS, "'images' is uint16 of shape (5, 40")
    ),
    "no images": (
        replace_arrays(images=None), dict.fromkeys(ARRAYS, "has no array 'images'")
    ),
    "too few ids": (
        replace_arrays(ids=FEW), dict.fromkeys([HDF5, NPZ], "5 images and ids of shape (4,)")
    ),
    "an id that is none in its table": (
        replace_columns(id=LOST, image=[b"x"] * 5), {PARQUET: "row 2 has no id"}
    ),
    "a table of something else": (
        overwrite("ra,dec\n1,2\n"), {LIST: "has neither a column 'path'"}
    ),
}  # fmt: skip
CASES = [(form, damage) for damage, (_, lines) in DAMAGES.items() for form in lines]


@pytest.mark.parametrize(("form", "damage"), CASES)
def test_a_damaged_file_is_one_line_that_names_it(root, form, damage):
    change, lines = DAMAGES[damage]
    path = write(root, form)
    change(path)
    for message in (
        one_line_refusal(open_all, [path]),
        one_line_refusal(open_input, "mine", {"zoo5"}),
    ):
        assert "images" in message.split(": ")[0]  # the file's own name, or its table's
        assert lines[form] in message


PICTURES = [FOLDER, ZIP, LIST, PARQUET]
BAD_IMAGES: dict[str, tuple[bytes | None, dict[str, str]]] = {
    "it is no image": (b"no image", dict.fromkeys(PICTURES, "it is neither JPEG nor PNG")),
    "it is empty": (b"", dict.fromkeys(PICTURES, "it is empty")),
    "half of it is lost": (to_png(PIXELS[1])[:900], dict.fromkeys(PICTURES, "it is truncated")),
    "it is not there": (None, {PARQUET: "it is empty"}),
}


@pytest.mark.parametrize(
    ("form", "damage"), [(form, damage) for damage in BAD_IMAGES for form in BAD_IMAGES[damage][1]]
)
def test_a_damaged_image_is_named_alone(root, form, damage):
    data, lines = BAD_IMAGES[damage]
    path = write(root, form, [PIXELS[0], data, *PIXELS[2:]])
    store = open_images(path)
    _, problems = decode_many(store, CUT_OUT)
    assert [store.names[number].split(".")[0] for number in problems] == ["102"]
    assert lines[form] in next(iter(problems.values()))
    message = one_line_refusal(prepare, "mine", tasks={"zoo5"}, n_folds=2)
    assert message.startswith(f"input/mine/{path.name}: 1 of 5 images cannot be used: replace")
    assert "102" in message.split("first: ")[1]
    assert lines[form] in message


def test_a_file_of_a_list_that_has_gone_is_named_alone(root):
    path = write(root, LIST)
    (path.parent / "1.png").unlink()
    store = open_images(path)
    [(number, why)] = decode_many(store, CUT_OUT)[1].items()
    assert store.names[number] == "102"
    assert "1.png cannot be read (" in why
