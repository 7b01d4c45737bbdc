"""Zip archives: refuse harmful ones, write them.

A zip's list of contents is checked before anything is read from it. Readers stop at the size that
the list names (`archive.open(name).read(info.file_size)`), whatever the member unpacks to.
"""

import lzma
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from galaxyzoo.core import files
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown

# What zipfile raises for bytes that are no zip
BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    NotImplementedError,  # an unknown compression
    RuntimeError,  # a password
    ValueError,  # such as a name that is no text
)
# Deflate reaches 1032:1. Tables of nothing but zeros reach 50:1, flat pictures as arrays 200:1 at
# most; what unpacks to little may have any ratio.
MAX_RATIO = 200
ALWAYS_ACCEPTED_BYTES = 100_000_000
_ALWAYS_ACCEPTED_TOTAL = 1_000_000_000
# Names that lead out of the folder: absolute, of a drive, with a `..`, or cut short by a NUL
_OUTSIDE = re.compile(r"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)|\0")
_DATE = (2013, 12, 20, 0, 0, 0)  # of every member: the end of the competition


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip for reading, its list of contents checked."""
    archive = open_unchecked(path)
    try:
        _check_members(archive, path)
    except InputError:
        archive.close()
        raise
    return archive


def open_unchecked(path: Path) -> zipfile.ZipFile:
    """Open a zip without checking its list of contents again."""
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise InputError(f"{shown(path)} is missing") from None
    except BROKEN_ZIP as error:
        size = path.stat().st_size if path.exists() else 0
        raise InputError(
            f"{shown(path)} is not a complete zip file ({size:,} bytes; {error}): download or "
            "zip it again"
        ) from None


def _check_members(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse a zip that could do harm, by its list of contents alone; `path` is its file."""
    members, packed, where = archive.infolist(), path.stat().st_size, shown(path)
    for member in members:
        if why := _why_refused(member):
            raise InputError(f"{where}: '{member.orig_filename}' {why}")
    names = Counter(member.filename for member in members if not member.is_dir())
    if repeated := [name for name, count in names.items() if count > 1]:
        raise InputError(f"{where} has '{repeated[0]}' twice: zip it again with one copy")
    if sum(member.compress_size for member in members) > packed:
        raise InputError(f"{where}: its members overlap, as in a zip bomb: replace it")
    total = sum(member.file_size for member in members)
    if total > max(_ALWAYS_ACCEPTED_TOTAL, MAX_RATIO * packed):
        raise InputError(f"{where} would grow from {packed:,} to {total:,} bytes: a zip bomb?")


def _why_refused(member: zipfile.ZipInfo) -> str:
    """Explain why a member is refused; empty if it is accepted."""
    kind = stat.S_IFMT(member.external_attr >> 16)  # 0 where it was not packed on a Unix
    if _OUTSIDE.search(member.orig_filename):
        return "would be unpacked outside its folder"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device, not a file: zip the file itself"
    if member.flag_bits & 0x1:
        return "is encrypted: unzip it with its password, then zip it without a password"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "uses a rare compression method: zip it again with deflate, the default"
    packed, unpacked = member.compress_size, member.file_size
    if unpacked > max(ALWAYS_ACCEPTED_BYTES, MAX_RATIO * packed):
        return f"would grow from {packed:,} to {unpacked:,} bytes: a zip bomb?"
    return ""


def write_zip(
    path: Path,
    members: Iterable[tuple[str, bytes | Path]],
    date: tuple[int, int, int, int, int, int] = _DATE,
    mode: int = 0o600,
) -> None:
    """Write a zip atomically; the same members give the same bytes whenever they are written.

    Args:
        path: the zip.
        members: name inside the zip, and its content or the file that holds it, in the order of the
            zip. Tables are compressed, all else is stored.
        date: date of every member.
        mode: permissions of every member once unpacked.
    """
    with (
        files.writing(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
    ):
        for name, content in members:
            member = zipfile.ZipInfo(name, date)
            member.create_system, member.external_attr = 3, mode << 16  # on every machine alike
            is_table = name.endswith(".csv")
            member.compress_type = zipfile.ZIP_DEFLATED if is_table else zipfile.ZIP_STORED
            if isinstance(content, bytes):
                archive.writestr(member, content, member.compress_type)
                continue
            with open(content, "rb") as file, archive.open(member, "w", force_zip64=True) as out:
                shutil.copyfileobj(file, out, 1 << 20)
