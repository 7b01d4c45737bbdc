"""Zip archives: refuse harmful ones, read images by GalaxyID without unpacking, write them.

A zip's list of contents is checked before anything is read from it. Readers stop at the size that
the list names (`archive.open(name).read(info.file_size)`), whatever the member unpacks to.
"""

import errno
import lzma
import os
import posixpath
import re
import shutil
import stat
import struct
import threading
import zipfile
import zlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

import numpy as np

from galaxyzoo.core import files
from galaxyzoo.core.errors import InputError, UnavailableError
from galaxyzoo.core.paths import shown

IMAGE_ENDS = (".jpg", ".jpeg", ".png")
# Read for predictions alone: no dataset comes in them
FITS_ENDS = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz")
# Pictures that are not read: each decoder would need its own check for files that are cut off.
OTHER_ENDS = (".webp", ".tif", ".tiff", ".bmp", ".gif", ".heic", ".heif", ".avif", ".jfif", ".jpe",
              ".jif", ".jp2", ".j2k", ".jxl", ".ppm", ".pgm", ".pnm", ".tga", ".exr", ".psd",
              ".npy", ".npz")  # fmt: skip
# Folders with copies: hidden ones, Synology's and macOS's
_HIDDEN = re.compile(r"(^|/)(\.(?!\.?/)[^/]*|@eaDir|__MACOSX)/")
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
ID_LIMIT = 10**18  # Galaxy Zoo 2's own ids have 18 digits
MAX_IMAGE_BYTES = 50_000_000  # a galaxy's JPEG has about 15,000
# Errors of the system or a network drive that would meet any other file too
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT)


# Deflate reaches 1032:1. Tables of nothing but zeros reach 50:1, flat pictures as arrays 200:1 at
# most; what unpacks to little may have any ratio.
LARGEST_RATIO = 200
MODEST_BYTES = 100_000_000
_MODEST_TOTAL = 1_000_000_000
# Names that lead out of the folder: absolute, of a drive, with a `..`, or cut short by a NUL
_OUTSIDE = re.compile(r"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)|\0")
_DATE = (2013, 12, 20, 0, 0, 0)  # of every member: the end of the competition


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip for reading, its list of contents checked."""
    archive = _open_unchecked(path)
    try:
        check_members(archive, path)
    except InputError:
        archive.close()
        raise
    return archive


def _open_unchecked(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise InputError(f"{shown(path)} is missing") from None
    except BROKEN_ZIP as error:
        size = path.stat().st_size if path.exists() else 0
        raise InputError(
            f"{shown(path)} is not a whole zip file ({size:,} bytes; {error}): its download "
            "was cut off, get it again"
        ) from None


def list_images(
    path: Path, ends: tuple[str, ...] = IMAGE_ENDS, is_needed: bool = True
) -> list[tuple[str, int]]:
    """Files with those ends of their names in a zip or folder (subfolders too, linked ones once).

    Of a folder also links without an end that lead nowhere: whole folders may be behind them.

    Args:
        path: the zip or folder.
        ends: of the names, in small letters.
        is_needed: whether to raise InputError where there is none.
    Returns:
        Name, and CRC (zip) or stamp (folder).
    """
    if path.is_dir():
        top = os.path.join(path, "")
        names = sorted((file.removeprefix(top) for file in _walk(path)), key=lambda n: n.split("/"))
        entries = [
            (name, stamp_of(_stat(top + name)))
            for name in names
            if is_image(posixpath.basename(name), ends)
            or (not (file := Path(top + name)).suffix and file.is_symlink() and not file.exists())
        ]
    else:
        with open_zip(path) as archive:
            members = archive.infolist()
            entries = [(i.filename, i.CRC) for i in members if is_image(i.filename, ends)]
    if not entries and is_needed:
        raise InputError(f"{shown(path)} holds no image ({', '.join(ends)})")
    return entries


def _stat(file: str) -> os.stat_result:
    """Of a file, or of a link that leads nowhere."""
    with suppress(OSError):
        return os.stat(file)
    return os.lstat(file)


def _walk(top: Path) -> Iterator[str]:
    """All but folders, below a folder and below what it links to; hidden folders are left out.

    Paths are texts here and where they are read: a `Path` of each takes longer than its `stat`.
    """
    seen: set[Path] = set()
    waiting = [top]
    for start in waiting:  # links come last, so that what lies here keeps its own name
        for folder, subfolders, names in os.walk(start, onerror=_refuse_unreadable):
            real = Path(folder).resolve()
            if real in seen:
                subfolders.clear()
                continue
            seen.add(real)
            subfolders[:] = sorted(name for name in subfolders if not _HIDDEN.match(f"{name}/"))
            links = [path for name in subfolders if (path := Path(folder, name)).is_symlink()]
            waiting += [path for path in links if not real.is_relative_to(path.resolve())]
            yield from (os.path.join(folder, name) for name in names)


def _refuse_unreadable(error: OSError) -> NoReturn:
    raise InputError(f"{shown(Path(error.filename))} cannot be read: {error.strerror}") from None


def stem_of(name: str) -> str:
    """Name of a picture's file without folder and ending; any other name is an id, and stays."""
    lower = name.lower()
    end = next((end for end in (*IMAGE_ENDS, *FITS_ENDS, *OTHER_ENDS) if lower.endswith(end)), "")
    return posixpath.basename(name)[: -len(end)] if end else name


def number_of(name: str) -> int | None:
    """GalaxyID of a picture's file, `<anything>/<GalaxyID>.jpg`; of other ids any int64."""
    stem = stem_of(name)
    written = "0|-?[1-9][0-9]{0,18}" if stem == name else "[0-9]{1,18}"  # an id 007 keeps its zeros
    number = int(stem) if re.fullmatch(written, stem) else None
    return number if number is not None and abs(number) < 2**63 else None


def galaxy_id_of(name: str) -> int | None:
    """GalaxyID that an image is named by, `<anything>/<GalaxyID>.jpg`; None for other names."""
    number = number_of(name)
    return number if number is not None and 0 <= number < ID_LIMIT else None


def is_passing(error: BaseException) -> bool:
    """Whether an error is the system's, whichever file is read, and may pass."""
    return isinstance(error, OSError) and error.errno in _PASSING


def stamp_of(about: os.stat_result) -> int:
    """A number that changes with a file or its rights; a checksum would cost reading the file.

    A copy of the file may have another stamp, which only means decoding it again.
    """
    rights = f"{about.st_mode} {about.st_uid} {about.st_gid}"
    return zlib.crc32(f"{about.st_size} {about.st_mtime_ns} {rights}".encode())


_Value = TypeVar("_Value")


class Numbered(Mapping[int, _Value]):
    """A sequence as a mapping from 0, 1, …: of many images a tenth of a dict's memory."""

    def __init__(self, values: Sequence[_Value]) -> None:
        self._values = values

    def __getitem__(self, number: int) -> _Value:
        return self._values[number]

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self._values)))

    def __len__(self) -> int:
        return len(self._values)


class Texts(Sequence[str]):
    """Names of very many images, kept as one piece of bytes."""

    def __init__(self) -> None:
        self._data, self._ends = bytearray(), array("Q", [0])

    def append(self, text: str) -> None:
        """Put one at the end."""
        self._data += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._data))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> str:  # type: ignore[override]  # slices are not needed
        start, stop = self._ends[number], self._ends[number + 1]
        return self._data[start:stop].decode("utf-8", "surrogatepass")


@dataclass
class ImageStore:
    """Encoded images of one zip or folder; safe to read from several threads.

    Members or files are named `<anything>/<GalaxyID>.jpg`, or `.png`.
    """

    path: Path
    names: Mapping[int, str]  # GalaxyID -> member of the zip, or file relative to the folder
    stamps: Mapping[int, int] = field(repr=False)  # GalaxyID -> CRC of the member, or `stamp_of`
    _local: threading.local = field(default_factory=threading.local, repr=False)

    def __reduce__(self) -> tuple[Callable[..., "ImageStore"], tuple]:
        """For another process, without this one's open files, locks and images: fields with _."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name[0] != "_"}
        return partial(type(self), **own), ()

    @staticmethod
    def open(path: Path) -> "ImageStore":
        """List the images of a zip or folder; an id must not be there twice."""
        entries = list_images(path)
        names: dict[int, str] = {}
        stamps: dict[int, int] = {}
        for name, stamp in entries:
            galaxy_id = galaxy_id_of(name)
            if galaxy_id is None:
                raise InputError(f"{shown(path)}: '{name}' is not named by a GalaxyID")
            if galaxy_id in names:
                raise InputError(
                    f"{shown(path)} holds GalaxyID {galaxy_id} twice: '{names[galaxy_id]}' and "
                    f"'{name}'"
                )
            names[galaxy_id], stamps[galaxy_id] = name, stamp
        return ImageStore(path, names, stamps)

    @staticmethod
    def numbered(path: Path, entries: list[tuple[str, int]]) -> "ImageStore":
        """A store of the entries, as of `list_images`, numbered from 0 in their order."""
        names, stamps = [name for name, _ in entries], [stamp for _, stamp in entries]
        return ImageStore(path, Numbered(names), Numbered(stamps))

    @property
    def ids(self) -> np.ndarray:
        """(image,) ids, ascending."""
        return np.sort(np.fromiter(self.names, np.int64, len(self.names)))

    def digest_of(self, galaxy_id: int) -> tuple[int, str, int]:
        """Identity of an image without reading it: id, name, CRC (zip) or stamp (folder)."""
        return galaxy_id, self.names[galaxy_id], self.stamps[galaxy_id]

    def read(self, galaxy_id: int) -> bytes:
        """Encoded bytes of one image; a zip's checksum is checked on the way."""
        name = self.names[galaxy_id]
        try:
            if os.path.isdir(self.path):
                file = os.path.join(self.path, name)
                about = os.stat(file)
                if not stat.S_ISREG(about.st_mode):  # reading a pipe would wait for ever
                    raise InputError(f"{shown(Path(file))} is a pipe or a device, no file")
                if about.st_size > MAX_IMAGE_BYTES:
                    where = shown(Path(file))
                    raise InputError(f"{where} is larger than {MAX_IMAGE_BYTES:,} bytes")
                return Path(file).read_bytes()
            archive = self._archive()
            size = archive.getinfo(name).file_size
            if size > MAX_IMAGE_BYTES:
                raise InputError(
                    f"{shown(self.path)}/{name} is larger than {MAX_IMAGE_BYTES:,} bytes"
                )
            with archive.open(name) as member:
                return member.read(size)  # no more, however much its compressed bytes hold
        except BROKEN_ZIP as error:
            kind = UnavailableError if is_passing(error) else InputError
            raise kind(f"{shown(self.path)}/{name} cannot be read ({error})") from None

    def load(self, galaxy_id: int) -> bytes | np.ndarray:
        """One image as it is at hand: encoded bytes, or (H, W, 3) uint8 RGB pixels."""
        return self.read(galaxy_id)

    def _archive(self) -> zipfile.ZipFile:
        """This thread's own handle, so that threads do not share a file position.

        The list of contents was checked when the store was made.
        """
        if not hasattr(self._local, "archive"):
            self._local.archive = _open_unchecked(self.path)
        return self._local.archive


def why_not_read(name: str) -> str:
    """Reason for an image of no form that is read."""
    end = Path(name).suffix.lower()
    return f"{end} is not read: convert it to JPEG or PNG" if end else "its link leads nowhere"


def is_image(name: str, ends: tuple[str, ...]) -> bool:
    """Whether it is named as an image, and is no copy: macOS's `._` files, hidden folders."""
    is_copy = posixpath.basename(name).startswith("._") or _HIDDEN.search(name)
    return name.lower().endswith(ends) and not is_copy


def check_members(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse a zip that could do harm, by its list of contents alone; `path` is its file."""
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
            member.compress_type = (
                zipfile.ZIP_DEFLATED if name.endswith(".csv") else zipfile.ZIP_STORED
            )
            if isinstance(content, bytes):
                archive.writestr(member, content, member.compress_type)
                continue
            with open(content, "rb") as file, archive.open(member, "w", force_zip64=True) as to:
                shutil.copyfileobj(file, to, 1 << 20)
