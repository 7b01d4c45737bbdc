"""Read the bytes of a CSV file for pandas; refuse all but a whole table of text."""

import csv
import gzip
import re
from collections import Counter
from pathlib import Path
from typing import IO

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.io.archives import ALWAYS_ACCEPTED_BYTES, MAX_RATIO
from galaxyzoo.tasks.kinds import CLASS

MAX_BYTES = 4_000_000_000  # Galaxy Zoo 2's largest table has a tenth of it
_MAX_LINE_BYTES = 1 << 20
_SIGNATURES = (b"PK\x03\x04", b"\x1f\x8b", b"\xd0\xcf\x11\xe0")  # zip and xlsx, gzip, xls


def read_csv_bytes(
    path: Path, source: IO[bytes] | None = None, max_bytes: int = MAX_BYTES
) -> tuple[bytes, list[str]]:
    """Read the bytes and column names of a CSV file, a `.csv.gz`, an open file or zip member.

    Args:
        path: the file, or a name for messages where `source` holds the content.
        source: an open file; default `path`.
        max_bytes: bytes that it may hold, unpacked.
    Returns:
        The content, and names as in the file, spaces around them kept.
    """
    if source is not None:
        data = source.read(max_bytes + 1)
    elif path.suffix == ".gz":
        with gzip.open(path) as file:
            max_bytes = min(max_bytes, max(ALWAYS_ACCEPTED_BYTES, MAX_RATIO * path.stat().st_size))
            data = file.read(max_bytes + 1)
    else:
        with open(path, "rb") as file:
            data = file.read(max_bytes + 1)
    names, where = _read_names(data, shown(path)), shown(path)
    if len(data) > max_bytes:
        raise InputError(f"{where} holds more than {max_bytes:,} bytes of text")
    if b"\0" in data:
        raise InputError(f"{where} is damaged: it holds NUL bytes, get it again")
    _check_end(data, names, where)
    return data, names


def _read_names(data: bytes, where: str) -> list[str]:
    if data.startswith(_SIGNATURES):
        raise InputError(f"{where} is a packed file or a spreadsheet's own: save it as CSV")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data[:4]:
        raise InputError(f"{where} is UTF-16 text: save it as CSV in UTF-8")
    text = data[:_MAX_LINE_BYTES].decode("utf-8-sig", "replace").strip()
    if text.startswith("<"):
        raise InputError(f"{where} is a web page, not a table: log in there and get it again")
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


def _check_end(data: bytes, names: list[str], where: str) -> None:
    """Check that a last line that has no line break has all its cells."""
    lines = data.count(b"\n") or data.count(b"\r")
    last = data[max(data.rfind(b"\n"), data.rfind(b"\r")) + 1 :][:_MAX_LINE_BYTES]
    text = last.decode("utf-8", "replace").strip("\ufeff \t")
    cells = _split(text)
    is_empty = not cells[-1].strip() and names[-1].strip() != CLASS  # a galaxy may have no class
    if text and (len(cells) < len(names) or is_empty or not lines):
        raise InputError(
            f"{where} ends in the middle of line {lines + 1:,} ('{text[:24]}…', {len(cells)} of "
            f"{len(names)} cells; {len(data):,} bytes): its download was cut off, get it again"
        )


def _split(line: str) -> list[str]:
    """Cells of a line; an empty line has one empty cell."""
    try:
        return next(csv.reader([line], skipinitialspace=True), [""]) or [""]
    except csv.Error:  # a cell of 100 kB: no table that anyone made
        return line.split(",")
