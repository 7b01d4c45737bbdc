"""Bytes of CSV files: one that is not text or was cut off is refused, before pandas sees it."""

import csv
import gzip
import re
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

from galaxyzoo.core import paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.io.archives import ALWAYS_ACCEPTED_BYTES, MAX_RATIO

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
