"""Columns of the tables that images come in, such as their positions: lists and Parquet."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from galaxyzoo.core.errors import InputError, reason_of
from galaxyzoo.core.paths import shown
from galaxyzoo.data.readers.side_tables import ANGLE_UNITS, parse_angles
from galaxyzoo.data.stores.columns import POSITION
from galaxyzoo.extras.formats import fits_file
from galaxyzoo.io.csv_bytes import read_csv_bytes
from galaxyzoo.io.tables import NO_VALUE, read_table

_WHOLE = r"-?(0|[1-9]\d*)"
_NUMBER = r"[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
_BOOLEAN = "(?i)true|false"
_SAFE_DIGITS = 17  # more are not kept by a float


def column_names(path: Path) -> list[str]:
    """Columns of the table of a store's images; none where it has no table."""
    suffix = path.suffix.lower()
    if path.is_dir():
        return []
    if suffix == ".csv":
        return [name.strip() for name in read_csv_bytes(path)[1]]
    if fits_file.holds_table(path):
        return list(fits_file.read_table(path))
    if suffix != ".parquet":
        return []
    try:
        return parquet.read_schema(path).names
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{shown(path)} cannot be read ({reason_of(error)})") from None


@dataclass(eq=False)
class TableInPieces:
    """A table of which one piece is in memory at a time, such as a row group of a Parquet file.

    Args:
        schema: types that the pieces are cast to.
        starts: (piece,) first row of each.
        read: reads a piece by its number.
    """

    schema: pa.Schema
    starts: np.ndarray
    read: Callable[[int], pa.Table]
    _held: dict[int, pa.Table] = field(default_factory=dict, repr=False)  # the last piece, if any

    def pieces(self) -> Iterator[pa.Table]:
        """Read all rows; values that the types of the schema cannot hold are an ArrowException."""
        for number in range(len(self.starts)):
            yield self._piece(number)

    def take(self, rows: np.ndarray) -> pa.Table:
        """Read some rows, in their order."""
        numbers = np.searchsorted(self.starts, rows, side="right") - 1
        taken = []
        places = []
        for number in np.unique(numbers):
            is_here = numbers == number
            taken.append(self._piece(number).take(rows[is_here] - self.starts[number]))
            places.append(np.flatnonzero(is_here))
        if not taken:
            return self.schema.empty_table()
        return pa.concat_tables(taken).take(np.argsort(np.concatenate(places)))

    def _piece(self, number: int) -> pa.Table:
        if number not in self._held:
            self._held = {number: self.read(number)}
        return self._held[number].cast(self.schema)


def first_rows(counts: Sequence[int]) -> np.ndarray:
    """(piece,) numbers of the first row of pieces with so many rows, one after another."""
    return np.cumsum([0, *counts])[:-1]


def open_columns(path: Path, names: Mapping[str, str]) -> TableInPieces:
    """Open columns of the table that images come in; missing values and NaN are null.

    Types are those of the Parquet file or FITS table. Columns of a CSV are whole numbers, booleans
    or numbers if all their cells are, besides words of `NO_VALUE`; numbers whose digits a float
    would lose stay text, as do cells such as 001. A column of a CSV without any value is of the
    type null. Positions that are text, such as 10:08:00.1, become degrees where all of them (of
    Parquet: of the first row group) are angles.

    Args:
        path: of a store, as `open_images` takes it.
        names: columns of the table, by their names in the result.
    Raises:
        InputError: there is no table, or it has no such column.
    """
    columns = list(names.values())
    _check_columns(path, columns)
    if path.suffix.lower() != ".parquet":
        table = _plain(_read_whole(path, columns), names)
        table = _replace_columns(table, _find_angles(table, path))
        return TableInPieces(table.schema, first_rows([len(table)]), lambda number: table)
    file = parquet.ParquetFile(path)
    counts = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    angles: list[str] = []
    if counts:
        angles = list(_find_angles(_read_row_group(path, names, [], 0), path))
    kinds = []
    for name, column in names.items():
        kind = file.schema_arrow.field(column).type
        kinds.append((name, pa.float64() if name in angles else kind))
    read = partial(_read_row_group, path, names, angles)
    return TableInPieces(pa.schema(kinds), first_rows(counts), read)


def _read_row_group(
    path: Path, names: Mapping[str, str], angles: Sequence[str], number: int
) -> pa.Table:
    group = parquet.ParquetFile(path).read_row_group(number, columns=list(names.values()))
    table = _plain(group, names)
    degrees = {name: _parse_column(table, name, path)[0] for name in angles}
    return _replace_columns(table, degrees)


def _find_angles(table: pa.Table, path: Path) -> dict[str, pd.Series]:
    """Degrees of the columns of a position that are text, where all of it is angles.

    Args:
        table: or its first rows.
        path: of the table.
    Returns:
        Column -> degrees; empty where there is no position.
    """
    angles: dict[str, pd.Series] = {}
    if not set(POSITION) <= set(table.column_names):
        return angles
    for name in POSITION:
        if _is_text(table[name].type):
            degrees, wrong = _parse_column(table, name, path)
            if wrong.empty and degrees.notna().any():
                angles[name] = degrees
    return angles


def _replace_columns(table: pa.Table, degrees: Mapping[str, pd.Series]) -> pa.Table:
    """Put degrees in the place of columns of angles, null where NaN."""
    for name, values in degrees.items():
        column = pa.array(values, pa.float64(), from_pandas=True)
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def _parse_column(table: pa.Table, name: str, path: Path) -> tuple[pd.Series, pd.Series]:
    """Degrees of a column of right ascension or declination, and cells that are no angles."""
    cells = table[name].to_pandas().astype("str").rename(name)
    return parse_angles(cells, ANGLE_UNITS[name], path)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _read_whole(path: Path, columns: Sequence[str]) -> pa.Table:
    """Columns of a CSV file or FITS table."""
    if path.suffix.lower() != ".csv":
        return pa.Table.from_pandas(fits_file.read_table(path)[columns])
    frame = read_table(path, wanted=columns.__contains__, texts=None)
    return pa.table({column: _parse(frame[column]) for column in columns})


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    present = column_names(path)
    missing = [column for column in columns if column not in present]
    if missing:
        content = f"has the columns {', '.join(present)}" if present else "has no columns"
        raise InputError(f"--keep {missing[0]}: {shown(path)} {content}")


def _plain(table: pa.Table, names: Mapping[str, str]) -> pa.Table:
    """Columns of a table by the names for them, in one chunk each, null where NaN."""
    columns = {}
    for name, column in names.items():
        columns[name] = _without_nan(table[column].combine_chunks())
    return pa.table(columns)


def _parse(texts: pd.Series) -> pa.Array:
    """Parse cells as whole numbers, booleans or numbers, whichever all of them are; else as text.

    Args:
        texts: (row,) cells of a CSV, NaN where empty.
    Returns:
        (row,) int64, bool, float64 or string, null where a cell is empty or, in columns that are
        not text, a word of `NO_VALUE`; of type null if all cells are empty or NaN.
    """
    lowercase = texts.str.lower()
    cells = texts.mask(lowercase.isin(NO_VALUE))
    values = cells.dropna()
    if lowercase.dropna().eq("nan").all():  # others, such as NA, may be names
        return pa.nulls(len(texts))
    if values.empty:
        return pa.array(texts, pa.string())
    if values.str.fullmatch(_WHOLE).all():
        with suppress(pa.ArrowInvalid):  # more than 64 bits
            return pa.array(cells, pa.string()).cast(pa.int64())
    if values.str.fullmatch(_BOOLEAN).all():
        return pa.array(cells, pa.string()).cast(pa.bool_())
    if not values.str.fullmatch(_NUMBER).all():
        return pa.array(texts, pa.string())
    if values.str.contains(r"\d\.|\.\d").any():
        digits = values.str.replace(r"[eE].*|\.", "", regex=True).str.lstrip("+-0")
        if digits.str.len().max() <= _SAFE_DIGITS:
            return pa.array(cells.astype(float))
    return pa.array(texts, pa.string())


def _without_nan(column: pa.Array) -> pa.Array:
    """Replace NaN by null in a column of floats; other columns stay as they are."""
    if not pa.types.is_floating(column.type):
        return column
    return pa.array(column.to_numpy(zero_copy_only=False), column.type, from_pandas=True)
