"""Images in files of their own: in folders, zips and tar archives."""

import os
import posixpath
import stat
import tarfile
import threading
import zipfile
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np

from galaxyzoo.core.errors import InputError, UnavailableError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.stores.base import (
    HIDDEN,
    MAX_IMAGE_BYTES,
    READ_SUFFIXES,
    ImageStore,
    IndexMapping,
    PackedStrings,
    is_picture,
    is_read,
    is_transient,
    number_names,
    stamp_of,
    why_not_read,
)
from galaxyzoo.io.archives import BROKEN_ZIP, open_unchecked, open_zip

_BLOCK = 1 << 20  # bytes read at once behind a tar's end


@dataclass
class FolderStore(ImageStore):
    """Images of a folder; names are relative to it, or absolute."""

    def load(self, image_id: int) -> bytes:
        """Encoded bytes of one image."""
        return read_file(os.path.join(self.path, self.names[image_id]))


def read_file(file: str) -> bytes:
    """Encoded bytes of an image's file."""
    try:
        status = os.stat(file)
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
            raise InputError(f"{shown(Path(file))} is a pipe or a device, not a file")
        if status.st_size > MAX_IMAGE_BYTES:
            raise InputError(f"{shown(Path(file))} is larger than {MAX_IMAGE_BYTES:,} bytes")
        return Path(file).read_bytes()
    except (OSError, ValueError) as error:  # the latter of a name that is no text
        raise _read_error(shown(Path(file)), error) from None


def _read_error(where: str, error: Exception) -> InputError:
    kind = UnavailableError if is_transient(error) else InputError
    return kind(f"{where} cannot be read ({error})")


@dataclass
class ZipStore(ImageStore):
    """Images of a zip; each one's checksum is checked while it is read."""

    _local: threading.local = field(default_factory=threading.local, repr=False)

    def load(self, image_id: int) -> bytes:
        """Encoded bytes of one image."""
        name = self.names[image_id]
        try:
            archive = self._archive()
            size = archive.getinfo(name).file_size
            if size > MAX_IMAGE_BYTES:
                where = f"{shown(self.path)}/{name}"
                raise InputError(f"{where} is larger than {MAX_IMAGE_BYTES:,} bytes")
            with archive.open(name) as member:
                return member.read(size)  # no more, however much its compressed bytes hold
        except BROKEN_ZIP as error:
            raise _read_error(f"{shown(self.path)}/{name}", error) from None

    def _archive(self) -> zipfile.ZipFile:
        """This thread's own handle, so that threads do not share a file position.

        The list of contents was checked when the store was made.
        """
        if not hasattr(self._local, "archive"):
            self._local.archive = open_unchecked(self.path)
        return self._local.archive


def open_files(path: Path, is_needed: bool = True) -> ImageStore:
    """The images of a zip, or of a folder and its subfolders, each linked folder once.

    A folder's broken links without a file ending are listed as left out: each may have led to a
    whole folder.

    Args:
        path: the folder or zip.
        is_needed: whether to raise InputError where there is none.
    """
    if path.is_dir():
        top = os.path.join(path, "")
        names = sorted((file.removeprefix(top) for file in _walk(path)), key=lambda n: n.split("/"))
        entries = [
            (name, stamp_of(_stat(top + name)))
            for name in names
            if is_picture(posixpath.basename(name))
            or (not (file := Path(top + name)).suffix and file.is_symlink() and not file.exists())
        ]
    else:
        with open_zip(path) as archive:
            members = archive.infolist()
            entries = [(i.filename, i.CRC) for i in members if is_picture(i.filename)]
    if not entries and is_needed:
        raise InputError(f"{shown(path)} holds no image ({', '.join(READ_SUFFIXES)})")
    return make_store(FolderStore if path.is_dir() else ZipStore, path, entries)


def make_store(
    kind: type[ImageStore], path: Path, entries: Sequence[tuple[str, int]]
) -> ImageStore:
    """A store of entries, name and stamp, in their order; those that are not read are left out."""
    images = [entry for entry in entries if is_read(entry[0])]
    left_out = [(name, why_not_read(name)) for name, _ in entries if not is_read(name)]
    names, stamps = [name for name, _ in images], [stamp for _, stamp in images]
    return kind(path, IndexMapping(names), IndexMapping(stamps), left_out=left_out)


def _stat(file: str) -> os.stat_result:
    """Stat a file, or a link that leads nowhere."""
    with suppress(OSError):
        return os.stat(file)
    return os.lstat(file)


def _walk(top: Path) -> Iterator[str]:
    """List files below a folder and the folders that it links to; hidden folders are left out.

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
            subfolders[:] = sorted(name for name in subfolders if not HIDDEN.match(f"{name}/"))
            links = [path for name in subfolders if (path := Path(folder, name)).is_symlink()]
            waiting += [path for path in links if not real.is_relative_to(path.resolve())]
            yield from (os.path.join(folder, name) for name in names)


def _refuse_unreadable(error: OSError) -> NoReturn:
    raise InputError(f"{shown(Path(error.filename))} cannot be read: {error.strerror}") from None


@dataclass
class TarStore(ImageStore):
    """Images of a tar that is not compressed, read where they lie."""

    places: np.ndarray = field(kw_only=True, repr=False)  # (image, 2) offset, bytes

    def load(self, image_id: int) -> bytes:
        """Encoded bytes of one image."""
        offset, size = map(int, self.places[image_id])
        try:
            with open(self.path, "rb") as file:
                file.seek(offset)
                return file.read(size)
        except OSError as error:
            raise _read_error(shown(self.path), error) from None


def open_tar(path: Path) -> TarStore:
    """The images of a tar, in its order; links are followed within it."""
    names, places, links, left_out = PackedStrings(), array("q"), {}, []
    for member in _members(path):
        is_file = is_picture(member.name) and not member.isdir()
        if is_file and not is_read(member.name):
            left_out.append((member.name, why_not_read(member.name)))
        elif member.islnk() or member.issym():
            links[posixpath.normpath(member.name)] = _target(member)
        elif not is_file:
            continue
        elif member.isreg() and not member.issparse():
            names.append(member.name)
            places.extend((member.offset_data, member.size))
        else:
            left_out.append((member.name, "it is sparse or no file: pack it again without -S"))
    wanted = {name: _follow(name, links) for name in links if is_read(name) and is_picture(name)}
    targets = set(wanted.values())
    extents = {} if not targets else {
        name: (member.offset_data, member.size) for member in _members(path)
        if (name := posixpath.normpath(member.name)) in targets
        if member.isreg() and not member.issparse()
    }  # fmt: skip
    for name, target in wanted.items():
        if target in extents:
            names.append(name)
            places.extend(extents[target])
        else:
            left_out.append((name, f"it is a link to {links[name]}, no file of the tar"))
    if left_out and not names:
        raise InputError(f"{shown(path)} holds no image (first: {': '.join(left_out[0])})")
    where = np.array(places).reshape(-1, 2)
    for row in np.flatnonzero(where[:, 1] > MAX_IMAGE_BYTES)[:1]:
        raise InputError(f"{shown(path)}/{names[row]} is larger than {MAX_IMAGE_BYTES:,} bytes")
    return TarStore(path, *number_names(path, names), places=where, left_out=left_out)


def _members(path: Path) -> Iterator[tarfile.TarInfo]:
    """Members of a plain tar that is whole; tarfile ends quietly where a head is damaged."""
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                archive.members.clear()  # type: ignore[attr-defined]  # it keeps a kilobyte each
                yield member
            end = archive.offset
        with open(path, "rb") as file:
            file.seek(end)
            block = file.read(_BLOCK)
            if len(block) < tarfile.BLOCKSIZE:
                raise tarfile.ReadError("its end is missing")
            while block:
                if block.count(0) < len(block):
                    raise tarfile.ReadError(f"what follows byte {end:,} is neither file nor zeros")
                block = file.read(_BLOCK)
    except (tarfile.TarError, OSError, ValueError) as error:
        raise InputError(
            f"{shown(path)} is not a whole plain tar ({error}): pack it again"
        ) from None


def _target(member: tarfile.TarInfo) -> str:
    """Name of the member that a link leads to; a hard link holds the full name."""
    folder = posixpath.dirname(member.name) if member.issym() else ""
    return posixpath.normpath(posixpath.join(folder, member.linkname))


def _follow(name: str, links: Mapping[str, str]) -> str:
    """Resolve a chain of links; a cycle ends at any of them."""
    for _ in range(len(links)):
        if name not in links:
            break
        name = links[name]
    return name
