"""Open images of any form, by a path or by all paths that a user names."""

import os
import posixpath
import stat
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from galaxyzoo.core.errors import InputError, UnavailableError
from galaxyzoo.core.extras import load_all
from galaxyzoo.core.paths import shown
from galaxyzoo.data.stores import base
from galaxyzoo.io.archives import BROKEN_ZIP, open_unchecked, open_zip


@dataclass
class FolderStore(base.ImageStore):
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
        if status.st_size > base.MAX_IMAGE_BYTES:
            raise InputError(f"{shown(Path(file))} is larger than {base.MAX_IMAGE_BYTES:,} bytes")
        return Path(file).read_bytes()
    except (OSError, ValueError) as error:  # the latter of a name that is no text
        raise _read_error(shown(Path(file)), error) from None


def _read_error(where: str, error: Exception) -> InputError:
    kind = UnavailableError if base.is_transient(error) else InputError
    return kind(f"{where} cannot be read ({error})")


@dataclass
class ZipStore(base.ImageStore):
    """Images of a zip; each one's checksum is checked while it is read."""

    _local: threading.local = field(default_factory=threading.local, repr=False)

    def load(self, image_id: int) -> bytes:
        """Encoded bytes of one image."""
        name = self.names[image_id]
        try:
            archive = self._archive()
            size = archive.getinfo(name).file_size
            if size > base.MAX_IMAGE_BYTES:
                where = f"{shown(self.path)}/{name}"
                raise InputError(f"{where} is larger than {base.MAX_IMAGE_BYTES:,} bytes")
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


def open_files(path: Path) -> base.ImageStore:
    """The images of a zip, or of a folder and its subfolders, each linked folder once.

    A folder's broken links without a file ending are listed as left out: each may have led to a
    whole folder.
    """
    if path.is_dir():
        top = os.path.join(path, "")
        names = sorted((file.removeprefix(top) for file in _walk(path)), key=lambda n: n.split("/"))
        entries = [
            (name, base.stamp_of(_stat(top + name)))
            for name in names
            if base.is_picture(posixpath.basename(name))
            or (not (file := Path(top + name)).suffix and file.is_symlink() and not file.exists())
        ]
    else:
        with open_zip(path) as archive:
            members = archive.infolist()
            entries = [(i.filename, i.CRC) for i in members if base.is_picture(i.filename)]
    if not entries:
        raise InputError(f"{shown(path)} holds no image ({', '.join(base.READ_SUFFIXES)})")
    return make_store(FolderStore if path.is_dir() else ZipStore, path, entries)


def make_store(
    kind: type[base.ImageStore], path: Path, entries: Sequence[tuple[str, int]]
) -> base.ImageStore:
    """A store of entries, name and stamp, in their order; those that are not read are left out."""
    images = [entry for entry in entries if base.is_read(entry[0])]
    left_out = [(name, base.why_not_read(name)) for name, _ in entries if not base.is_read(name)]
    names, stamps = [name for name, _ in images], [stamp for _, stamp in images]
    return kind(path, base.IndexMapping(names), base.IndexMapping(stamps), left_out=left_out)


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
            subfolders[:] = sorted(name for name in subfolders if not base.HIDDEN.match(f"{name}/"))
            links = [path for name in subfolders if (path := Path(folder, name)).is_symlink()]
            waiting += [path for path in links if not real.is_relative_to(path.resolve())]
            yield from (os.path.join(folder, name) for name in names)


def _refuse_unreadable(error: OSError) -> NoReturn:
    raise InputError(f"{shown(Path(error.filename))} cannot be read: {error.strerror}") from None


Settings = Mapping[str, Any]  # of forms that have some, by their titles


@dataclass(frozen=True)
class ImageForm:
    """Form of images that an extra adds (`Extra.images`)."""

    openers: Mapping[str, Callable[[Path], base.ImageStore]] = field(default_factory=dict)
    title: str = ""  # above its options in --help
    options: type | None = None  # their dataclass
    # wraps the images of any form, where its files are among them
    wrap: Callable[[base.ImageStore, Any], base.ImageStore] | None = None


@cache
def forms() -> list[ImageForm]:
    """The forms of images besides folders, zips and files of pictures."""
    return list(load_all("images"))


def openers() -> dict[str, Callable[[Path], base.ImageStore]]:
    """Function that opens a file of images or a list of them, by its ending."""
    return {ending: opener for form in forms() for ending, opener in form.openers.items()}


def open_store(path: Path, settings: Settings | None = None) -> base.ImageStore:
    """Open the images of a folder, zip, or file of `openers`.

    Args:
        path: its ending tells its form.
        settings: of forms; default their own.
    Returns:
        Images numbered from 0, in the order of the file, or of the names in a folder.
    Raises:
        InputError: it cannot be opened, or holds no image.
    """
    return _wrap((_opener_of(path) or open_files)(path), settings)


def open_whole_store(path: Path) -> base.ImageStore:
    """Open a store as `open_store` does; refuse it where one of its pictures is of no form read."""
    store = open_store(path)
    for name, why in store.left_out:
        raise InputError(f"{shown(path)}: '{name}': {why}")
    return store


def _opener_of(path: Path) -> Callable[[Path], base.ImageStore] | None:
    return None if path.is_dir() else openers().get(path.suffix.lower())


def is_archive(path: Path) -> bool:
    """Check whether a path is of a form that holds images and their ids in one."""
    return path.suffix.lower() != ".csv" and _opener_of(path) is not None


def _wrap(store: base.ImageStore, settings: Settings | None) -> base.ImageStore:
    for form in forms():
        if form.wrap and form.options:
            store = form.wrap(store, (settings or {}).get(form.title, form.options()))
    return store


def open_by_galaxy_id(*paths: Path) -> base.RelabeledStore:
    """Open one or more paths as `open_store`; images are named by their GalaxyIDs."""
    members: dict[int, tuple[base.ImageStore, int]] = {}
    whole = paths[0] if len(paths) == 1 else paths[0].parent
    for path in paths:
        store = open_whole_store(path)
        for number, name in store.names.items():
            galaxy_id = base.galaxy_id_of(name)
            if galaxy_id is None:
                raise InputError(f"{shown(path)}: '{name}' is not named by a GalaxyID")
            if galaxy_id in members:
                first, there = members[galaxy_id]
                raise InputError(
                    f"{shown(whole)} holds GalaxyID {galaxy_id} twice: '{first.names[there]}' and "
                    f"'{name}'"
                )
            members[galaxy_id] = store, number
    return base.RelabeledStore.of(whole, members)


def open_stores(paths: list[Path], settings: Settings | None = None) -> list[base.ImageStore]:
    """Open a user's paths: folders and zips, then single pictures in one store, then others."""
    stores, pictures, others = [], [], []
    for path in paths:
        if path.is_dir() or path.suffix.lower() == ".zip":
            stores.append(open_store(path, settings))
        elif not path.is_file():
            raise InputError(f"{shown(path)} is missing")
        elif _opener_of(path):
            others.append(open_store(path, settings))
        elif base.is_picture(path.name):
            pictures.append((str(path.resolve()), base.stamp_of(path.stat())))
        else:
            raise InputError(
                f"{shown(path)}: IMAGES are folders, .zip files, images "
                f"({', '.join(base.READ_SUFFIXES)}) and archives or lists ({', '.join(openers())})"
            )
    if pictures:
        stores.append(_wrap(make_store(FolderStore, Path.cwd(), pictures), settings))
    return [store for store in (*stores, *others) if store.names or store.left_out]
