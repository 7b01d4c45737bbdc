"""Bytes of CSV files: one that is not text or was cut off is refused, before pandas sees it."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO

from pandas.io.common import get_handle

from galaxyzoo.core import paths
from galaxyzoo.core.errors import InputError, reason_of
from galaxyzoo.io.archives import ALWAYS_ACCEPTED_BYTES, BROKEN_ZIP, MAX_RATIO

MAX_BYTES = 4_000_000_000  # Galaxy Zoo 2's largest table has a tenth of it
_MAX_LINE_BYTES = 1 << 20
_OTHER_SEPARATORS = {";": "';'", "\t": "tabs", "|": "'|'"}
_SIGNATURES = (b"PK\x03\x04", b"\x1f\x8b", b"\xd0\xcf\x11\xe0", b"7z\xbc\xaf", b"BZh", b"\xfd7z")


@contextmanager
def open_table(path: Path) -> Iterator[IO[bytes]]:
    """Open a table's file, unpacked by the ending of its name as pandas does.

    Raises:
        InputError: it cannot be unpacked, or is no text where it is read as text.
    """
    try:
        with get_handle(path, "rb", compression="infer", is_text=False) as opened:
            yield opened.handle
    except OSError:
        raise
    except (*BROKEN_ZIP, ImportError) as error:  # the last where pandas lacks what unpacks it
        raise InputError(f"{paths.shown(path)} cannot be read: {reason_of(error)}") from None


def read_csv_bytes(path: Path, source: IO[bytes] | None = None) -> tuple[bytes, list[str]]:
    """Read the bytes and column names of a CSV file, also compressed, or of an open one.

    Args:
        path: the file, or a name for messages where `source` holds the content.
        source: an open file; default `path`.
    Returns:
        The content, and names as in the file, spaces around them kept.
    """
    max_bytes = MAX_BYTES
    if source is None:
        max_bytes = min(MAX_BYTES, max(ALWAYS_ACCEPTED_BYTES, MAX_RATIO * path.stat().st_size))
    with nullcontext(source) if source else open_table(path) as file:
        data = file.read(max_bytes + 1)
    data = re.sub(rb"^(\xef\xbb\xbf)?sep=.\r?\n", b"", data, count=1)  # a hint of Excel
    shown_path = paths.shown(path)
    columns = _read_header(data, shown_path)
    if len(data) > max_bytes:
        raise InputError(f"{shown_path} has more than {max_bytes:,} bytes of text")
    if b"\0" in data:
        raise InputError(f"{shown_path} is damaged: it contains NUL bytes; download it again")
    _check_end(data, len(columns), shown_path)
    return data, columns


def _read_header(data: bytes, shown_path: str) -> list[str]:
    """Names of the columns, spaces kept; refuse what is no CSV, or has a name twice."""
    if data.startswith(_SIGNATURES):
        raise InputError(
            f"{shown_path} is an archive or a spreadsheet: unpack it or save it as CSV"
        )
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]:
        raise InputError(f"{shown_path} is UTF-16 text: save it as CSV in UTF-8")
    text = data[:_MAX_LINE_BYTES].decode("utf-8-sig", "replace").strip()
    if text.startswith("<"):
        raise InputError(f"{shown_path} is a web page, not a table: log in, then download it again")
    line = re.split("[\r\n]", text)[0]
    plain = re.sub('"[^"]*"', "", line)  # commas may be part of a name
    for separator, name in _OTHER_SEPARATORS.items():
        if separator in plain and "," not in plain:
            raise InputError(f"{shown_path} has columns separated by {name}: save it with commas")
    columns = _split(line)
    for column, count in Counter(column.strip() for column in columns).items():
        if column and count > 1:
            raise InputError(f"{shown_path} has column '{column}' twice: delete the wrong one")
    return columns


def _check_end(data: bytes, n_columns: int, shown_path: str) -> None:
    """Check that a last line that has no line break has all its cells."""
    lines = data.count(b"\n") or data.count(b"\r")
    start = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    last = data[start : start + _MAX_LINE_BYTES]
    text = last.decode("utf-8", "replace").strip("\ufeff \t")
    cells = _split(text)
    if text and (len(cells) < n_columns or not lines):
        raise InputError(
            f"{shown_path} ends in the middle of line {lines + 1:,} ('{text[:24]}…', {len(cells)} "
            f"of {n_columns} cells; {len(data):,} bytes): download it again, or complete "
            "the line"
        )


def _split(line: str) -> list[str]:
    """Cells of a line; an empty line has one empty cell."""
    try:
        return next(csv.reader([line], skipinitialspace=True), [""]) or [""]
    except csv.Error:  # a cell of 100 kB: no table that anyone made
        return line.split(",")
