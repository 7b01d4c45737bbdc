# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "datasets==5.2.0", "duckdb==2.0.1", "fastparquet==2026.9.0", "lsdb==0.11.1", "numpy==2.4.6",
#     "pandas==3.1.1", "pillow==12.3.0", "polars==2.1.0", "pyarrow==26.0.1",
# ]
# ///
"""Images and lists in Parquet and CSV."""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from recording import (
    COLUMN,
    FILES,
    IDS,
    LONG_IDS,
    NAMES,
    PICTURES,
    PLACES,
    Galaxies,
    Written,
    add,
    write_all,
)

MAGNITUDES = [15.0, 16.25, np.nan, 17.5, 18.0, 18.75]
UUIDS = [str(uuid.UUID(int=2**128 - 1 - number)) for number in range(6)]


def of_images(path: Path, galaxies: Galaxies, ids: Sequence) -> Written:
    return Written(path, {IDS: [str(name) for name in ids], PICTURES: galaxies.pictures})


def write_duckdb(galaxies: Galaxies, folder: Path, kind: str, ids: list) -> Written:
    import duckdb

    path = folder / "a.parquet"
    database = duckdb.connect()
    database.execute(f"create table t (id {kind}, image blob)")
    rows = list(zip(ids, galaxies.pngs, strict=True))
    database.executemany("insert into t values (?, ?)", rows)
    database.execute(f"copy t to '{path}'")
    return of_images(path, galaxies, ids)


def write_read_blob(galaxies: Galaxies, folder: Path) -> Written:
    import duckdb

    path = folder / "a.parquet"
    galaxies.write_pngs(folder / "cuts")
    files = f"select filename, content from read_blob('{folder}/cuts/*.png') order by 1"
    duckdb.execute(f"copy ({files}) to '{path}'")
    return of_images(path, galaxies, [f"{folder}/cuts/{name}" for name in FILES])


def write_duckdb_list(galaxies: Galaxies, folder: Path) -> Written:
    import duckdb

    galaxies.write_pngs(folder)
    database = duckdb.connect()
    database.execute("create table t (id bigint, path varchar, mag double)")
    for row in zip(LONG_IDS, FILES, MAGNITUDES, strict=True):
        values = [None if value != value else value for value in row]  # noqa: PLR0124  NaN
        database.execute("insert into t values (?, ?, ?)", values)
    database.execute(f"copy t to '{folder}/a.csv'")
    return of_list(folder / "a.csv")


def of_list(path: Path) -> Written:
    ids = [str(number) for number in LONG_IDS]
    return Written(path, {IDS: ids, PLACES: FILES, f"{COLUMN}mag": MAGNITUDES})


def write_polars(galaxies: Galaxies, folder: Path, kind: str, ids: list, image: str) -> Written:
    import polars

    images: Any = galaxies.pngs
    if image == "struct":
        images = [{"bytes": png, "path": None} for png in galaxies.pngs]
    if image == "pixels":
        images = polars.Series(galaxies.pictures, dtype=polars.Array(polars.UInt8, (64, 64, 3)))
    named = polars.Series(ids, dtype=getattr(polars, kind))
    path = folder / "a.parquet"
    polars.DataFrame({"id": named, "image": images}).write_parquet(path, row_group_size=4)
    return of_images(path, galaxies, ids)


def write_fastparquet(galaxies: Galaxies, folder: Path, scheme: str) -> Written:
    import fastparquet
    import pandas as pd

    path = folder / "a.parquet"
    table = pd.DataFrame({"id": NAMES, "image": galaxies.pngs})
    kinds = {"id": "utf8", "image": "bytes"}
    fastparquet.write(str(path), table, object_encoding=kinds, file_scheme=scheme)
    return of_images(path, galaxies, NAMES)


def write_fastparquet_list(galaxies: Galaxies, folder: Path) -> Written:
    import fastparquet
    import pandas as pd

    galaxies.write_pngs(folder)
    columns = {"id": LONG_IDS, "path": pd.Categorical(FILES), "mag": MAGNITUDES}
    fastparquet.write(str(folder / "a.parquet"), pd.DataFrame(columns))
    return of_list(folder / "a.parquet")


def write_datasets(galaxies: Galaxies, folder: Path, form: str) -> Written:
    import datasets
    from PIL import Image

    kind = datasets.Array3D((64, 64, 3), "uint8") if form == "Array3D" else datasets.Image()
    images: Any = galaxies.pictures
    if form != "Array3D":
        images = [Image.fromarray(picture) for picture in galaxies.pictures]
    columns = {"id": NAMES, "image": images}
    features = datasets.Features({"id": datasets.Value("string"), "image": kind})
    dataset = datasets.Dataset.from_dict(columns, features=features)
    path = folder / "a.parquet"
    if form == "save_to_disk":
        dataset.save_to_disk(str(path))
    else:
        dataset.to_parquet(str(path))
    return of_images(path, galaxies, NAMES)


def write_lsdb(galaxies: Galaxies, folder: Path, whole: bool) -> Written:
    import lsdb
    import pandas as pd

    galaxies.write_pngs(folder / "cuts")
    table = pd.DataFrame({"id": LONG_IDS, "path": [str(folder / "cuts" / name) for name in FILES]})
    table["ra"] = np.linspace(10, 11, 6)
    table["dec"] = 0.0
    lsdb.from_dataframe(table, catalog_name="hats").write_catalog(folder / "hats")
    if whole:
        return Written(folder / "hats")
    path = next((folder / "hats").rglob("Npix*.parquet"))
    read = pd.read_parquet(path).reset_index()
    content: dict[str, Any] = {IDS: read["id"].tolist(), PLACES: read["path"].tolist()}
    content[f"{COLUMN}_healpix_29"] = read["_healpix_29"].to_numpy("i8")
    return Written(path, content | {IDS: [str(number) for number in read["id"]]})


add("duckdb", "BLOB with BIGINT ids", write_duckdb, "bigint", LONG_IDS)
add("duckdb", "DECIMAL", write_duckdb, "decimal(20, 0)", LONG_IDS)
add("duckdb", "`read_blob`", write_read_blob)
add("duckdb", "CSV list", write_duckdb_list)
add("duckdb", "UUID ids", write_duckdb, "uuid", UUIDS)
add("duckdb", "large HUGEINT", write_duckdb, "hugeint", LONG_IDS)
add("polars", "Binary", write_polars, "String", NAMES, "binary")
add("polars", "Struct", write_polars, "String", NAMES, "struct")
add("polars", "Categorical ids", write_polars, "Categorical", NAMES, "binary")
add("polars", "UInt64", write_polars, "UInt64", [2**64 - 1 - k for k in range(6)], "binary")
add("polars", "Int128", write_polars, "Int128", LONG_IDS, "binary")
add("polars", "Array of pixels", write_polars, "String", NAMES, "pixels")
add("fastparquet", "bytes", write_fastparquet, "simple")
add("fastparquet", "list of a Categorical", write_fastparquet_list)
add("fastparquet", "folder (hive)", write_fastparquet, "hive")
add("datasets", "`Image` by `to_parquet`", write_datasets, "Image")
add("datasets", "`Array3D`", write_datasets, "Array3D")
add("datasets", "`save_to_disk`", write_datasets, "save_to_disk")
add("lsdb", "HATS, a list in each Npix file", write_lsdb, False)
add("lsdb", "its folder", write_lsdb, True)

if __name__ == "__main__":
    write_all()
