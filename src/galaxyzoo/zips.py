"""What a zip may hold: nothing in the project unpacks one that could write elsewhere or for ever.

The list of contents is checked before anything is read. That a member is no longer than its entry
says is for its reader to see to: `archive.open(name).read(info.file_size)` stops there.
"""

import re
import stat
import zipfile
from collections import Counter
from pathlib import Path

from galaxyzoo.errors import InputError
from galaxyzoo.paths import shown

# Deflate reaches 1032:1. Tables of nothing but zeros reach 50:1, flat pictures as arrays 200:1 at
# most; small things may do as they like.
LARGEST_RATIO = 200
MODEST_BYTES = 100_000_000
_MODEST_TOTAL = 1_000_000_000
# Names that lead out of the folder: absolute, of a drive, with a `..`, or cut short by a NUL.
_OUTSIDE = re.compile(r"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)|\0")


def check_members(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse a zip that could do harm, by its list of contents alone.

    Args:
        archive: open zip.
        path: its file.
    Raises:
        InputError: a member leads out of the folder, is a link or a device, is encrypted, packed in
            a rare way, there twice, or larger than its packed size allows; or members overlap.
    """
    members, packed = archive.infolist(), path.stat().st_size
    for member in members:
        why = _objection(member)
        if why:
            raise InputError(f"{shown(path)}: '{member.orig_filename}' {why}")
    names = Counter(member.filename for member in members if not member.is_dir())
    if repeated := [name for name, count in names.items() if count > 1]:
        raise InputError(
            f"{shown(path)} holds '{repeated[0]}' twice: pack it again with one of them"
        )
    if sum(member.compress_size for member in members) > packed:
        raise InputError(f"{shown(path)}: its members overlap, as in no honest zip: get it again")
    total = sum(member.file_size for member in members)
    if total > max(_MODEST_TOTAL, LARGEST_RATIO * packed):
        raise InputError(
            f"{shown(path)} would unpack from {packed:,} to {total:,} bytes: a zip bomb?"
        )


def _objection(member: zipfile.ZipInfo) -> str:
    """Why a member is refused; empty where it is not."""
    kind = stat.S_IFMT(member.external_attr >> 16)  # 0 where it was not packed on a Unix
    if _OUTSIDE.search(member.orig_filename):
        return "leads out of the folder that it would be unpacked into"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device, no file: pack the file itself"
    if member.flag_bits & 0x1:
        return "is encrypted: unpack it with its password, and pack it without"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is packed in a rare way: pack it again with deflate, as zip programs usually do"
    if member.file_size > max(MODEST_BYTES, LARGEST_RATIO * member.compress_size):
        return (
            f"would unpack from {member.compress_size:,} to {member.file_size:,} bytes: a zip bomb?"
        )
    return ""
