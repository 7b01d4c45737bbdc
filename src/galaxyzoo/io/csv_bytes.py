"""The bytes of a CSV file on their way to pandas; what is no whole table of text is refused."""

import csv
import gzip
import io
import os
import re
from collections import Counter
from pathlib import Path
from typing import IO, Any

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.io.archives import LARGEST_RATIO, MODEST_BYTES

MAX_BYTES = 4_000_000_000  # Galaxy Zoo 2's largest table has a tenth of it
_LONGEST_LINE = 1 << 20
_PACKED = (b"PK\x03\x04", b"\x1f\x8b", b"\xd0\xcf\x11\xe0")  # zip and xlsx, gzip, xls


class CsvBytes(io.RawIOBase):
    """The bytes of a CSV file, of a `.csv.gz`, or of an open file or zip member.

    Opening refuses what does not begin with a line of column names with commas between them;
    reading refuses what is no text, or more than is reasonable.
    """

    def __init__(
        self, path: Path, source: IO[bytes] | None = None, largest: int = MAX_BYTES
    ) -> None:
        self._path = path
        self._largest = largest
        self._own = None if source else io.FileIO(path)
        self._source: Any = source or self._own
        if self._own and path.suffix == ".gz":
            packed = os.fstat(self._own.fileno()).st_size
            self._largest = min(largest, max(MODEST_BYTES, LARGEST_RATIO * packed))
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
        """True: `io.BufferedReader` asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Check some bytes and pass them on."""
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
        """Check, when all is read, that the last line has all its cells, if no line break."""
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
        """Read at least up to the end of the first line that is not empty."""
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
    """Cells of a line; an empty line has one empty cell."""
    try:
        return next(csv.reader([line], skipinitialspace=True), [""]) or [""]
    except csv.Error:  # a cell of 100 kB: no table that anyone made
        return line.split(",")
