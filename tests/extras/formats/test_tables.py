"""Archives and tables: the same images by the same ids in every form."""

import pickle
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from pyarrow import parquet

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.data.parallel_decoding import decode_many
from galaxyzoo.data.stores.opening import open_all, open_images
from galaxyzoo.extras.formats import tables
from galaxyzoo.extras.formats.columns import column_names
from support.forms import write_folder, write_hdf5, write_npz
from support.pictures import draw_image, encode
from support.refusals import one_line_refusal
from support.surveys import read_columns

IDS = [30, 10, 20, 50, 40]  # in the order of the file
IMAGE = ImageConfig(crop_px=424, cache_px=32)
PICTURES = {i: draw_image(np.random.default_rng(i), 40) for i in IDS}
FILES = {i: encode(PICTURES[i], end=".png") for i in IDS}


STACK = np.stack([*PICTURES.values()])
FLOATS = (STACK / 255).astype(">f2")
NAMES = [f"{i}.png" for i in IDS]
KINDS = [pa.binary(), pa.large_binary(), pa.dictionary(pa.int32(), pa.binary())]
KINDS += [pa.struct({"bytes": kind}) for kind in KINDS[::2]]


def write(kind: Callable[..., Path], pixels: Any = STACK, ids: Any = IDS, **how: Any) -> Any:
    return lambda path: kind(path, [*pixels], ids, **how)


def write_list(
    path: Path, end: str = ".csv", absolute: bool = False, top: str = "", mark: str = ""
) -> Path:
    folder = (path.parent / top / "pictures").resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    write_folder(folder, [*FILES.values()], IDS)
    if absolute:
        table = pd.DataFrame({"id_str": IDS, "file_loc": [str(folder / name) for name in NAMES]})
    else:
        table = pd.DataFrame({"path": [f"{top}pictures/{name}" for name in NAMES]})
    if mark:
        table = table.replace("/", mark, regex=True)
    path = path.with_suffix(end)
    if end == ".parquet":
        table.to_parquet(path)
    elif end == ".csv":
        table.to_csv(path, index=False)
    else:
        Table.from_pandas(table).write(path, format="fits")
    return path


def write_bytes_as_text(path: Path, *texts: str) -> Path:
    """A list some of whose columns are bytes, as astropy writes those of FITS tables."""
    table = pd.read_csv(write_list(path)).assign(name=NAMES)
    for column in texts:
        table[column] = table[column].str.encode("utf-8")
    path = path.with_suffix(".parquet")
    table.to_parquet(path)
    return path


def write_bytes_column(path: Path, kind: pa.DataType) -> Path:
    data = pa.array([*FILES.values()], pa.binary())
    inner = kind.field("bytes").type if pa.types.is_struct(kind) else kind
    column = data.dictionary_encode() if pa.types.is_dictionary(inner) else data.cast(inner)
    if inner is not kind:
        column = pa.StructArray.from_arrays([column], fields=[kind.field("bytes")])
    path = path.with_suffix(".parquet")
    parquet.write_table(pa.table({"GalaxyID": IDS, "image": column}), path, row_group_size=2)
    return path


def write_datasets(path: Path, holds_bytes: bool, mark: str = "/", **columns: Any) -> Path:
    """As Hugging Face's datasets write it: images with their paths, embedded or not."""
    write_folder(path.parent / "pictures", [*FILES.values()], IDS)
    images = []
    for name, data in zip(NAMES, FILES.values(), strict=True):
        embedded = data if holds_bytes else None
        images.append({"bytes": embedded, "path": f"pictures{mark}{name}"})
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    path = path.with_suffix(".parquet")
    parquet.write_table(pa.table({"rgb_image": pa.array(images, kind), **columns}), path)
    return path


FORMS: dict[str, Callable[[Path], Path]] = {
    "parquet of datasets": partial(write_datasets, holds_bytes=True, object_id=IDS),
    "parquet of datasets without ids": partial(write_datasets, holds_bytes=True),
    "parquet of datasets with paths alone": partial(write_datasets, holds_bytes=False),
    "parquet of datasets with paths of Windows": partial(
        write_datasets, holds_bytes=False, mark="\\"
    ),
    "csv list of images above": partial(write_list, top="../above/"),
    "csv list of Windows": partial(write_list, mark=r"\\"),
    "hdf5": write(write_hdf5, rows=2),
    "hdf5, planes first": write(write_hdf5, FLOATS.transpose(0, 3, 1, 2)),
    "npz with names": write(write_npz, ids=[name.encode() for name in NAMES]),
    **{f"parquet of {kind}": partial(write_bytes_column, kind=kind) for kind in KINDS},
    "csv list": write_list,
    "parquet list": partial(write_list, end=".parquet"),
    "parquet list with a name in bytes": lambda path: write_bytes_as_text(path, "name"),
    "parquet list of paths in bytes": lambda path: write_bytes_as_text(path, "path"),
    "parquet list in bytes": lambda path: write_bytes_as_text(path, "path", "name"),
    "FITS list": partial(write_list, end=".fits"),
    "FITS list, packed": partial(write_list, end=".fit.gz", absolute=True),
    "list of absolute paths, as Zoobot's": partial(write_list, absolute=True),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_images_by_the_same_ids(tmp_path, form):
    opened = open_images(FORMS[form](tmp_path / "one"))
    sent = pickle.loads(pickle.dumps(opened))  # to another process
    for store in (opened, sent):
        assert [int(Path(store.names[k]).stem) for k in range(5)] == IDS
        images, problems = decode_many(store.take([3, 0, 4, 1]), IMAGE)
        assert problems == {}
        for image, galaxy_id in zip(images, (50, 30, 40, 10), strict=True):
            color = image.astype(int).mean(axis=(0, 1))
            expected = PICTURES[galaxy_id].mean(axis=(0, 1))
            assert np.abs(color - expected).max() < 1  # the others differ by more


def test_row_groups_that_are_too_large_to_be_in_memory_are_refused(tmp_path, monkeypatch):
    """A file may be of any size, as it is read a row group at a time."""
    limit = 20_000
    monkeypatch.setattr(tables, "_MAX_GROUP_BYTES", limit)
    path = write_bytes_column(tmp_path / "one", pa.binary())
    assert path.stat().st_size > limit
    assert len(open_images(path)) == 5
    parquet.write_table(parquet.read_table(path), path)
    line = one_line_refusal(open_images, path)
    assert line.endswith("one.parquet has row groups above 1 GB: write smaller row groups")


@pytest.mark.parametrize("holds_bytes", [False, True])
def test_an_image_whose_path_is_in_parquet_has_another_stamp_when_it_changed(tmp_path, holds_bytes):
    path = write_datasets(tmp_path / "one", holds_bytes)
    before = open_images(path).table["stamp"]
    changed = tmp_path / "pictures" / NAMES[2]
    changed.write_bytes(FILES[30] + b" ")
    differs = open_images(path).table["stamp"] != before
    assert [NAMES[row] for row in differs[differs].index] == ([] if holds_bytes else [NAMES[2]])
    changed.unlink()  # an error of that image alone
    assert len(open_images(path)) == len(NAMES)


@pytest.mark.parametrize("names", [("J1.fits", "J2.fits"), ("J1.jpg", "J2.jpg")])
def test_files_have_the_same_ids_wherever_their_list_lies(tmp_path, names):
    """Tables of one night are joined by them; with equal names in two folders the paths stay."""

    def ids(folder: str, *paths: str) -> list[str]:
        path = tmp_path / folder / "list.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("path\n" + "".join(f"{each}\n" for each in paths))
        return open_images(path).names.tolist()

    for folder, top in ((".", "cuts/"), ("cuts", ""), ("lists", "../cuts/"), ("a", "/elsewhere/")):
        assert ids(folder, *(f"{top}{name}" for name in names)) == [*names]
    paths = ["cuts/J1.fits", "other/J1.fits"]
    assert ids(".", *paths) == paths


SDSS = 587722982275383513  # float64 keeps 53 bits, some 16 digits
# A missing id makes whole columns float64 (pandas 48170, 56678), also in files of astronomers
# (pandas 12340); southern Euclid objects are negative; "150.1163" is a right ascension.
# Ids -> as they are read, or the one that is refused
GIVEN: dict[str, tuple[Any, list[str] | str]] = {
    "whole": ([0, SDSS, 2**63 - 1], ["0", str(SDSS), str(2**63 - 1)]),
    "negative": ([-600000000000000000, -5], ["-600000000000000000", "-5"]),
    "above int64": (np.array([2**64 - 1, 2], np.uint64), [str(2**64 - 1), "2"]),
    "whole floats": ([30.0, -1.0, 2.0**53 - 1], ["30", "-1", str(2**53 - 1)]),
    "other floats": ([150.1163, 150.0], ["150.1163", "150.0"]),
    "texts": (["150.1163", "a/1", "007", "1e5"], ["150.1163", "a/1", "007", "1e5"]),
    "float64": ([3.0, float(SDSS)], "row 2, 5.877229822753836e+17"),
    "float64 of two numbers": ([float(2**53 + 1)], "row 1, 9007199254740992.0"),
    "text of a float": (["1", "5.877229822753836e+17"], "row 2, 5.877229822753836e+17"),
    "text as of Excel": (["-5.87723E+17"], "row 1, -5.87723E+17"),
}
ID_FORMS = ["one.h5", "one.parquet", "list.parquet", "list.csv", "list.fits"]


def write_ids(path: Path, ids: Any) -> Path:
    """A list or table of as many images; CSV has the ids as pandas writes them."""
    if path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["images"] = np.stack([PICTURES[30]] * len(ids))
            file["IDs"] = ids
    elif path.stem == "one":
        table = pa.table({"SOURCE_ID": pa.array(ids), "image": [FILES[30]] * len(ids)})
        parquet.write_table(table, path)
    else:
        table = pd.DataFrame({"Path": "a.png"}, pd.Index(ids, name="objID"))
        if path.suffix == ".csv":
            table.to_csv(path)
        elif path.suffix == ".fits":
            Table.from_pandas(table, index=True).write(path)
        else:
            table.to_parquet(path)
    return path


@pytest.mark.parametrize("form", ID_FORMS)
@pytest.mark.parametrize(("ids", "expected"), GIVEN.values(), ids=GIVEN)
def test_ids_keep_all_digits_or_are_refused(tmp_path, form, ids, expected):
    path = write_ids(tmp_path / form, ids)
    if isinstance(expected, list):
        assert open_images(path).names.tolist() == expected
        return
    message = one_line_refusal(open_images, path)
    problem = f"{form}: the id in data {expected}, is a decimal number and may have lost digits"
    assert problem in message


@pytest.mark.parametrize("form", ["one.parquet", "list.parquet"])
def test_binary_ids_are_refused_as_they_are_no_text(tmp_path, form):
    """DuckDB writes a UUID as its 16 bytes."""
    ids = [uuid.UUID(int=number).bytes for number in (5, 2**128 - 1)]
    line = one_line_refusal(open_images, write_ids(tmp_path / form, ids))
    assert f"{form}: the id in data row 1 is binary: write ids as text" in line


def test_a_row_without_a_path_is_an_error_of_its_image(tmp_path):
    (tmp_path / "a.csv").write_text("path,id\n,7\n")
    [images] = open_all([tmp_path / "a.csv"])
    assert one_line_refusal(images.load, 0) == "its row has no path"


def test_a_folder_of_archives_is_no_folder_of_images(tmp_path):
    """Sky maps of HATS are FITS."""
    for name in ("properties", "point_map.fits", "dataset/0.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    line = one_line_refusal(open_images, tmp_path)
    assert line.endswith(f"name its files, such as {tmp_path / 'dataset/0.parquet'}")


def test_columns_of_fits_tables_are_texts_numbers_and_nulls(tmp_path):
    """As TOPCAT and surveys write them, with columns of arrays, and images in front."""
    columns = {
        "path": ["a.png", "sub/b.png"],
        "kind": ["spiral", ""],
        "n": MaskedColumn([999999, 1], mask=[True, False]),
        "mag": np.array([np.nan, 19.5], np.float32),
        "is_bar": [True, False],
        "flux": np.ones((2, 5)),
    }
    Table(columns).write(tmp_path / "list.fits")
    assert column_names(tmp_path / "list.fits") == ["path", "kind", "n", "mag", "is_bar"]
    kept = read_columns(tmp_path / "list.fits", ["kind", "n", "mag", "is_bar"])
    assert kept.to_pylist() == [
        {"kind": "spiral", "n": None, "mag": None, "is_bar": True},
        {"kind": None, "n": 1, "mag": 19.5, "is_bar": False},
    ]
    assert pa.types.is_integer(kept.schema.field("n").type)


def test_fits_files_with_an_image_are_images_and_damaged_ones_are_no_list(tmp_path):
    table = fits.table_to_hdu(Table({"path": ["a.png"]}))
    pixels = np.ones((3, 9, 9), np.int16)
    files = {
        "cube": fits.HDUList([fits.PrimaryHDU(pixels), table]),
        "extension": fits.HDUList([fits.PrimaryHDU(), table, fits.ImageHDU(pixels)]),
        "packed": fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels)]),
        "empty": fits.HDUList([fits.PrimaryHDU()]),
    }
    for name, hdus in files.items():
        hdus.writeto(tmp_path / f"{name}.fits")
    (tmp_path / "damaged.fits").write_bytes(b"SIMPLE  =")
    paths = sorted(tmp_path.iterdir())
    [images] = open_all(paths)
    assert images.names.tolist() == [path.name for path in paths]


def test_a_list_by_topcat_is_a_list(tmp_path):
    """STIL's fits-plus, its default, begins with an HDU of the VOTable's text."""
    path = write_ids(tmp_path / "list.fits", [5, 7])
    with fits.open(path) as hdus:
        votable = fits.PrimaryHDU(np.frombuffer(b"<VOTABLE/>" * 300, np.uint8))
        fits.HDUList([votable, hdus[1]]).writeto(tmp_path / "topcat.fits")
    assert open_images(tmp_path / "topcat.fits").names.tolist() == ["5", "7"]


def test_a_fits_table_that_is_no_list_is_refused_by_its_columns(tmp_path):
    Table({"objid": [1], "ra": [2.0]}).write(tmp_path / "t.fits")
    line = one_line_refusal(open_images, tmp_path / "t.fits")
    assert "t.fits has neither a column 'path'" in line
    assert line.endswith("(found objid, ra)")
    Table({"path": [["a.png", "b.png"]]}).write(tmp_path / "colfits.fits")
    line = one_line_refusal(open_images, tmp_path / "colfits.fits")
    assert line.endswith("(found only arrays: save it as fits-basic)")
    data = (tmp_path / "t.fits").read_bytes()
    (tmp_path / "t.fits").write_bytes(data[:-2875])
    assert "t.fits cannot be read (" in one_line_refusal(open_images, tmp_path / "t.fits")
