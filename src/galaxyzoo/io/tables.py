"""Prediction tables: `GalaxyID`, then label columns; keyed by id, never by row position.

A table's bytes on their way to pandas: what is no whole table of text is refused by its name.

Whether vote fractions that users bring are such, by range and sums; the worst are named.
"""

import csv
import gzip
import io
import os
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from galaxyzoo.core import files
from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.paths import shown
from galaxyzoo.io.archives import LARGEST_RATIO, MODEST_BYTES
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, READ_TOLERANCE

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
    """The named columns as finite float64 numbers in the named order."""
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
        ValueError: an id is repeated or a value is not finite.
    """
    files.write_text(path, format_predictions(predictions))


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
    with files.writing(path) as temporary:
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


MAX_BYTES = 4_000_000_000  # Galaxy Zoo 2's largest table has a tenth of it
_LONGEST_LINE = 1 << 20
_PACKED = (b"PK\x03\x04", b"\x1f\x8b", b"\xd0\xcf\x11\xe0")  # zip and xlsx, gzip, xls


class TableBytes(io.RawIOBase):
    """The bytes of a CSV file, of a `.csv.gz`, or of an open file or zip member.

    Reading raises InputError where the bytes are no text or more than is reasonable; so does
    opening, where the first line is not one of column names with commas between them.
    """

    def __init__(self, path: Path, source: IO[bytes] | None = None) -> None:
        self._path = path
        self._largest = MAX_BYTES
        self._own = None if source else io.FileIO(path)
        self._source: Any = source or self._own
        if self._own and path.suffix == ".gz":
            packed = os.fstat(self._own.fileno()).st_size
            self._largest = min(MAX_BYTES, max(MODEST_BYTES, LARGEST_RATIO * packed))
            self._source = gzip.GzipFile(fileobj=self._own)
        self._size = self._line = 0
        self._last = b""  # what has been read of the line that is not ended yet
        try:
            self._head = self._read_head()
            self.names = self._read_names()  # as in the file, spaces around them kept
        except BaseException:
            self.close()
            raise

    def readable(self) -> bool:
        """Says that it can be read, as the base class asks for."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Pass on some bytes, having looked at them."""
        data, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        data = data or self._source.read(len(buffer))
        self._look_at(data)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file, but not an open one that was given."""
        if self._own:
            self._own.close()
        super().close()

    def check_end(self) -> None:
        """Check, when all is read, that the last line has all its cells.

        A file without a line break at its end is whole as long as its last row is.
        """
        text = self._last.decode("utf-8", "replace").strip("\ufeff \t")
        cells = _split(text)
        short = len(cells) < len(self.names) or not cells[-1].strip() or not self._line
        if text and short:
            raise InputError(
                f"{shown(self._path)} ends in the middle of line {self._line + 1:,} "
                f"('{text[:24]}…', {len(cells)} of {len(self.names)} cells; {self._size:,} bytes): "
                "its download was cut off, get it again"
            )

    def _look_at(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._largest:
            raise InputError(f"{shown(self._path)} holds more than {self._largest:,} bytes of text")
        if b"\0" in data:
            raise InputError(f"{shown(self._path)} is damaged: it holds NUL bytes, get it again")
        self._line += data.count(b"\n") or data.count(b"\r")
        start = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        self._last = data[start:] if start else (self._last + data)[:_LONGEST_LINE]

    def _read_head(self) -> bytes:
        """All bytes up to the end of the first line that is not empty, and some more."""
        head = b""
        while data := self._source.read(1 << 16):
            head += data
            if len(head.lstrip().splitlines()) > 1 or len(head) > _LONGEST_LINE:
                break
        return head

    def _read_names(self) -> list[str]:
        where, head = shown(self._path), self._head
        if head.startswith(_PACKED):
            raise InputError(f"{where} is a packed file or a spreadsheet's own: save it as CSV")
        if head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in head[:4]:
            raise InputError(f"{where} is UTF-16 text: save it as CSV in UTF-8")
        text = head.decode("utf-8-sig", "replace").strip()
        if text.startswith("<"):
            raise InputError(f"{where} is a web page, no table: log in there and get it again")
        line = re.split("[\r\n]", text)[0]
        separator = next((c for c in ";\t|" if c in line), "")
        if separator and "," not in line:
            name = "tabs" if separator == "\t" else f"'{separator}'"
            raise InputError(f"{where} has {name} between its columns: save it as CSV with commas")
        names = _split(line)
        repeated = [n for n, count in Counter(n.strip() for n in names).items() if n and count > 1]
        if repeated:
            raise InputError(f"{where} has column '{repeated[0]}' twice: delete the wrong one")
        return names


def _split(line: str) -> list[str]:
    """Cells of a line; one, empty, of an empty line."""
    try:
        return next(csv.reader([line], skipinitialspace=True), [""]) or [""]
    except csv.Error:  # a cell of 100 kB: no table that anyone made
        return line.split(",")


_NAMED = 3  # of the worst


def check_range(values: pd.DataFrame, path: Path, key: str = ID) -> None:
    """Check that all values are 0 to 1, to rounding.

    Args:
        values: finite numbers, indexed by galaxy.
        path: file, for the message.
        key: name of the index in that file.
    """
    numbers = values.to_numpy()
    beyond = np.maximum(-numbers, numbers - 1)
    wrong = int((beyond > READ_TOLERANCE).sum())
    if wrong:
        worst = [
            f"{key} {values.index[row]}, column '{values.columns[column]}': "
            f"{numbers[row, column]:g} is outside [0, 1]"
            for row, column in _largest(beyond)[:wrong]
        ]
        raise InputError(f"{shown(path)}: {'; '.join(worst)} ({wrong:,} such values)")


def check_sums(votes: pd.DataFrame, path: Path) -> None:
    """Check that the votes obey the decision tree, to rounding.

    Args:
        votes: (galaxy, 37) vote fractions indexed by GalaxyID, columns in the tree's order.
        path: file, for the message.
    """
    residuals = GALAXY_ZOO_2.residuals(votes.to_numpy())
    largest = residuals.max(axis=1, initial=0.0)
    wrong = int((largest > READ_TOLERANCE).sum())
    if wrong:
        worst = [
            f"{ID} {votes.index[row]}: the answers of question "
            f"{GALAXY_ZOO_2.questions[residuals[row].argmax()].number} miss their parent's value "
            f"by {largest[row]:.2g}"
            for row, _ in _largest(largest[:, None])[:wrong]
        ]
        raise InputError(
            f"{shown(path)}: {'; '.join(worst)} (galaxies that do not add up: {wrong:,} of "
            f"{len(votes):,})"
        )


def _largest(values: np.ndarray) -> list[tuple[int, int]]:
    """Row and column of the largest values, those first."""
    order = np.argsort(-values, axis=None, kind="stable")[:_NAMED]
    rows, columns = np.unravel_index(order, values.shape)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))
