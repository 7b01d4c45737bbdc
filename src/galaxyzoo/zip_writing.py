"""Zips that hold the same bytes whenever they are written."""

import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

from galaxyzoo import atomic

_DATE = (2013, 12, 20, 0, 0, 0)  # of every member: the end of the competition


def write_zip(
    path: Path,
    members: Iterable[tuple[str, bytes | Path]],
    date: tuple[int, int, int, int, int, int] = _DATE,
    mode: int = 0o600,
) -> None:
    """Write a zip atomically, members in their order; tables are packed, all else is stored.

    Args:
        path: where to.
        members: name inside the zip; its content, or the file that holds it.
        date: of every member.
        mode: of every member, once unpacked.
    Raises:
        InputError: it cannot be written.
    """
    with (
        atomic.writing(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        for name, content in members:
            member = zipfile.ZipInfo(name, date)
            member.create_system, member.external_attr = 3, mode << 16  # on every machine alike
            member.compress_type = (
                zipfile.ZIP_DEFLATED if name.endswith(".csv") else zipfile.ZIP_STORED
            )
            if isinstance(content, bytes):
                archive.writestr(member, content, member.compress_type)
                continue
            with open(content, "rb") as file, archive.open(member, "w", force_zip64=True) as to:
                shutil.copyfileobj(file, to, 1 << 20)
