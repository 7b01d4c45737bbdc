"""Open images of any form, by a path or by all paths that a user names."""

import os
import posixpath
import stat
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, make_dataclass, replace
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from galaxyzoo.core.errors import InputError, UnavailableError, is_transient
from galaxyzoo.core.extras import load_all
from galaxyzoo.core.options import Options, read_options, select, spell
from galaxyzoo.core.paths import shown
from galaxyzoo.data.catalog import read_image_settings
from galaxyzoo.data.stores import base
from galaxyzoo.data.stores.base import Images
from galaxyzoo.data.stores.names import (
    HIDDEN,
    file_names,
    is_picture,
    is_read,
    read_suffixes,
    why_not_read,
)
from galaxyzoo.io.archives import BROKEN_ZIP, open_unchecked, open_zip


def read_in(folder: Path, name: str) -> bytes:
    """Encoded bytes of an image's file, relative to a folder or absolute."""
    if not name:
        raise InputError("its row has no path")
    file = os.path.join(folder, name)
    try:
        status = os.stat(file)
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
            raise InputError(f"{shown(Path(file))} is not a regular file")
        if status.st_size > base.MAX_IMAGE_BYTES:
            raise InputError(f"{shown(Path(file))} is larger than {base.MAX_IMAGE_BYTES:,} bytes")
        return Path(file).read_bytes()
    except (OSError, ValueError) as error:  # the latter of a name that is no text
        raise _read_error(shown(Path(file)), error) from None


def _read_error(file: str, error: Exception) -> InputError:
    problem = f"{file} cannot be read ({error})"
    return UnavailableError(problem) if is_transient(error) else InputError(problem)


class _OpenZips(threading.local):
    """The zips that a thread read last, open: threads do not share a file's position.

    Not every zip of a job, which may have more than a process can open.
    """

    def __init__(self) -> None:
        self.open = lru_cache(maxsize=4)(_open_again)


def _open_again(path: Path, _stamp: int) -> zipfile.ZipFile:
    """Open a zip, whose list of contents was checked before; another stamp is another zip."""
    return open_unchecked(path)


_zips = _OpenZips()


@dataclass(frozen=True)
class ZipReader:
    """Reads images of a zip; each one's checksum is checked on the way."""

    path: Path
    stamp: int  # of the file

    def __call__(self, name: str) -> bytes:
        """Encoded bytes of a member."""
        try:
            archive = _zips.open(self.path, self.stamp)
            size = archive.getinfo(name).file_size
            if size > base.MAX_IMAGE_BYTES:
                file = f"{shown(self.path)}/{name}"
                raise InputError(f"{file} is larger than {base.MAX_IMAGE_BYTES:,} bytes")
            with archive.open(name) as member:
                return member.read(size)  # no more, however much its compressed bytes hold
        except BROKEN_ZIP as error:
            raise _read_error(f"{shown(self.path)}/{name}", error) from None


class _Picture(NamedTuple):
    name: str  # of a file, relative to its folder, or of a member
    stamp: int


def open_files(path: Path) -> Images:
    """The images of a zip, or of a folder and its subfolders, each linked folder once.

    A folder's broken links without a file ending are listed as left out: each may have led to a
    whole folder. A folder without images, or one that is a catalog of archives, is refused.
    """
    reader: base.Reader
    names: list[str] = []
    if path.is_dir():
        reader = partial(read_in, path)
        names = _list_files(path)
        pictures = _list_pictures(path, names)
    else:
        with open_zip(path) as archive:
            members = archive.infolist()
        reader = ZipReader(path, base.stamp_of(path.stat()))
        pictures = [_Picture(member.filename, member.CRC) for member in members]
        pictures = [picture for picture in pictures if is_picture(picture.name)]
    is_catalog = any(form.is_catalog(names) for form in forms())
    archives = []
    if is_catalog or not pictures:
        archives = [name for name in names if is_archive(Path(name))]
    if archives or not pictures:
        hint = ""
        if archives:
            hint = f": name its files, such as {shown(path / archives[0])}"
        raise InputError(f"{shown(path)} has no images ({', '.join(read_suffixes())}){hint}")
    return _make_images(reader, path, pictures)


def _list_files(folder: Path) -> list[str]:
    """Names of all files below a folder, relative to it, in the order of their paths."""
    top = os.path.join(folder, "")
    names = [file.removeprefix(top) for file in _walk(folder)]
    return sorted(names, key=lambda name: name.split("/"))


def _list_pictures(folder: Path, names: Sequence[str]) -> list[_Picture]:
    pictures = []
    for name in names:
        file = os.path.join(folder, name)
        if is_picture(posixpath.basename(name)) or _is_broken_link(Path(file)):
            pictures.append(_Picture(name, base.stamp_of(_stat(file))))
    return pictures


def _is_broken_link(path: Path) -> bool:
    """Check for a broken link that may have led to a folder: its name has no ending."""
    return not path.suffix and path.is_symlink() and not path.exists()


def _make_images(reader: base.Reader, path: Path, pictures: Sequence[_Picture]) -> Images:
    """Images of pictures in their order; those that are not read are left out."""
    names = []
    stamps = []
    left_out = []
    for picture in pictures:
        if is_read(picture.name):
            names.append(picture.name)
            stamps.append(picture.stamp)
        else:
            left_out.append((picture.name, why_not_read(picture.name)))
    images = Images.of(path, names, stamps, reader, left_out)
    return replace(images, table=images.table.assign(row=images.names), by_name=True)


def _stat(file: str) -> os.stat_result:
    """Stat a file, or a link that is broken."""
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
            for name in subfolders:
                path = Path(folder, name)
                if path.is_symlink() and not real.is_relative_to(path.resolve()):
                    waiting.append(path)
            for name in names:
                yield os.path.join(folder, name)


def _refuse_unreadable(error: OSError) -> NoReturn:
    raise InputError(f"{shown(Path(error.filename))} cannot be read: {error.strerror}") from None


@dataclass(frozen=True)
class ImageForm:
    """Form of images that an extra adds (`Extra.images`)."""

    openers: Mapping[str, Callable[[Path], Images]] = field(default_factory=dict)
    # finds how to open a file that is named like a picture, but lists images
    find_list: Callable[[Path], Callable[[Path], Images] | None] = lambda path: None
    options: type | None = None  # dataclass of its settings, which commands mix into their own
    # wraps the images of any form, where its files are among them
    wrap: Callable[[Images, Any], Images] | None = None
    # tells by the names in a folder that it is a catalog of archives, whose pictures are no images
    is_catalog: Callable[[Sequence[str]], bool] = lambda names: False


@cache
def forms() -> list[ImageForm]:
    """The forms of images besides folders, zips and files of pictures."""
    return list(load_all("images"))


def with_settings(kind: type[Options]) -> type[Options]:
    """A command's options with the settings of all forms."""
    settings = [form.options for form in forms() if form.options]
    bases = (*settings, kind)  # dataclasses list the fields of the last base first
    return make_dataclass(kind.__name__, [], bases=bases, frozen=True, kw_only=True)


def spell_settings(settings: object) -> list[str]:
    """Spell the settings of all forms that are not their defaults, as they are typed."""
    return spell(settings, with_settings(object))


def read_settings(arguments: Sequence[str]) -> object:
    """Read settings as `spell_settings` spells them."""
    return read_options(with_settings(object), None, arguments)


def read_settings_of(dataset: str) -> object:
    """Settings that a dataset was prepared with; those of the bundled networks are the defaults."""
    return read_settings(read_image_settings(dataset))


def openers() -> dict[str, Callable[[Path], Images]]:
    """Function that opens a file of images or a list of them, by its ending."""
    by_ending: dict[str, Callable[[Path], Images]] = {}
    for form in forms():
        by_ending.update(form.openers)
    return by_ending


def open_images(path: Path, settings: object = None) -> Images:
    """Open the images of a folder, zip, or file of `openers`.

    Args:
        path: its ending tells its form.
        settings: options of `with_settings`, or a form's own; default those of each form.
    Returns:
        Images numbered from 0, in the order of the file, or of the names in a folder.
    Raises:
        InputError: it cannot be opened, or holds no image.
    """
    return wrap(_open(path), settings)


def _open(path: Path) -> Images:
    opener = _opener_of(path) or open_files
    return opener(path)


def open_whole(path: Path) -> Images:
    """Open images of a dataset, to be wrapped later; refuse pictures of a form that is not read."""
    images = _open(path).stamped()
    for name, reason in images.left_out:
        raise InputError(f"{shown(path)}: '{name}': {reason}")
    return images


def _opener_of(path: Path) -> Callable[[Path], Images] | None:
    if path.is_dir():
        return None
    opener = openers().get(path.suffix.lower())
    for form in forms():
        opener = opener or form.find_list(path)
    return opener


def is_archive(path: Path) -> bool:
    """Check whether a path is of a form that holds images and their ids in one."""
    ending = path.suffix.lower()  # alone: a folder may hold thousands of files
    return ending != ".csv" and ending in openers() and not path.is_dir()


def wrap(images: Images, settings: object) -> Images:
    """Wrap images by the forms that do so, with their settings in those of a command."""
    for form in forms():
        if form.wrap and form.options:
            chosen = form.options()
            if isinstance(settings, form.options):
                chosen = select(settings, form.options)
            images = form.wrap(images, chosen)
    return images


def open_by_galaxy_id(*paths: Path) -> Images:
    """Open one or more paths as `open_whole`; images are named by their GalaxyIDs."""
    place = paths[0] if len(paths) == 1 else paths[0].parent
    return Images.concat(place, [open_whole(path) for path in paths]).identified()


def open_all(paths: list[Path], settings: object = None) -> list[Images]:
    """Open a user's paths: folders and zips, then single pictures together, then others."""
    inputs = []
    pictures = []
    others = []
    for path in paths:
        if path.is_dir() or path.suffix.lower() == ".zip":
            inputs.append(open_images(path, settings))
        elif not path.is_file():
            raise InputError(f"{shown(path)} is missing")
        elif _opener_of(path):
            others.append(open_images(path, settings))
        elif is_picture(path.name):
            place = path.parent.resolve() / path.name
            pictures.append(_Picture(str(place), base.stamp_of(path.stat())))
        else:
            endings = ", ".join([*read_suffixes(), *openers()])
            raise InputError(
                f"{shown(path)}: IMAGES must be folders, .zip files, images or lists ({endings})"
            )
    if pictures:
        images = _make_images(partial(read_in, Path()), Path.cwd(), pictures)
        table = images.table.assign(name=file_names(images.names))
        inputs.append(wrap(replace(images, table=table), settings))
    return inputs + others
