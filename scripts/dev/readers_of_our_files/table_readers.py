"""Open our tables with other people's libraries, and ask each in its own idiom.

A reader is a class with the kinds of files that it opens. What it has no idiom for is not asked.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

PARTS, PARQUET, FITS, VOTABLE, ECSV = "parts", "`.parquet`", "`.fits`", "`.vot`", "`.ecsv`"
PREDICTIONS, LABELS, HATS = "`.csv`", "`labels.csv`", "HATS"
KINDS = (PARTS, PARQUET, FITS, VOTABLE, ECSV, PREDICTIONS, LABELS, HATS)
ARROW = (PARTS, PARQUET)
CSV = (PREDICTIONS, LABELS)


def installed(package: str) -> str | None:
    """Version of a package; None: it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


class Reader:
    """A table that a library has opened."""

    title: ClassVar[str]
    package: ClassVar[str]
    kinds: ClassVar[Sequence[str]] = (*ARROW, *CSV)

    @classmethod
    def version(cls) -> str | None:
        """Version of the library; None: it is not installed."""
        return installed(cls.package)

    def __init__(self, kind: str, path: Path, key: str) -> None:
        self.kind = kind
        self.path = path
        self.key = key  # column of the ids
        self.open()

    def open(self) -> None:
        raise NotImplementedError

    def column(self, name: str) -> list[Any]:
        """Values of a column, None where the library itself calls them missing."""
        raise NotImplementedError

    def above(self, name: str, limit: float) -> list[Any]:
        """Ids of the rows in which a column is greater than `limit`."""
        raise NotImplementedError

    def join(self, ids: list[Any], numbers: list[int]) -> list[tuple[Any, int]]:
        """Id and number of each row, by a join with a table of ids and numbers."""
        raise NotImplementedError

    def unit(self, name: str) -> str:
        """Unit of a column."""
        raise NotImplementedError

    def near(self, ra: float, dec: float, radius: float) -> list[Any]:
        """Ids of the rows in a cone; all numbers in degrees."""
        raise NotImplementedError


def plain(values: Iterable[Any], missing: Iterable[bool]) -> list[Any]:
    """Values as Python's own types, None where missing."""
    made: list[Any] = []
    for value, is_missing in zip(values, missing, strict=True):
        if is_missing:
            made.append(None)
        elif isinstance(value, np.ndarray | np.generic):
            made.append(value.tolist())
        else:
            made.append(value)
    return made


def pairs(first: Sequence[Any], second: Sequence[Any]) -> list[tuple[Any, int]]:
    """Two columns side by side."""
    return list(zip(first, second, strict=True))


class Pandas(Reader):
    """pandas with its defaults."""

    title = "pandas"
    package = "pandas"
    kinds: ClassVar[Sequence[str]] = (*ARROW, ECSV, *CSV)

    def open(self) -> None:
        import pandas as pd

        if self.kind in ARROW:
            self.frame = pd.read_parquet(self.path)
        elif self.kind == ECSV:
            self.frame = pd.read_csv(self.path, comment="#", sep=" ")
        else:
            self.frame = pd.read_csv(self.path)

    def column(self, name: str) -> list[Any]:
        values = self.frame[name]
        return plain(list(values), values.isna())

    def above(self, name: str, limit: float) -> list[Any]:
        return self.frame[self.frame[name] > limit][self.key].tolist()

    def join(self, ids: list[Any], numbers: list[int]) -> list[tuple[Any, int]]:
        import pandas as pd

        other = pd.DataFrame({self.key: ids, "number": numbers})
        joined = self.frame.merge(other, on=self.key)
        return pairs(joined[self.key].tolist(), joined["number"].tolist())


class Fastparquet(Pandas):
    """fastparquet's own reader."""

    title = "fastparquet"
    package = "fastparquet"
    kinds = ARROW

    def open(self) -> None:
        import fastparquet

        self.file = fastparquet.ParquetFile(str(self.path))
        self.frame = self.file.to_pandas()

    def above(self, name: str, limit: float) -> list[Any]:
        rows = self.file.to_pandas(filters=[(name, ">", limit)], row_filter=True)
        return rows[self.key].tolist()


class Dask(Pandas):
    """Dask's data frames."""

    title = "Dask"
    package = "dask"
    kinds = (*ARROW, *CSV)

    def open(self) -> None:
        import dask.dataframe as dd

        read = dd.read_parquet if self.kind in ARROW else dd.read_csv
        self.lazy = read(self.path)
        self.frame = self.lazy.compute()

    def above(self, name: str, limit: float) -> list[Any]:
        return self.lazy[self.lazy[name] > limit][self.key].compute().tolist()


class Lsdb(Pandas):
    """LSDB, on a catalog made from the table in Parquet as docs/surveys.md says."""

    title = "LSDB"
    package = "lsdb"
    kinds = (HATS,)

    def open(self) -> None:
        import lsdb

        self.catalog = lsdb.open_catalog(self.path)
        self.frame = self.catalog.compute()

    def above(self, name: str, limit: float) -> list[Any]:
        return self.catalog.query(f"`{name}` > {limit}").compute()[self.key].tolist()

    def near(self, ra: float, dec: float, radius: float) -> list[Any]:
        cone = self.catalog.cone_search(ra, dec, radius * 3600)
        return cone.compute()[self.key].tolist()


class Pyarrow(Reader):
    """Arrow's datasets and CSV reader."""

    title = "PyArrow"
    package = "pyarrow"

    def open(self) -> None:
        from pyarrow import csv, dataset

        if self.kind in ARROW:
            self.table = dataset.dataset(self.path).to_table()
        else:
            self.table = csv.read_csv(self.path)

    def column(self, name: str) -> list[Any]:
        return self.table[name].to_pylist()

    def above(self, name: str, limit: float) -> list[Any]:
        from pyarrow import compute

        return self.table.filter(compute.field(name) > limit)[self.key].to_pylist()

    def join(self, ids: list[Any], numbers: list[int]) -> list[tuple[Any, int]]:
        import pyarrow as pa

        other = pa.table({self.key: ids, "number": numbers})
        joined = self.table.select([self.key]).join(other, self.key, join_type="inner")
        return pairs(joined[self.key].to_pylist(), joined["number"].to_pylist())


class Polars(Reader):
    """Polars."""

    title = "Polars"
    package = "polars"

    def open(self) -> None:
        import polars as pl

        if self.kind == PARTS:
            self.frame = pl.read_parquet(self.path / "*.parquet")
        elif self.kind == PARQUET:
            self.frame = pl.read_parquet(self.path)
        else:
            self.frame = pl.read_csv(self.path)

    def column(self, name: str) -> list[Any]:
        return self.frame[name].to_list()

    def above(self, name: str, limit: float) -> list[Any]:
        import polars as pl

        return self.frame.filter(pl.col(name) > limit)[self.key].to_list()

    def join(self, ids: list[Any], numbers: list[int]) -> list[tuple[Any, int]]:
        import polars as pl

        other = pl.DataFrame({self.key: ids, "number": numbers})
        return self.frame.join(other, on=self.key).select(self.key, "number").rows()


class Duckdb(Reader):
    """DuckDB."""

    title = "DuckDB"
    package = "duckdb"

    def open(self) -> None:
        import duckdb

        path = self.path / "*.parquet" if self.kind == PARTS else self.path
        read = "read_parquet" if self.kind in ARROW else "read_csv"
        self.connection = duckdb.connect()
        self.connection.execute(f"create view ours as select * from {read}('{path}')")

    def values(self, query: str) -> list[Any]:
        """First column of the rows that a query gives."""
        return [row[0] for row in self.connection.execute(query).fetchall()]

    def column(self, name: str) -> list[Any]:
        return self.values(f'select "{name}" from ours')

    def above(self, name: str, limit: float) -> list[Any]:
        return self.values(f'select "{self.key}" from ours where "{name}" > {limit}')

    def join(self, ids: list[Any], numbers: list[int]) -> list[tuple[Any, int]]:
        import pyarrow as pa

        self.connection.register("other", pa.table({self.key: ids, "number": numbers}))
        query = f'select "{self.key}", number from ours join other using ("{self.key}")'
        return self.connection.execute(query).fetchall()


class Datafusion(Reader):
    """DataFusion, which gives rows in any order unless one is named."""

    title = "DataFusion"
    package = "datafusion"

    def open(self) -> None:
        import datafusion

        self.context = datafusion.SessionContext()
        register = self.context.register_parquet
        if self.kind in CSV:
            register = self.context.register_csv
        register("ours", self.path)

    def values(self, query: str) -> list[Any]:
        """Values named `value` in the rows that a query gives."""
        return [row["value"] for row in self.context.sql(query).to_pylist()]

    def column(self, name: str) -> list[Any]:
        return self.values(f'select "{name}" as value from ours order by "{self.key}"')

    def above(self, name: str, limit: float) -> list[Any]:
        chosen = f'where "{name}" > {limit} order by "{self.key}"'
        return self.values(f'select "{self.key}" as value from ours {chosen}')

    def join(self, ids: list[Any], numbers: list[int]) -> list[tuple[Any, int]]:
        self.context.from_pydict({"other_id": ids, "number": numbers}, "other")
        joined = f'ours join other on ours."{self.key}" = other_id'
        return pairs(
            self.values(f'select "{self.key}" as value from {joined} order by number'),
            self.values(f"select number as value from {joined} order by number"),
        )


class Datasets(Reader):
    """Hugging Face's datasets."""

    title = "Hugging Face `datasets`"
    package = "datasets"

    def open(self) -> None:
        from datasets import load_dataset

        form = "parquet" if self.kind in ARROW else "csv"
        files = str(self.path / "*.parquet" if self.kind == PARTS else self.path)
        cache = str(self.path.parent / "cache")
        self.rows = load_dataset(form, data_files=files, split="train", cache_dir=cache)

    def column(self, name: str) -> list[Any]:
        return list(self.rows[name])

    def above(self, name: str, limit: float) -> list[Any]:
        return list(self.rows.filter(lambda row: row[name] > limit)[self.key])


class Astropy(Reader):
    """astropy's Table."""

    title = "astropy `Table`"
    package = "astropy"
    kinds = (PARTS, PARQUET, FITS, VOTABLE, ECSV, *CSV)
    formats: ClassVar = {PARQUET: "parquet", FITS: "fits", VOTABLE: "votable", ECSV: "ascii.ecsv"}

    def open(self) -> None:
        from astropy.table import Table, vstack

        if self.kind == PARTS:
            parts = sorted(self.path.glob("*.parquet"))
            self.table = vstack([Table.read(part, format="parquet") for part in parts])
        else:
            form = self.formats.get(self.kind, "ascii.csv")
            self.table = Table.read(self.path, format=form)

    def column(self, name: str) -> list[Any]:
        values = self.table[name]
        if values.ndim > 1:
            return np.asarray(values).tolist()
        missing = getattr(values, "mask", np.zeros(len(values), bool))
        return plain(list(values), missing)

    def above(self, name: str, limit: float) -> list[Any]:
        return self.table[self.table[name] > limit][self.key].tolist()

    def join(self, ids: list[Any], numbers: list[int]) -> list[tuple[Any, int]]:
        from astropy.table import Table, join

        joined = join(self.table[[self.key]], Table({self.key: ids, "number": numbers}))
        return pairs(joined[self.key].tolist(), joined["number"].tolist())

    def unit(self, name: str) -> str:
        return str(self.table[name].unit)

    def near(self, ra: float, dec: float, radius: float) -> list[Any]:
        from astropy import units
        from astropy.coordinates import SkyCoord

        places = SkyCoord(self.table["ra"], self.table["dec"])
        distance = places.separation(SkyCoord(ra, dec, unit="deg"))
        return self.table[distance < radius * units.deg][self.key].tolist()


class Fitsio(Reader):
    """fitsio."""

    title = "fitsio"
    package = "fitsio"
    kinds = (FITS,)

    def open(self) -> None:
        import fitsio

        self.hdu = fitsio.FITS(str(self.path))[1]
        self.array = self.hdu.read()

    def column(self, name: str) -> list[Any]:
        values = self.array[name]
        missing = np.zeros(len(values), bool)
        if name == "mag":
            missing = np.isnan(values)
        if values.dtype.kind == "U":
            missing = values == ""
        return plain(values, missing)

    def above(self, name: str, limit: float) -> list[Any]:
        rows = self.hdu.where(f"{name} > {limit}")
        return self.array[self.key][rows].tolist()

    def unit(self, name: str) -> str:
        place = self.array.dtype.names.index(name) + 1
        return self.hdu.read_header()[f"TUNIT{place}"]


class Stilts(Reader):
    """STILTS, TOPCAT's engine, through the VOTables that it writes."""

    title = "STILTS, TOPCAT"
    kinds = (PARQUET, FITS, VOTABLE, ECSV, *CSV)
    formats: ClassVar = {PARQUET: "parquet", FITS: "fits", VOTABLE: "votable", ECSV: "ecsv"}
    clear = "clearparams COMMENT"  # astropy refuses the VOTable with our FITS table's comments

    @classmethod
    def version(cls) -> str | None:
        if not shutil.which("stilts"):
            return None
        done = subprocess.run(["stilts", "-version"], capture_output=True, text=True, check=True)
        line = next(line for line in done.stdout.splitlines() if "STILTS version" in line)
        return line.split()[-1].removesuffix("-debian")

    def open(self) -> None:
        self.form = self.formats.get(self.kind, "csv")
        self.table = self.ask()

    def ask(self, *options: str) -> Any:
        words = f"in={self.path}", f"ifmt={self.form}", f"cmd={self.clear}", *options
        return run_stilts("tpipe", *words)

    def column(self, name: str) -> list[Any]:
        values = self.table[name]
        if values.ndim > 1:
            return np.asarray(values).tolist()
        missing = np.ma.getmaskarray(values)
        if values.dtype.kind in "OU":
            missing = missing | (values == "")
        return plain(list(values), missing)

    def above(self, name: str, limit: float) -> list[Any]:
        return self.ask(f"cmd=select {name}>{limit}")[self.key].tolist()

    def join(self, ids: list[Any], numbers: list[int]) -> list[tuple[Any, int]]:
        from astropy.table import Table

        with tempfile.NamedTemporaryFile(suffix=".vot") as other:
            Table({"other_id": ids, "number": numbers}).write(other, format="votable")
            other.flush()
            rows = run_stilts(
                "tmatch2",
                *(f"in1={self.path}", f"ifmt1={self.form}", f"in2={other.name}", "ifmt2=votable"),
                *("matcher=exact", f"values1={self.key}", "values2=other_id"),
                f"icmd1={self.clear}",
            )
        return pairs(rows[self.key].tolist(), rows["number"].tolist())

    def unit(self, name: str) -> str:
        return str(self.table[name].unit)

    def near(self, ra: float, dec: float, radius: float) -> list[Any]:
        rows = self.ask(f"cmd=select skyDistanceDegrees(ra,dec,{ra},{dec})<{radius}")
        return rows[self.key].tolist()


def run_stilts(*command: str) -> Any:
    """The table that a command of STILTS makes."""
    from astropy.table import Table

    words = ["stilts", *command, "ofmt=votable"]
    done = subprocess.run(words, capture_output=True, check=False)
    if done.returncode:
        raise ValueError(done.stderr.decode().strip())
    return Table.read(BytesIO(done.stdout), format="votable")


TABLE_READERS: tuple[type[Reader], ...] = (
    Pandas,
    Pyarrow,
    Polars,
    Duckdb,
    Datafusion,
    Dask,
    Fastparquet,
    Datasets,
    Astropy,
    Fitsio,
    Stilts,
    Lsdb,
)
