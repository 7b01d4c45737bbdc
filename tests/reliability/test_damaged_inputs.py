"""Every form of input × every damage: one line that names the file, and nothing is written."""

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

from galaxyzoo.data.parallel_decoding import decode_many
from galaxyzoo.data.prepare import prepare
from galaxyzoo.data.readers.find import open_input
from galaxyzoo.data.readers.labeled import CUT_OUT
from galaxyzoo.data.stores.opening import open_all, open_images
from support.datasets import (
    ANOMALIES,
    PARTS,
    SAMPLE,
    SOLUTIONS,
    TRAIN_IMAGES,
    WHOLE,
    ZOO5,
    draw_competition,
)
from support.forms import FORMS, to_png, write_beside
from support.pictures import damage, draw_image, draw_images, write_zip
from support.refusals import listing, one_line_refusal

IDS: list[Any] = [*range(101, 106)]
PIXELS = [draw_image(np.random.default_rng(i), 40) for i in IDS]
FOLDER, ZIP, LIST, PARQUET, _, HDF5, NPZ = FORMS
LABELED = "labeled `.npz`"
Change = Callable[[Path], object]


def write(root: Path, form: str, pixels: list[Any] = PIXELS, ids: list[Any] = IDS) -> Path:
    """A dataset in `input/mine`, of which one file is in this form; returns that file."""
    folder = root / "input" / "mine"
    folder.mkdir(parents=True)
    if form in (*PARTS, WHOLE):
        competition = draw_competition(n_train=6, n_test=3)
        if form == WHOLE:
            competition.write_whole_zip(folder)
        else:
            competition.write_zips(folder)
        return folder / f"{form}.zip"
    if form == LABELED:
        labels = np.array(ANOMALIES)[np.arange(18) % 4]
        np.savez(folder / "mine.npz", images=draw_images(), labels=labels)
        return folder / "mine.npz"
    path = write_beside(folder, form, pixels, ids, "images")
    table = pd.DataFrame({"GalaxyID": IDS, "class": ZOO5})
    table.to_csv(folder / "train_labels.csv", index=False)
    return path


def cut_off(share: float) -> Change:
    return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


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


def damage_member(path: Path) -> None:
    """Change bytes in a zip, behind the back of its checksum."""
    members = {TRAIN_IMAGES: "", WHOLE: f"{TRAIN_IMAGES}.zip", "mine": "labels.npy"}
    damage(path, members.get(path.stem, f"{path.stem}.csv"))


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
FEW = np.arange(4)
DEEP = np.zeros((5, 40, 40, 3), np.uint16)
ARRAYS = HDF5, NPZ
CUT = {ZIP: NO_ZIP, PARQUET: NO_PARQUET, HDF5: NO_HDF5, NPZ: NO_ZIP, **dict.fromkeys(PARTS, NO_ZIP)}
# What happens to a file -> by form, what its line says
DAMAGES: dict[str, tuple[Change, dict[str, str]]] = {
    "half of it is lost": (cut_off(0.5), CUT | {WHOLE: WHOLE}),
    "its end is lost": (cut_off(0.99), CUT | {WHOLE: WHOLE}),  # which opens as an inner zip
    "its beginning is left": (cut_off(0.1), {WHOLE: WHOLE}),
    "it is a web page": (
        overwrite("<html>Please log in</html>"),
        CUT | {HDF5: f"{NO_HDF5}26 bytes", LIST: "is a web page, not a table"},
    ),
    "it is empty": (overwrite(""), CUT | {WHOLE: WHOLE, LIST: " is empty"}),
    "it is not there": (Path.unlink, {part: f"{part}.zip" for part in PARTS}),
    "there is nothing in it": (
        pack_nothing,
        dict.fromkeys([FOLDER, ZIP, LIST, PARQUET, TRAIN_IMAGES], NO_IMAGE)
        | {SOLUTIONS: "should contain one CSV file, not 0"},
    ),
    "a table in it is damaged": (
        damage_member,
        {SOLUTIONS: SOLUTIONS, SAMPLE: SAMPLE, LABELED: "'labels' cannot be read (Bad CRC-32"},
    ),
    "an inner zip is damaged": (damage_member, {WHOLE: f"{WHOLE}.zip is damaged"}),
    "images of other types": (
        replace_arrays(images=DEEP),
        dict.fromkeys(ARRAYS, "'images' is uint16 of shape (5, 40"),
    ),
    "no images": (replace_arrays(images=None), dict.fromkeys(ARRAYS, "has no array 'images'")),
    "too few ids": (
        replace_arrays(ids=FEW),
        dict.fromkeys(ARRAYS, "5 images, but ids of shape (4,)"),
    ),
    "an id that is none in its table": (
        replace_columns(id=LOST, image=[b"x"] * 5),
        {PARQUET: "data row 3 has no id"},
    ),
    "a table of something else": (
        overwrite("ra,dec\n1,2\n"),
        {LIST: "has neither a column 'path'"},
    ),
}
CASES = [(form, damage) for damage, (_, lines) in DAMAGES.items() for form in lines]
TASKS = {LABELED: "anomaly4", **dict.fromkeys((*PARTS, WHOLE), "gz37")}


@pytest.mark.parametrize(("form", "damage"), CASES)
def test_a_damaged_file_is_one_line_that_names_it(root, form, damage):
    change, lines = DAMAGES[damage]
    path = write(root, form)
    change(path)
    before = listing(root / "input" / "mine")
    messages = [one_line_refusal(open_input, "mine", {TASKS.get(form, "zoo5")})]
    if form in FORMS:
        messages.append(one_line_refusal(open_all, [path]))
    for message in messages:
        assert path.stem in message
        assert lines[form] in message
    assert listing(root / "input" / "mine") == before
    assert not [*root.glob(f"input/cache/*/{TRAIN_IMAGES}.zip")]  # nothing half unpacked


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
