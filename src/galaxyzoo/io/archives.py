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
from galaxyzoo.core.errors import InputError, UnavailableError, is_transient
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
_BOMB = "as a zip bomb does: if you trust it, zip it again without compression"
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
    """Open a zip without checking its list of contents again; refuse a missing or broken one."""
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise InputError(f"{shown(path)} is missing") from None
    except BROKEN_ZIP as error:
        if is_transient(error):
            raise UnavailableError(f"{shown(path)} cannot be read ({error})") from None
        size = path.stat().st_size if path.exists() else 0
        raise InputError(
            f"{shown(path)} is not a complete zip file ({size:,} bytes; {error}): download or "
            "zip it again"
        ) from None
    for member in archive.infolist():
        member.filename = member.filename.replace("\\", "/")  # some Windows programs write these
        archive.NameToInfo[member.filename] = member
    return archive


def _check_members(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse a zip that could do harm, by its list of contents alone; `path` is its file."""
    members = archive.infolist()
    for member in members:
        refusal = _explain_refusal(member)
        if refusal:
            raise InputError(f"{shown(path)}: '{member.orig_filename}' {refusal}")
    counts = Counter(member.filename for member in members if not member.is_dir())
    for name, count in counts.items():
        if count > 1:
            raise InputError(f"{shown(path)} has '{name}' twice: zip it again with one copy")
    packed = path.stat().st_size
    if sum(member.compress_size for member in members) > packed:
        raise InputError(f"{shown(path)}: its members overlap, as in a zip bomb: replace it")
    total = sum(member.file_size for member in members)
    if total > max(_ALWAYS_ACCEPTED_TOTAL, MAX_RATIO * packed):
        raise InputError(f"{shown(path)} would grow from {packed:,} to {total:,} bytes, {_BOMB}")


def _explain_refusal(member: zipfile.ZipInfo) -> str:
    """Explain why a member is refused; empty if it is accepted."""
    if _OUTSIDE.search(member.orig_filename):
        return "would be unpacked outside its folder"
    kind = stat.S_IFMT(member.external_attr >> 16)  # 0 where it was not packed on a Unix
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device, not a file: zip the file itself"
    if member.flag_bits & 0x1:
        return "is encrypted: unzip it with its password, then zip it without a password"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "uses a rare compression method: zip it again with deflate, the default"
    packed = member.compress_size
    if member.file_size > max(ALWAYS_ACCEPTED_BYTES, MAX_RATIO * packed):
        return f"would grow from {packed:,} to {member.file_size:,} bytes, {_BOMB}"
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
            member.create_system = 3  # Unix, on every machine
            member.external_attr = mode << 16
            if name.endswith(".csv"):
                member.compress_type = zipfile.ZIP_DEFLATED
            if isinstance(content, bytes):
                archive.writestr(member, content, member.compress_type)
                continue
            with open(content, "rb") as file, archive.open(member, "w", force_zip64=True) as out:
                shutil.copyfileobj(file, out, 1 << 20)
