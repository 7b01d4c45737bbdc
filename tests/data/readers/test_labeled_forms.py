"""Images of a labeled folder in any form: the same dataset, each piece read once."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.data import image_digests, parallel_decoding
from galaxyzoo.data.image_cache import open_cache
from galaxyzoo.data.prepare import prepare
from galaxyzoo.data.readers.find import open_input
from galaxyzoo.extras.formats.arrays import HDF5Images
from support.datasets import write_labeled
from support.forms import write_beside, write_folder, write_image_zip
from support.pictures import draw_image
from support.refusals import one_line_refusal

PICTURES = {i: draw_image(np.random.default_rng(i), 48) for i in range(1, 45)}
SHUFFLED = np.random.default_rng(2).permutation([*PICTURES]).tolist()


def write_files(folder: Path) -> Path:
    """A labeled folder with each picture in a file, without loss."""
    write_labeled(folder)
    shutil.rmtree(folder / "images")
    return write_folder(folder / "images", [*PICTURES.values()], [*PICTURES]).parent


def write_form(folder: Path, form: str, parts: int = 1) -> Path:
    """The same labels, beside one or more files in which the galaxies are in another order."""
    folder.mkdir()
    for part, ids in enumerate(np.array_split(SHUFFLED, parts)):
        write_beside(folder, form, [PICTURES[i] for i in ids], ids.tolist(), f"part_{part}")
    for name in ("train_labels.csv", "test_ids.csv"):
        shutil.copyfile(folder.parent / "files" / name, folder / name)
    return folder


IN_ONE = ["list", "`.parquet`", "`.h5`", "`.npz`"]


@pytest.mark.parametrize(
    ("form", "parts"), [*((form, 1) for form in IN_ONE), ("`.npz`", 3), ("`.parquet`", 2)]
)
def test_images_in_any_form_make_the_dataset_that_files_make(root, form, parts):
    write_files(root / "input" / "files")
    files = prepare("files", n_folds=4)
    write_form(root / "input" / "mine", form, parts)
    mine = prepare("mine", n_folds=4)
    pd.testing.assert_frame_equal(mine.train, files.train)
    image = ImageConfig(crop_px=424, cache_px=48)
    for of_form, of_files in (
        (mine.train_images(image), files.train_images(image)),
        (mine.test_images(image), files.test_images(image)),
    ):
        np.testing.assert_array_equal(of_form.images, of_files.images)
        assert not of_form.problems
    np.testing.assert_array_equal(mine.train_images(image).images[3], PICTURES[4])


def list_in_parquet(folder: Path, ids: list[int]) -> None:
    write_folder(folder / "pictures", [PICTURES[i] for i in ids], ids)
    paths = [f"pictures/{i}.png" for i in ids]
    pd.DataFrame({"id": ids, "path": paths}).to_parquet(folder / "part_1.parquet")


def pack_in_zip(folder: Path, ids: list[int]) -> None:
    write_image_zip(folder / "part_1", [PICTURES[i] for i in ids], ids)


@pytest.mark.parametrize("write_rest", [list_in_parquet, pack_in_zip])
def test_files_of_two_forms_make_one_dataset(root, write_rest):
    write_files(root / "input" / "files")
    files = prepare("files", n_folds=4)
    folder = write_form(root / "input" / "mine", "`.h5`", 2)
    (folder / "part_1.h5").unlink()
    write_rest(folder, np.array_split(SHUFFLED, 2)[1].tolist())
    mine = prepare("mine", n_folds=4)
    pd.testing.assert_frame_equal(mine.train, files.train)
    image = ImageConfig(crop_px=424, cache_px=48)
    cache = mine.train_images(image)
    assert not cache.problems
    np.testing.assert_array_equal(cache.images, files.train_images(image).images)


@pytest.mark.parametrize(
    ("chunk_px", "pieces"), [(48, [*range(0, 44, 4)]), (None, [0])], ids=["48", "None"]
)
def test_each_piece_of_a_file_is_read_once_in_any_order_of_ids(root, chunk_px, pieces, monkeypatch):
    """A piece may hold hundreds of images, and takes as long to unpack as all of them."""
    write_files(root / "input" / "files")
    folder = write_form(root / "input" / "mine", "`.npz`")
    (folder / "part_0.npz").unlink()
    with h5py.File(folder / "mine.h5", "w") as file:
        chunks = (4, chunk_px, chunk_px, 3) if chunk_px else None
        pixels = np.stack([PICTURES[i] for i in SHUFFLED])
        file.create_dataset("images", data=pixels, chunks=chunks)
        file["ids"] = SHUFFLED
    read = []
    plain = HDF5Images.__getitem__

    def counted(images: HDF5Images, rows: slice) -> np.ndarray:
        read.append(rows.start)
        return plain(images, rows)

    monkeypatch.setattr(HDF5Images, "__getitem__", counted)
    monkeypatch.setattr(
        parallel_decoding, "in_threads", lambda work, count: map(work, range(count))
    )
    raw = open_input("mine", {"zoo5"})
    monkeypatch.setattr(image_digests, "in_threads", parallel_decoding.in_threads)
    open_cache(raw.train_images, raw.targets.index.to_numpy(), raw.image, chunk=5)
    assert read == pieces
    read.clear()
    image_digests.digest_images(open_input("mine", {"zoo5"}).train_images)
    assert read == pieces


def rename_ids(path: Path) -> None:
    table = parquet.read_table(path)
    names = pa.array([f"galaxy {i}" for i in table["id"].to_pylist()])
    parquet.write_table(table.set_column(0, "id", names), path)


def repeat_id(path: Path) -> None:
    shutil.copyfile(path, path.with_name("again.parquet"))


FORM_MISTAKES = {
    "ids that are names": (rename_ids, f"'galaxy {SHUFFLED[0]}' is not named after a GalaxyID"),
    "a galaxy in two files": (repeat_id, f"input/mine contains GalaxyID {SHUFFLED[0]} twice: "),
    "no file": (Path.unlink, "input/mine/ lacks images.zip (or a folder images/, or another"),
}


@pytest.mark.parametrize(("change", "named"), FORM_MISTAKES.values(), ids=FORM_MISTAKES)
def test_images_that_do_not_fit_the_table_are_named(root, change, named):
    write_files(root / "input" / "files")
    change(write_form(root / "input" / "mine", "`.parquet`") / "part_0.parquet")
    assert named in one_line_refusal(open_input, "mine", {"zoo5"})
