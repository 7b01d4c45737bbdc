"""Prediction tables: `GalaxyID`, then label columns; keyed by id, never by row position."""

import io
import warnings
import zlib
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from galaxyzoo import atomic
from galaxyzoo.errors import InputError, one_line
from galaxyzoo.paths import shown
from galaxyzoo.table_bytes import TableBytes

ID = "GalaxyID"
FOLD = "fold"
CLASS = "class"
_ID_LIMIT = 10**18  # so that an id fits into int64; Galaxy Zoo 2's own have 18 digits
_EXACT = 2**53  # whole numbers above it may have been rounded where they were kept as floats
_FORMULA_STARTS = tuple("=+-@＝＋－＠")  # of OWASP's list (CSV injection), what can be printed


def read_csv(
    path: Path,
    source: IO[bytes] | None = None,
    key: str = ID,
    wanted: Callable[[str], bool] | None = None,
) -> pd.DataFrame:
    """Read a table whose first key is `GalaxyID`; the rows stay in the file's order.

    Byte-order mark, CRLF and spaces around names are accepted; columns may come in any order.

    Args:
        path: the file, or the name to show in messages where `source` holds the content.
        source: an open file, such as a member of a zip; default `path`.
        key: the file's own name of the id column.
        wanted: which columns to read besides; default all.
    Returns:
        Table indexed by GalaxyID (int64), every other column as pandas read it.
    Raises:
        InputError: the file is missing, is not a table, lacks the id column, or an id is repeated
            or no whole number.
    """
    frame = read_table(
        path, source, (lambda name: name == key or wanted(name)) if wanted else None, {key}
    )
    if key not in frame.columns:
        raise InputError(
            f"{shown(path)} has no column '{key}' (found {', '.join(frame.columns[:4])}, …)"
        )
    ids, wrong = whole_numbers(frame[key], _ID_LIMIT)
    if len(wrong):
        raise InputError(
            f"{shown(path)}, data row {wrong[0] + 1}: '{frame[key].iloc[wrong[0]]}' is not a "
            f"GalaxyID, a whole number with all its digits ({len(wrong)} such rows)"
        )
    frame[key] = ids
    repeated = frame[key][frame[key].duplicated()]
    if len(repeated):
        raise InputError(
            f"{shown(path)}: GalaxyID {repeated.iloc[0]} stands there twice ({len(repeated)} "
            "repeated rows)"
        )
    return frame.set_index(key).rename_axis(ID)


def read_table(
    path: Path,
    source: IO[bytes] | None = None,
    wanted: Callable[[str], bool] | None = None,
    texts: Collection[str] = (),
) -> pd.DataFrame:
    """Read any CSV, also packed as `.csv.gz`; other arguments as of `read_csv`.

    Args:
        path: the file.
        source: open file.
        wanted: columns to read.
        texts: columns to keep as text, digit by digit.
    Raises:
        InputError: the file is missing, is not a table, or is cut off.
    """
    try:
        with TableBytes(path, source) as content, warnings.catch_warnings():
            # Mixed columns are for the caller to judge, who names the value; users need no warning.
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.BufferedReader(content, 1 << 20),
                encoding="utf-8-sig",
                skipinitialspace=True,
                index_col=False,  # else the first columns are taken for one where rows are longer
                usecols=(lambda name: wanted(name.strip())) if wanted else None,
                dtype={name: str for name in content.names if name.strip() in texts},
            )
            content.check_end()
    except FileNotFoundError:
        raise InputError(f"{shown(path)} is missing") from None
    except (EOFError, zlib.error) as error:
        raise InputError(f"{shown(path)} cannot be read: {error}: get it again") from None
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be read: {error.strerror or error}") from None
    except pd.errors.ParserWarning:
        raise InputError(
            f"{shown(path)} has rows with more cells than its first line has names"
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(
            f"{shown(path)} is not a readable CSV table: {str(error).splitlines()[0]}"
        ) from None
    frame.columns = [str(c).strip() for c in frame.columns]
    return frame


def whole_numbers(texts: pd.Series, limit: int) -> tuple[pd.Series, np.ndarray]:
    """Whole numbers from text, and which rows are none below the limit, which are 0 then.

    `5.0` counts as 5; a number written with an exponent does not count, nor does one with a decimal
    point where a float may have lost its last digits: two ids could have become one.

    Args:
        texts: (row,) as read with `texts` of `read_table`, or numbers.
        limit: at most 2**63.
    Returns:
        (row,) int64 of the same index, and the numbers of the wrong rows.
    """
    # Numbers come where the name is spelt in a way that pandas keeps, such as behind a tab.
    texts = texts.where(texts.notna(), "").astype(str).str.strip()
    plain = texts.str.fullmatch("[0-9]{1,19}")
    pointed = texts.str.fullmatch(r"[0-9]{1,16}\.0*")
    digits = texts.where(plain | pointed, "0").str.replace(r"\..*", "", regex=True)
    numbers = digits.astype(object).map(int)
    good = (plain & (numbers < limit)) | (pointed & (numbers <= _EXACT))
    return numbers.where(good, 0).astype("int64"), np.flatnonzero(~good)


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
            f"'{value}' is not a finite number such as 0.25 ({bad.sum():,} such values)"
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


def format_predictions(predictions: pd.DataFrame, decimals: int = 9) -> str:
    """A prediction table as CSV: its index (GalaxyID or another name) first.

    Args:
        predictions: a `class` column holds names, every other one numbers.
        decimals: of fractional numbers.
    Raises:
        ValueError: an id is repeated or a value is not finite.
    """
    numbers = predictions.drop(columns=CLASS, errors="ignore").to_numpy(dtype=float)
    if predictions.index.duplicated().any() or not np.isfinite(numbers).all():
        raise ValueError("predictions to write must have distinct ids and finite values")
    label = predictions.index.name or ID
    safe = without_formulas(predictions)
    return safe.to_csv(index_label=label, float_format=f"%.{decimals}f", lineterminator="\n")


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write any table atomically, without its index, nine digits."""
    with atomic.writing(path) as temporary:
        text = without_formulas(table)
        text.to_csv(temporary, index=False, float_format="%.9g", lineterminator="\n")


def without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """The table with a ' before every text that a spreadsheet would take for a formula.

    Texts are the cells, the index and the names of the columns. What cannot be printed becomes its
    escape: a line break would begin a row, and with it a cell, of its own, and UTF-8 cannot hold
    every file's name. Numbers stay numbers.
    """
    table = table.rename(columns=_plain_cell, index=_plain_cell)
    for name in table.select_dtypes(exclude=["number", "bool"]):
        table[name] = table[name].map(_plain_cell)
    return table


def _plain_cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = one_line(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
