"""Images by GalaxyID out of a zip or a folder, without unpacking."""

import errno
import lzma
import os
import re
import struct
import threading
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from galaxyzoo.errors import InputError, UnavailableError
from galaxyzoo.paths import shown
from galaxyzoo.zips import check_members

IMAGE_ENDS = (".jpg", ".jpeg", ".png")
# What zipfile raises of bytes that are no zip, besides BadZipFile.
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
MAX_IMAGE_BYTES = 50_000_000  # a galaxy's JPEG has about 15,000
# What the system lacks, or a network drive, whichever file is asked for.
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT)


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip for reading, its list of contents checked.

    Raises:
        InputError: it is missing, cut off, no zip, or one that could do harm.
    """
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


def list_images(path: Path) -> list[tuple[str, int]]:
    """Images in a zip or folder (subfolders too): name, and CRC (zip) or stamp (folder).

    Raises:
        InputError: nothing there, a broken zip, or no image.
    """
    if path.is_dir():
        files = {str(p.relative_to(path)): p for p in sorted(path.rglob("*"))}
        entries = [
            (name, stamp_of(p.stat()))
            for name, p in files.items()
            if _is_image(name) and p.is_file()
        ]
    else:
        with open_zip(path) as archive:
            entries = [(i.filename, i.CRC) for i in archive.infolist() if _is_image(i.filename)]
    if not entries:
        raise InputError(f"{shown(path)} holds no image ({', '.join(IMAGE_ENDS)})")
    return entries


def is_passing(error: BaseException) -> bool:
    """Whether an error is the system's, which would refuse any other file too."""
    return isinstance(error, OSError) and error.errno in _PASSING


def stamp_of(about: os.stat_result) -> int:
    """What changes when a file or its rights do; a checksum would cost as long as reading it.

    A copy of the file may count as another one, which costs no more than decoding it again.
    """
    rights = f"{about.st_mode} {about.st_uid} {about.st_gid}"
    return zlib.crc32(f"{about.st_size} {about.st_mtime_ns} {rights}".encode())


@dataclass
class ImageStore:
    """Encoded images of one zip or folder; safe to read from several threads.

    Members or files are found by their name: `<anything>/<GalaxyID>.jpg`.
    """

    path: Path
    names: dict[int, str]  # GalaxyID -> member of the zip, or file relative to the folder
    stamps: dict[int, int] = field(repr=False)  # GalaxyID -> CRC of the member, or `stamp_of`
    _local: threading.local = field(default_factory=threading.local, repr=False)

    def __reduce__(self) -> tuple[Callable[..., "ImageStore"], tuple]:
        """For another process, without this one's open files."""
        return ImageStore, (self.path, self.names, self.stamps)

    @staticmethod
    def open(path: Path) -> "ImageStore":
        """List the images.

        Raises:
            InputError: nothing there, a broken zip, no image, a name that is no id, or two images
                of one id.
        """
        entries = list_images(path)
        names: dict[int, str] = {}
        stamps: dict[int, int] = {}
        for name, stamp in entries:
            stem = PurePosixPath(name).stem
            if not re.fullmatch(r"\d{1,18}", stem):
                raise InputError(f"{shown(path)}: '{name}' is not named by a GalaxyID")
            if int(stem) in names:
                raise InputError(
                    f"{shown(path)} holds GalaxyID {stem} twice: '{names[int(stem)]}' and '{name}'"
                )
            names[int(stem)], stamps[int(stem)] = name, stamp
        return ImageStore(path, names, stamps)

    @staticmethod
    def numbered(path: Path, names: list[str]) -> "ImageStore":
        """A store of the named members (or files of a folder), numbered from 0 in their order."""
        return ImageStore(path, dict(enumerate(names)), {})

    @property
    def ids(self) -> np.ndarray:
        """(image,) ids, ascending."""
        return np.array(sorted(self.names), dtype=np.int64)

    def digest_of(self, galaxy_id: int) -> tuple[int, str, int]:
        """What identifies an image without reading it: id, name, CRC (zip) or stamp (folder)."""
        return galaxy_id, self.names[galaxy_id], self.stamps[galaxy_id]

    def read(self, galaxy_id: int) -> bytes:
        """Encoded bytes of one image; a zip's checksum is checked on the way.

        Raises:
            InputError: damaged member, unreadable file, or a size beyond reason.
            UnavailableError: the system cannot read any file now.
        """
        name = self.names[galaxy_id]
        try:
            if self.path.is_dir():
                file = self.path / name
                if file.stat().st_size > MAX_IMAGE_BYTES:
                    raise InputError(f"{shown(file)} is larger than {MAX_IMAGE_BYTES:,} bytes")
                return file.read_bytes()
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

    def _archive(self) -> zipfile.ZipFile:
        """This thread's own handle, so that threads do not share a file position.

        The list of contents was checked when the store was made.
        """
        if not hasattr(self._local, "archive"):
            self._local.archive = _open_unchecked(self.path)
        return self._local.archive


def _is_image(name: str) -> bool:
    """Whether it is named as an image, and is none of the `._` files that macOS adds."""
    return name.lower().endswith(IMAGE_ENDS) and not PurePosixPath(name).name.startswith("._")
