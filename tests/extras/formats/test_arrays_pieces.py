"""Pieces of arrays that are lost, were never written or are damaged cost their own images alone."""

import weakref
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.data.parallel_decoding import decode_many
from galaxyzoo.data.stores.base import Images
from galaxyzoo.data.stores.opening import open_images
from galaxyzoo.extras.formats.arrays import PieceReader, build_images, number_rows
from support.pictures import draw_image, encode
from support.refusals import one_line_refusal

IMAGE = ImageConfig(crop_px=424, cache_px=32)
COUNT = 10
LOST = (4, 5)  # the third piece of two images
PIXELS = np.stack([draw_image(np.random.default_rng(i), 40) for i in range(COUNT)])


def write_hdf5(path: Path, rows: int, **how: Any) -> h5py.Dataset:
    """An HDF5 file whose first `rows` images were written."""
    file = h5py.File(path, "w")
    file["ids"] = np.arange(COUNT)
    images = file.create_dataset("images", PIXELS.shape, np.uint8, **how)
    if rows:
        images[:rows] = PIXELS[:rows]
    return images


def damage_hdf5(path: Path, **how: Any) -> None:
    images = write_hdf5(path, COUNT, chunks=(2, 40, 40, 3), **how)
    place = images.id.get_chunk_info_by_coord((4, 0, 0, 0)).byte_offset
    images.file.close()
    data = bytearray(path.read_bytes())
    data[place + 200 : place + 260] = bytes(60)
    path.write_bytes(data)


def skip_hdf5(path: Path, chunks: tuple[int, ...]) -> None:
    """A writer that left out two images: its pieces are not in the file (h5py 3.16.0)."""
    images = write_hdf5(path, LOST[0], chunks=chunks)
    images[LOST[1] + 1 :] = PIXELS[LOST[1] + 1 :]
    if chunks[1] < PIXELS.shape[1]:
        images[LOST[0] : LOST[1] + 1, : chunks[1]] = PIXELS[LOST[0] : LOST[1] + 1, : chunks[1]]
    images.file.close()


@pytest.mark.parametrize("name", ["images", "ids"])
def test_a_filter_that_h5py_lacks_is_no_damage(tmp_path: Path, name: str) -> None:
    """As PyTables' blosc2 and bzip2, and hdf5plugin's filters."""
    path = tmp_path / "a.h5"
    arrays = {"images": PIXELS, "ids": np.arange(COUNT)}
    packed = arrays.pop(name)
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_chunk(packed.shape)
    layout.set_filter(32026, h5py.h5z.FLAG_OPTIONAL, ())
    with h5py.File(path, "w") as file:
        space = h5py.h5s.create_simple(packed.shape)
        kind = h5py.h5t.py_create(packed.dtype)
        h5py.h5d.create(file.id, name.encode(), kind, space, layout)
        file.update(arrays)
    line = one_line_refusal(open_images, path)
    assert f"'{name}' is packed by filter 32026 " in line
    assert "write it with gzip" in line


def damage_parquet(path: Path) -> None:
    """A row group with a bit that changed; groups are of different sizes."""
    data = [encode(image, end=".png") for image in PIXELS]
    schema = pa.schema({"id": pa.int64(), "image": pa.binary()})
    how = {"compression": "none", "write_page_checksum": True}
    with parquet.ParquetWriter(path, schema, **how) as writer:
        for start, stop in ((0, 4), (4, 6), (6, 7), (7, 10)):
            rows = {"id": np.arange(start, stop), "image": data[start:stop]}
            writer.write_table(pa.table(rows, schema))
    column = parquet.ParquetFile(path).metadata.row_group(1).column(1)
    content = bytearray(path.read_bytes())
    middle = column.dictionary_page_offset + column.total_compressed_size // 2
    content[middle] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "HDF5, damaged": ("a.h5", partial(damage_hdf5, compression="gzip")),
    "HDF5, not written": ("a.h5", partial(skip_hdf5, chunks=(2, 40, 40, 3))),
    "HDF5, not written, cut across": ("a.h5", partial(skip_hdf5, chunks=(2, 16, 40, 1))),
    "Parquet, damaged": ("a.parquet", damage_parquet),
}


def decode_in(images: Images, order: np.ndarray) -> tuple[np.ndarray, dict[int, str]]:
    pixels, problems = decode_many(images.take(order), IMAGE)
    return pixels, {int(order[row]): why for row, why in problems.items()}


@pytest.mark.parametrize("order", [np.arange(COUNT), np.array([5, 9, 0, 4, 3, 8, 6, 2, 1, 7])])
@pytest.mark.parametrize("damage", DAMAGES)
def test_exactly_its_images_are_errors_in_whatever_order(tmp_path, damage, order):
    name, write = DAMAGES[damage]
    write(tmp_path / name)
    images, problems = decode_in(open_images(tmp_path / name), order)
    assert sorted(problems) == list(LOST)
    for why in problems.values():
        assert "its chunk of " in why
        assert "damaged" in why if "damaged" in damage else "damaged" in why or "missing" in why
    whole = build_images(tmp_path, number_rows(COUNT), COUNT, lambda: PIXELS, 0)
    expected = decode_in(whole, order)[0]
    kept = ~np.isin(order, LOST)
    np.testing.assert_array_equal(images[kept], expected[kept])


def test_dark_galaxies_are_no_lost_pieces(tmp_path):
    dark = np.zeros_like(PIXELS)
    dark[:, 20, 20] = 200
    file = write_hdf5(tmp_path / "a.h5", COUNT, chunks=(2, 16, 40, 1))
    file[:] = dark
    file.file.close()
    assert decode_in(open_images(tmp_path / "a.h5"), np.arange(COUNT))[1] == {}


@pytest.mark.parametrize("value", [-0.1, 1.5, 255.0, np.nan])
def test_floats_that_are_no_shares_are_errors_of_their_images(tmp_path, value):
    pixels = PIXELS / 255
    pixels[3, 0, 0, 0] = value
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"], file["ids"] = pixels, np.arange(COUNT)
    problems = decode_in(open_images(tmp_path / "a.h5"), np.arange(COUNT))[1]
    assert problems == {3: "its values are not all from 0 to 1: write uint8, and no NaN"}


class Rows(np.ndarray):
    """An array that can be followed by a weak reference."""


@pytest.mark.parametrize("starts", [[0], [0, 2, 4, 6, 8]])
def test_of_all_files_two_pieces_and_their_arrays_are_in_memory(starts):
    """A survey of a hundred files of 138 MB a piece; rows of two neighbors in turn."""
    opened: list[weakref.ref[Rows]] = []

    def open_array() -> Rows:
        rows = PIXELS.copy().view(Rows)
        opened.append(weakref.ref(rows))
        return rows

    readers = [PieceReader(Path(f"{k}.h5"), open_array, starts, COUNT) for k in range(5)]
    for reader, after in pairwise(readers):
        for row in (0, COUNT - 1):
            for other in (reader, after):
                np.testing.assert_array_equal(other(row), PIXELS[row])
        assert sum(rows() is not None for rows in opened) <= 2
    before = len(opened)
    readers[-1](COUNT - 1)
    assert len(opened) == before  # the last one stays
