"""Prediction tables: `GalaxyID`, then label columns; keyed by id, never by row position."""

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo import atomic
from galaxyzoo.errors import InputError
from galaxyzoo.paths import shown

ID = "GalaxyID"
FOLD = "fold"
CLASS = "class"
_ID_LIMIT = 10**18  # so that an id fits into int64; Galaxy Zoo 2's own have 18 digits


def read_csv(
    path: Path,
    source: object | None = None,
    key: str = ID,
    wanted: Callable[[str], bool] | None = None,
) -> pd.DataFrame:
    """Read a table whose first key is `GalaxyID`; the rows stay in the file's order.

    Byte-order mark, CRLF and spaces around names are accepted; columns may come in any order.

    Args:
        path: the file, or the name to show in messages where `source` holds the content.
        source: anything pandas reads, such as an open member of a zip; default `path`.
        key: the file's own name of the id column.
        wanted: which columns to read besides; default all.
    Returns:
        Table indexed by GalaxyID (int64), every other column as pandas read it.
    Raises:
        InputError: the file is missing, is not a table, lacks the id column, or an id is repeated
            or no whole number.
    """
    frame = read_table(path, source, (lambda name: name == key or wanted(name)) if wanted else None)
    if key not in frame.columns:
        raise InputError(
            f"{shown(path)} has no column '{key}' (found {', '.join(frame.columns[:4])}, …)"
        )
    ids = pd.to_numeric(frame[key], errors="coerce")
    wrong = ids.isna() | (ids % 1 != 0) | (ids < 0) | (ids >= _ID_LIMIT)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{shown(path)}, data row {row + 1}: '{frame[key].iloc[row]}' is not a GalaxyID"
        )
    frame[key] = ids.astype("int64")
    repeated = frame[key][frame[key].duplicated()]
    if len(repeated):
        raise InputError(
            f"{shown(path)}: GalaxyID {repeated.iloc[0]} stands there twice ({len(repeated)} "
            "repeated rows)"
        )
    return frame.set_index(key).rename_axis(ID)


def read_table(
    path: Path, source: object | None = None, wanted: Callable[[str], bool] | None = None
) -> pd.DataFrame:
    """Read any CSV, also packed as `.csv.gz`; arguments as of `read_csv`.

    Raises:
        InputError: the file is missing or is not a table.
    """
    try:
        frame = pd.read_csv(
            path if source is None else source,
            encoding="utf-8-sig",
            skipinitialspace=True,
            usecols=(lambda name: wanted(name.strip())) if wanted else None,
        )
    except FileNotFoundError:
        raise InputError(f"{shown(path)} is missing") from None
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{shown(path)} cannot be read: {reason}") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(
            f"{shown(path)} is not a readable CSV table: {str(error).splitlines()[0]}"
        ) from None
    frame.columns = [str(c).strip() for c in frame.columns]
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise InputError(f"{shown(path)} has two columns '{twice[0]}'")
    return frame


def select_numbers(frame: pd.DataFrame, columns: Sequence[str], path: Path) -> pd.DataFrame:
    """The named columns as finite float64 numbers in the named order.

    Raises:
        InputError: a column is missing (with the nearest name found), or a value is no finite
            number.
    """
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        extra = [c for c in frame.columns if c not in columns]
        found = f"; found instead: {', '.join(map(repr, extra[:3]))}" if extra else ""
        raise InputError(
            f"{shown(path)} lacks column '{missing[0]}' ({len(missing)} of {len(columns)} "
            f"missing{found})"
        )
    numbers = frame[list(columns)].apply(pd.to_numeric, errors="coerce").astype("float64")
    bad = ~np.isfinite(numbers.to_numpy())
    if bad.any():
        row, column = np.argwhere(bad)[0]
        value = frame[columns[column]].iloc[row]
        raise InputError(
            f"{shown(path)}: GalaxyID {frame.index[row]}, column '{columns[column]}': "
            f"'{value}' is not a finite number"
        )
    return numbers


def read_predictions(
    path: Path, columns: Sequence[str], ids: Sequence[int] | np.ndarray
) -> pd.DataFrame:
    """Read a prediction table and put its rows into the order of `ids`.

    Returns:
        (len(ids), len(columns)) float64 table indexed by GalaxyID; an out-of-fold table keeps its
        `fold` column last.
    Raises:
        InputError: an id of `ids` is missing or another one is there, or a column is missing or not
            finite.
    """
    frame = read_csv(path)
    missing = np.setdiff1d(ids, frame.index)
    extra = np.setdiff1d(frame.index, ids)
    if len(missing) or len(extra):
        what = (
            f"lacks GalaxyID {missing[0]}"
            if len(missing)
            else f"has GalaxyID {extra[0]}, which is not asked for"
        )
        raise InputError(f"{shown(path)} {what} ({len(missing)} missing, {len(extra)} too many)")
    numbers = select_numbers(frame, columns, path)
    if FOLD in frame.columns:
        numbers[FOLD] = select_numbers(frame, [FOLD], path)
    return numbers.loc[np.asarray(ids)]


def write_predictions(path: Path, predictions: pd.DataFrame) -> None:
    """Write a prediction table atomically, as `format_predictions` has it.

    Raises:
        InputError: it cannot be written.
        ValueError: an id is repeated or a value is not finite.
    """
    atomic.write_text(path, format_predictions(predictions))


def format_predictions(predictions: pd.DataFrame) -> str:
    """A prediction table as CSV: its index (GalaxyID or another name) first, nine decimals.

    A `class` column holds names, every other one numbers.

    Raises:
        ValueError: an id is repeated or a value is not finite.
    """
    numbers = predictions.drop(columns=CLASS, errors="ignore").to_numpy(dtype=float)
    if predictions.index.duplicated().any() or not np.isfinite(numbers).all():
        raise ValueError("predictions to write must have distinct ids and finite values")
    label = predictions.index.name or ID
    return predictions.to_csv(index_label=label, float_format="%.9f", lineterminator="\n")


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write any table atomically, without its index, nine digits."""
    with atomic.writing(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.9g", lineterminator="\n")
