"""Read, check and write CSV tables keyed by a galaxy's id, never by row position.

A file that is not text or was cut off is refused, with its name, before pandas sees it; users'
vote fractions are checked for their range and their sums on the decision tree.
"""

import csv
import gzip
import io
import json
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from galaxyzoo.core import files, launch, paths
from galaxyzoo.core.errors import InputError, one_line, reason_of
from galaxyzoo.io.archives import ALWAYS_ACCEPTED_BYTES, MAX_RATIO
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, READ_TOLERANCE
from galaxyzoo.tasks.kinds import CLASS

MAX_BYTES = 4_000_000_000  # Galaxy Zoo 2's largest table has a tenth of it
_MAX_LINE_BYTES = 1 << 20
_SIGNATURES = (b"PK\x03\x04", b"\x1f\x8b", b"\xd0\xcf\x11\xe0")  # zip and xlsx, gzip, xls


def read_csv_bytes(path: Path, source: IO[bytes] | None = None) -> tuple[bytes, list[str]]:
    """Read the bytes and column names of a CSV file, a `.csv.gz`, an open file or zip member.

    Args:
        path: the file, or a name for messages where `source` holds the content.
        source: an open file; default `path`.
    Returns:
        The content, and names as in the file, spaces around them kept.
    """
    max_bytes, is_packed = MAX_BYTES, source is None and path.suffix == ".gz"
    if is_packed:
        max_bytes = min(max_bytes, max(ALWAYS_ACCEPTED_BYTES, MAX_RATIO * path.stat().st_size))
    open_file: Callable[..., Any] = gzip.open if is_packed else open
    with nullcontext(source) if source else open_file(path, "rb") as file:
        data = file.read(max_bytes + 1)
    where = paths.shown(path)
    data = re.sub(rb"^(\xef\xbb\xbf)?sep=.\r?\n", b"", data, count=1)  # a hint of Excel
    names = _read_names(data, where)
    if len(data) > max_bytes:
        raise InputError(f"{where} has more than {max_bytes:,} bytes of text")
    if b"\0" in data:
        raise InputError(f"{where} is damaged: it contains NUL bytes; download it again")
    _check_end(data, names, where)
    return data, names


def _read_names(data: bytes, where: str) -> list[str]:
    if data.startswith(_SIGNATURES):
        raise InputError(f"{where} is an archive or a spreadsheet: unpack it or save it as CSV")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]:
        raise InputError(f"{where} is UTF-16 text: save it as CSV in UTF-8")
    text = data[:_MAX_LINE_BYTES].decode("utf-8-sig", "replace").strip()
    if text.startswith("<"):
        raise InputError(f"{where} is a web page, not a table: log in, then download it again")
    line = re.split("[\r\n]", text)[0]
    plain = re.sub('"[^"]*"', "", line)  # commas may be part of a name
    separator = next((c for c in ";\t|" if c in plain), "")
    if separator and "," not in plain:
        name = "tabs" if separator == "\t" else f"'{separator}'"
        raise InputError(f"{where} has columns separated by {name}: save it with commas")
    names = _split(line)
    repeated = [n for n, count in Counter(n.strip() for n in names).items() if n and count > 1]
    if repeated:
        raise InputError(f"{where} has column '{repeated[0]}' twice: delete the wrong one")
    return names


def _check_end(data: bytes, names: list[str], where: str) -> None:
    """Check that a last line that has no line break has all its cells."""
    lines = data.count(b"\n") or data.count(b"\r")
    last = data[max(data.rfind(b"\n"), data.rfind(b"\r")) + 1 :][:_MAX_LINE_BYTES]
    text = last.decode("utf-8", "replace").strip("\ufeff \t")
    cells = _split(text)
    if text and (len(cells) < len(names) or not lines):
        raise InputError(
            f"{where} ends in the middle of line {lines + 1:,} ('{text[:24]}…', {len(cells)} of "
            f"{len(names)} cells; {len(data):,} bytes): download it again, or complete "
            "the line"
        )


def _split(line: str) -> list[str]:
    """Cells of a line; an empty line has one empty cell."""
    try:
        return next(csv.reader([line], skipinitialspace=True), [""]) or [""]
    except csv.Error:  # a cell of 100 kB: no table that anyone made
        return line.split(",")


ID = "GalaxyID"
NAME = "id"  # column of ids that are text
GalaxyId = int | str
ID_LIMIT = 10**18  # Galaxy Zoo 2's own ids have 18 digits
FOLD = "fold"
TABLE_SUFFIXES = ".csv", ".parquet"  # that `write_predictions` takes
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
_N_WORST = 3  # values that a message names
_FORMULA_STARTS = tuple("=+-@＝＋－＠")  # the printable ones of OWASP's list (CSV injection)
_NUMBER = r"[+-][0-9]+(\.[0-9]+)?"  # such as a declination: no formula


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
    return frame.set_index(ids.rename(NAME if key == NAME else ID))


def key_of(ids: np.ndarray | pd.Index) -> str:
    """Name of the column of ids in tables: `GalaxyID` of whole numbers, `id` of text."""
    return ID if pd.api.types.is_integer_dtype(ids.dtype) else NAME


def read_table(
    path: Path,
    source: IO[bytes] | None = None,
    wanted: Callable[[str], bool] | None = None,
    texts: Collection[str] | None = (),
) -> pd.DataFrame:
    """Read any CSV, also compressed as `.csv.gz`, without an index.

    Args:
        path: as of `read_csv`.
        source: as of `read_csv`.
        wanted: whether to read a column; default all.
        texts: columns to keep as text, in any letter case, None: all; of these an empty cell alone
            is missing, of others those of `_NO_NUMBERS`, too.
    """
    if path.suffix in (".parquet", ".jsonl"):
        return _read_texts(path)
    try:
        content, names = read_csv_bytes(path, source)
        texts = {name.strip().lower() for name in (names if texts is None else texts)}
        # The last: of a column without a name, as where each line ends in a comma.
        missing = [[""] if name.strip().lower() in texts else _NO_NUMBERS for name in [*names, ""]]
        with warnings.catch_warnings():
            # Mixed columns are for the caller to judge, who names the value; users need no warning.
            warnings.simplefilter("ignore", pd.errors.DtypeWarning)
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.BytesIO(content),
                encoding="utf-8-sig",
                skipinitialspace=True,
                index_col=False,  # else longer rows turn the first columns into an index
                usecols=(lambda name: wanted(name.strip())) if wanted else None,
                dtype={name: str for name in names if name.strip().lower() in texts},
                keep_default_na=False,  # else a class called None would be none
                na_values=dict(enumerate(missing)),
                **_DIGITS,
            )
    except (OSError, EOFError, zlib.error, pd.errors.ParserError, *_REASONS) as error:
        why = getattr(error, "strerror", None) or reason_of(error).rpartition("C error: ")[2]
        why = _REASONS.get(type(error), f"cannot be read: {why}")
        raise InputError(f"{paths.shown(path)} {why}") from None
    frame.columns = [str(c).strip() for c in frame.columns]
    return frame


def _read_texts(path: Path) -> pd.DataFrame:
    """A table of Parquet or of a JSON object a line, all of it as text, digit by digit."""
    try:
        if path.suffix == ".parquet":
            launch.require(paths.shown(path), "pyarrow")
            frame = pd.read_parquet(path, dtype_backend="pyarrow")
        else:
            rows = map(json.loads, path.read_text(encoding="utf-8-sig").splitlines())
            frame = pd.DataFrame([*rows], dtype=object)
    except (OSError, ValueError) as error:
        raise InputError(f"{paths.shown(path)} cannot be read: {reason_of(error)}") from None
    return frame.map(str).where(frame.notna(), np.nan)


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
    # Numbers come where `dtype` in `read_table` misses a column, as with a tab before its name.
    texts = texts.where(texts.notna(), "").astype(str).str.strip()
    plain = texts.str.fullmatch("[0-9]{1,19}")
    pointed = texts.str.fullmatch(r"[0-9]{1,16}\.0*")
    digits = texts.where(plain | pointed, "0").str.replace(r"\..*", "", regex=True)
    numbers = digits.astype(object).map(int)
    good = (plain & (numbers < limit)) | (pointed & (numbers <= MAX_SAFE_INTEGER))
    return numbers.where(good, 0).astype("int64"), np.flatnonzero(~good)


def select_numbers(frame: pd.DataFrame, columns: Sequence[str], path: Path) -> pd.DataFrame:
    """The named columns, in that order, as finite float64 numbers; `path` is for messages."""
    if missing := [c for c in columns if c not in frame.columns]:
        extra = [c for c in frame.columns if c not in columns]
        instead = f"; found instead: {', '.join(map(repr, extra[:3]))}" if extra else ""
        raise InputError(
            f"{paths.shown(path)} lacks column '{missing[0]}' ({len(missing)} of {len(columns)} "
            f"missing{instead})"
        )
    numbers = frame[list(columns)].apply(pd.to_numeric, errors="coerce").astype("float64")
    bad = ~np.isfinite(numbers.to_numpy())
    if bad.any():
        row, column = np.argwhere(bad)[0]
        value = frame[columns[column]].iloc[row]
        raise InputError(
            f"{paths.shown(path)}: {frame.index.name or 'image'} {frame.index[row]}, column "
            f"'{columns[column]}': '{value}' is not a finite number such as 0.25 (such "
            f"values: {bad.sum():,})"
        )
    return numbers


def write_predictions(path: Path, predictions: pd.DataFrame) -> None:
    """Write a prediction table atomically: `.parquet` as Parquet, else CSV (`format_predictions`).

    Raises:
        ValueError: an id is repeated or a value is not finite.
    """
    if path.suffix.lower() != ".parquet":
        files.write_text(path, format_predictions(predictions))
        return
    _check_predictions(predictions)
    table = predictions.rename_axis(predictions.index.name or ID).reset_index()
    with files.writing(path) as temporary:
        table.to_parquet(temporary, index=False)


def format_predictions(predictions: pd.DataFrame, number: str = "%.9f") -> str:
    """A prediction table as CSV text, its index (GalaxyID, or the index's name) first.

    Args:
        predictions: table of numbers, besides an optional `class` column of names.
        number: form of fractional numbers.
    Raises:
        ValueError: an id is repeated or a value is not finite.
    """
    _check_predictions(predictions)
    label = predictions.index.name or ID
    safe = without_formulas(predictions)
    return safe.to_csv(index_label=label, float_format=number, lineterminator="\n")


def _check_predictions(predictions: pd.DataFrame) -> None:
    numbers = predictions.drop(columns=CLASS, errors="ignore").to_numpy(dtype=float)
    if predictions.index.duplicated().any() or not np.isfinite(numbers).all():
        raise ValueError("predictions to write must have distinct ids and finite values")


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write any table atomically, without its index, with nine significant digits."""
    safe = without_formulas(table)
    files.write_text(path, safe.to_csv(index=False, float_format="%.9g", lineterminator="\n"))


def format_csv(rows: Iterable[Iterable[str]], line_end: str = "\n") -> str:
    """Rows of texts as CSV; a cell may hold any line break.

    With another line end than its own, CRLF, csv.writer leaves a lone carriage return unquoted
    before Python 3.13, as does pandas, and a reader would begin a row there.
    """
    lines = []
    for row in rows:
        line = io.StringIO()
        csv.writer(line).writerow(row)
        lines.append(line.getvalue().removesuffix("\r\n") + line_end)
    return "".join(lines)


def without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """Put a ' before every cell, index or column name that a spreadsheet would run as a formula.

    Unprintable characters are escaped: a line break would begin a new row and cell, and UTF-8
    cannot hold every file's name. Numbers stay numbers.
    """
    table = table.rename(columns=plain_cell, index=plain_cell)
    for name in table.select_dtypes(exclude=["number", "bool"]):
        table[name] = table[name].map(plain_cell)
    return table


def plain_cell(value: object) -> object:
    """A cell of `without_formulas`."""
    if not isinstance(value, str):
        return value
    text = one_line(value)
    is_formula = text.startswith(_FORMULA_STARTS) and not re.fullmatch(_NUMBER, text)
    return f"'{text}" if is_formula else text


def check_range(values: pd.DataFrame, path: Path, key: str = ID) -> None:
    """Check that all values are 0 to 1, to rounding; the message names the worst.

    Args:
        values: finite numbers, indexed by galaxy.
        path: the file, for the message.
        key: name of the index in that file.
    """
    numbers = values.to_numpy()

    def describe(row: int, column: int) -> str:
        where = f"{key} {values.index[row]}, column '{values.columns[column]}'"
        return f"{where}: {numbers[row, column]:g} is outside [0, 1]"

    _refuse_worst(np.maximum(-numbers, numbers - 1), path, describe)


def check_sums(votes: pd.DataFrame, path: Path) -> None:
    """Check that the votes obey the decision tree, to rounding; the message names the worst.

    Args:
        votes: (galaxy, 37) vote fractions indexed by GalaxyID, columns in the tree's order.
        path: the file, for the message.
    """
    residuals = GALAXY_ZOO_2.residuals(votes.to_numpy())

    def describe(row: int, question: int) -> str:
        number, off = GALAXY_ZOO_2.questions[question].number, residuals[row, question]
        fractions = f"{ID} {votes.index[row]}: the vote fractions of question {number}"
        return f"{fractions} have the wrong sum (off by {off:.2g})"

    _refuse_worst(residuals, path, describe)


def _refuse_worst(excess: np.ndarray, path: Path, describe: Callable[[int, int], str]) -> None:
    """Refuse a table where (row, column) values exceed the tolerance; describe the worst."""
    if wrong := int((excess > READ_TOLERANCE).sum()):
        order = np.argsort(-excess, axis=None, kind="stable")[: min(wrong, _N_WORST)]
        worst = (describe(*divmod(place, excess.shape[1])) for place in order.tolist())
        raise InputError(f"{paths.shown(path)}: {'; '.join(worst)} (problems: {wrong:,})")
