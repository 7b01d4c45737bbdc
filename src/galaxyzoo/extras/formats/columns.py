"""Columns of the tables that images come in, such as their positions: lists and Parquet."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from galaxyzoo.core.errors import InputError, reason_of
from galaxyzoo.core.paths import shown
from galaxyzoo.io import tables

_WHOLE = r"-?(0|[1-9]\d*)"
_NUMBER = r"[+-]?(0|[1-9]\d*)?\.?\d*([eE][+-]?\d+)?|[nN]a[nN]"
_SAFE_DIGITS = 17  # more are not kept by a float


def column_names(path: Path) -> list[str]:
    """Columns of the table of a store's images; none where it has no table."""
    if path.suffix.lower() == ".csv":
        return [name.strip() for name in tables.read_csv_bytes(path)[1]]
    try:
        return parquet.read_schema(path).names if path.suffix.lower() == ".parquet" else []
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{shown(path)} cannot be read ({reason_of(error)})") from None


def read_columns(path: Path, names: Sequence[str]) -> pa.Table:
    """Read columns, row i of image i of the store.

    No nulls, which astropy does not read: missing numbers are NaN, missing texts empty. Numbers
    whose digits a float would lose stay text, as do cells of a CSV such as 001.

    Args:
        path: of a store, as `open_images` takes it.
        names: of columns.
    Raises:
        InputError: there is no table, or it has no such column, or one of another type with nulls.
    """
    known = column_names(path)
    if missing := [name for name in names if name not in known]:
        have = f"has the columns {', '.join(known)}" if known else "has no columns"
        raise InputError(f"--keep {missing[0]}: {shown(path)} {have}")
    if path.suffix.lower() == ".csv":
        frame = tables.read_table(path, wanted=names.__contains__, texts=None)
        table = pa.table({name: _parse(frame[name]) for name in names})
    else:
        table = parquet.read_table(path, columns=[*names])
    return pa.table({name: _filled(name, table[name]) for name in names})


def _parse(texts: pd.Series) -> pa.Array:
    """Numbers where all cells are some, digit by digit; else the texts."""
    given = texts.dropna()
    if given.str.fullmatch(_WHOLE).all():
        with suppress(OverflowError):
            return pa.array([None if pd.isna(text) else int(text) for text in texts], pa.int64())
    is_number = given.str.fullmatch(_NUMBER).all() and given.str.contains(r"\d\.|\.\d").any()
    if is_number and given.str.count(r"\d").max() <= _SAFE_DIGITS:
        return pa.array(texts.astype(float))
    return pa.array(texts.fillna(""), pa.string())


def _filled(name: str, column: pa.ChunkedArray) -> pa.Array:
    column = column.combine_chunks()
    if not column.null_count:
        return column
    is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    for kind, empty in ((pa.float64(), float("nan")), (pa.string(), "")):
        if is_number or kind == pa.string():
            with suppress(pa.ArrowException):  # a cast to float that would lose digits, too
                return column.cast(kind).fill_null(empty)
    raise InputError(f"--keep {name}: cannot copy a column of {column.type} with missing values")
