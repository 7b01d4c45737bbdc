"""Read tables keyed by a galaxy's id, never by row position."""

import io
import json
import warnings
import zlib
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from galaxyzoo.core import launch, paths
from galaxyzoo.core.errors import InputError, reason_of
from galaxyzoo.io.csv_bytes import read_csv_bytes
from galaxyzoo.tasks.kinds import CLASS

ID = "GalaxyID"
NAME = "id"  # column of ids that are text
GalaxyId = int | str
ID_LIMIT = 10**18  # Galaxy Zoo 2's own ids have 18 digits
FOLD = "fold"
MAX_SAFE_INTEGER = 2**53 - 1  # of float64, as JavaScript calls it: 2^53 + 1 is rounded to 2^53
# In any letter case, in columns that else have numbers or names of groups
NO_VALUE = ("", "-", "--", "nan", "null", "none", "na", "n/a", "<na>")
_NO_NUMBERS = ["", "NA", "nan", "NaN"]  # as R, numpy and pandas write a missing number
# From 3.1 on pandas reads a number's last digits, too, and warns of the argument.
_READS_ALL_DIGITS = tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1)
_DIGITS: dict[str, Any] = {} if _READS_ALL_DIGITS else {"float_precision": "round_trip"}
_REASONS: dict[type[BaseException], str] = {  # of what pandas raises
    FileNotFoundError: "is missing",
    pd.errors.ParserWarning: "has rows with more cells than its header",
    pd.errors.EmptyDataError: "is empty",
    UnicodeDecodeError: "is not UTF-8 (perhaps cp1252, as Excel writes CSV): save it as CSV UTF-8",
}


def read_csv(
    path: Path,
    source: IO[bytes] | None = None,
    key: str = ID,
    wanted: Callable[[str], bool] | None = None,
) -> pd.DataFrame:
    """Read a table with a column of ids; the rows stay in the file's order.

    Byte-order mark, CRLF and spaces around names are accepted; columns may come in any order.

    Args:
        path: the file, or a name for messages where `source` holds the content.
        source: an open file, such as a member of a zip; default `path`.
        key: name of the id column in the file; of `id` the ids are text, of any other GalaxyIDs.
        wanted: whether to read a column; default all.
    Returns:
        Table indexed by `id` (text) or by `GalaxyID` (int64), every other column as pandas read it.
    Raises:
        InputError: the file is no table, or an id is missing, no whole number, or repeated.
    """
    frame = read_table(path, source, wanted, {key, CLASS})
    if key not in frame:
        listed = ", ".join(frame.columns[:4])
        raise InputError(f"{paths.shown(path)} has no column '{key}' (found {listed}, …)")
    cells = frame.pop(key)
    if key == NAME:
        ids = cells.fillna("").astype(object).str.strip()
        wrong = np.flatnonzero(ids == "")
        problem = "an empty cell is no id"
    else:
        ids, wrong = whole_numbers(cells, ID_LIMIT)
        problem = "'{}' is not a complete GalaxyID (a whole number)"
    if len(wrong):
        raise InputError(
            f"{paths.shown(path)}, data row {wrong[0] + 1}: "
            f"{problem.format(cells.iloc[wrong[0]])} (such rows: {len(wrong)})"
        )
    repeated = cells[ids.duplicated()]
    if len(repeated):
        raise InputError(
            f"{paths.shown(path)}: {key} {repeated.iloc[0]} appears twice (repeated "
            f"rows: {len(repeated)})"
        )
    return frame.set_index(ids.rename(key_of(ids.to_numpy())))


def key_of(ids: np.ndarray | pd.Index) -> str:
    """Name of the column of ids in tables: `GalaxyID` of whole numbers, `id` of text."""
    return ID if pd.api.types.is_integer_dtype(ids.dtype) else NAME


def read_table(
    path: Path,
    source: IO[bytes] | None = None,
    wanted: Callable[[str], bool] | None = None,
    texts: Collection[str] | None = (),
) -> pd.DataFrame:
    """Read any CSV, also compressed (`.gz`, `.bz2`, `.xz`, `.zip`), without an index.

    Tables in `.parquet`, `.jsonl` and `.json` (of Label Studio) are read too, all cells as text.

    Args:
        path: as of `read_csv`.
        source: as of `read_csv`; CSV alone.
        wanted: whether to read a column; default all.
        texts: columns of a CSV to keep as text, in any letter case, None: all; of these an empty
            cell alone is missing, of others those of `_NO_NUMBERS`, too.
    Returns:
        Table with the rows in the file's order, its columns without spaces around their names.
    Raises:
        InputError: the file is missing, is no table, or is damaged.
    """
    if path.suffix.lower() in (".parquet", ".jsonl", ".json"):
        table = _read_texts(path)
        table.columns = table.columns.astype(str).str.strip()
        if wanted:
            table = table[[column for column in table.columns if wanted(column)]]
        return table
    try:
        content, columns = read_csv_bytes(path, source)
        if texts is None:
            texts = columns
        frame = _parse_csv(content, columns, wanted, texts)
    except (OSError, EOFError, zlib.error, pd.errors.ParserError, *_REASONS) as error:
        raise InputError(f"{paths.shown(path)} {_explain_failure(error)}") from None
    frame.columns = frame.columns.astype(str).str.strip()
    return frame


def _parse_csv(
    content: bytes,
    columns: list[str],
    wanted: Callable[[str], bool] | None,
    texts: Collection[str],
) -> pd.DataFrame:
    """Parse the bytes of a CSV file by its columns' names; other arguments as of `read_table`."""
    text_columns = {column.strip().lower() for column in texts}
    kinds = {}
    missing = {}
    # The last has no name: where each line ends in a comma, it is one more column.
    for place, column in enumerate([*columns, ""]):
        missing[place] = _NO_NUMBERS
        if column.strip().lower() in text_columns:
            kinds[column] = str
            missing[place] = [""]
    with warnings.catch_warnings():
        # Mixed columns are for the caller to judge, who names the value; users need no warning.
        warnings.simplefilter("ignore", pd.errors.DtypeWarning)
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return pd.read_csv(
            io.BytesIO(content),
            encoding="utf-8-sig",
            skipinitialspace=True,
            index_col=False,  # else longer rows turn the first columns into an index
            usecols=(lambda column: wanted(column.strip())) if wanted else None,
            dtype=kinds,
            keep_default_na=False,  # else a class called None would be none
            na_values=missing,
            **_DIGITS,
        )


def _explain_failure(error: BaseException) -> str:
    """Say why a table could not be read."""
    if type(error) in _REASONS:
        return _REASONS[type(error)]
    reason = getattr(error, "strerror", None) or reason_of(error).rpartition("C error: ")[2]
    return f"cannot be read: {reason}"


def _read_texts(path: Path) -> pd.DataFrame:
    """A table of Parquet, of a JSON object a line, or of Label Studio, all of it as text."""
    try:
        if path.suffix.lower() == ".parquet":
            launch.require(paths.shown(path), "pyarrow")
            frame = pd.read_parquet(path, dtype_backend="pyarrow")
        else:
            text = path.read_text(encoding="utf-8-sig")
            if path.suffix.lower() == ".json":
                rows = _list_answers(json.loads(text))
            else:
                rows = [json.loads(line) for line in text.split("\n") if line.strip()]
            frame = pd.DataFrame(rows, dtype=object)
    except (OSError, ValueError) as error:
        raise InputError(f"{paths.shown(path)} cannot be read: {reason_of(error)}") from None
    except (LookupError, TypeError, AttributeError):
        raise InputError(f"{paths.shown(path)} is no list of rows or tasks") from None
    return frame.map(as_text).where(frame.notna(), np.nan)


def as_text(value: object) -> str:
    """Value of a table or an array as text; bytes are UTF-8."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def _list_answers(tasks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """List the rows of Label Studio's JSON or JSON-MIN, as its CSV has them.

    There is a row for each annotation, and for each task without any, with the answer to each
    question under its name.

    Source: https://labelstud.io/guide/export
    """
    rows = []
    for task in tasks:
        for annotation in task.get("annotations") or [{"result": []}]:
            row = dict(task.get("data", task))
            if not annotation.get("was_cancelled"):
                for answer in annotation["result"]:
                    row[answer["from_name"]] = answer["value"]
            rows.append(row)
    return rows


def read_folds(path: Path, ids: pd.Index) -> pd.Series:
    """Read a table of ids and folds, which are numbered from 0 or 1 on; its rows in any order.

    Args:
        path: the CSV; other columns than `fold` are ignored.
        ids: galaxies that it must list, once each.
    Returns:
        Folds by id, numbered from 0 on.
    """
    frame = read_csv(path, key=key_of(ids))
    wrong = frame.index.symmetric_difference(ids)
    if len(wrong):
        raise InputError(
            f"{paths.shown(path)} must list exactly the training galaxies (missing: "
            f"{ids.difference(frame.index)[:3].tolist()}, not in the dataset: "
            f"{frame.index.difference(ids)[:3].tolist()}; such galaxies: {len(wrong):,})"
        )
    numbers = select_numbers(frame, [FOLD], path)[FOLD]
    distinct = sorted(set(numbers))
    if len(distinct) == 1:
        raise InputError(
            f"{paths.shown(path)} has a single fold, {distinct[0]:g}: a split needs two or more"
        )
    first = distinct[0]
    if first not in (0, 1) or distinct != [first + place for place in range(len(distinct))]:
        raise InputError(
            f"{paths.shown(path)}: number the folds 0, 1, 2, … or 1, 2, 3, … without gaps, not "
            f"{', '.join(f'{number:g}' for number in distinct[:9])}"
        )
    return numbers - first


def whole_numbers(texts: pd.Series, limit: int) -> tuple[pd.Series, np.ndarray]:
    """Whole numbers from 0 to below the limit out of text, and the rows that hold none.

    `5.0` counts as 5; a number written with an exponent does not count, nor does one with a decimal
    point where a float may have lost its last digits: two ids could have become one.

    Args:
        texts: (row,) as read with `texts` of `read_table`, or numbers.
        limit: at most 2**63.
    Returns:
        (row,) int64 of the same index, 0 in wrong rows; and the positions of the wrong rows.
    """
    # Numbers come where `dtype` in `_parse_csv` misses a column, as with a tab before its name.
    texts = texts.where(texts.notna(), "").astype(str).str.strip()
    is_whole = texts.str.fullmatch("[0-9]{1,19}")
    is_pointed = texts.str.fullmatch(r"[0-9]{1,16}\.0*")
    digits = texts.where(is_whole | is_pointed, "0").str.replace(r"\..*", "", regex=True)
    numbers = digits.astype(object).map(int)
    is_right = is_whole & (numbers < limit)
    is_right |= is_pointed & (numbers <= MAX_SAFE_INTEGER)
    return numbers.where(is_right, 0).astype("int64"), np.flatnonzero(~is_right)


def check_columns(frame: pd.DataFrame, columns: Sequence[str], path: Path) -> None:
    """Refuse a table that lacks one of these columns; the error names `path`."""
    missing = pd.Index(columns).difference(frame.columns, sort=False)
    if len(missing):
        others = frame.columns.difference(columns, sort=False)
        instead = ""
        if len(others):
            instead = f"; found instead: {', '.join(map(repr, others[:3]))}"
        raise InputError(
            f"{paths.shown(path)} lacks column '{missing[0]}' ({len(missing)} of {len(columns)} "
            f"missing{instead})"
        )


def select_numbers(frame: pd.DataFrame, columns: Sequence[str], path: Path) -> pd.DataFrame:
    """Select columns, in the order given, as finite float64 numbers.

    Raises:
        InputError: a column is missing, or a value is no finite number; it names `path`.
    """
    check_columns(frame, columns, path)
    numbers = frame[list(columns)].apply(pd.to_numeric, errors="coerce").astype("float64")
    bad = ~np.isfinite(numbers.to_numpy())
    if bad.any():
        row, place = np.argwhere(bad)[0]
        column = columns[place]
        value = frame[column].iloc[row]
        galaxy = f"{frame.index.name or 'image'} {frame.index[row]}"
        problem = f"{galaxy}, column '{column}': '{value}' is not a finite number such as 0.25"
        if pd.isna(value):
            problem = f"{column} of {galaxy} is empty or NaN"
        raise InputError(f"{paths.shown(path)}: {problem} (such values: {bad.sum():,})")
    return numbers
