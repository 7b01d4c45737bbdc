"""Base class of all image stores, and rules for names of image files and for ids in tables."""

import errno
import os
import posixpath
import re
import zlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pandas as pd

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.io.tables import ID_LIMIT, MAX_SAFE_INTEGER

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
FITS_SUFFIXES = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz")
# Pictures that are not read: each decoder would need its own check for files that are cut off.
UNREAD_SUFFIXES = (".webp", ".tif", ".tiff", ".bmp", ".gif", ".heic", ".heif", ".avif", ".jfif",
                   ".jpe", ".jif", ".jp2", ".j2k", ".jxl", ".ppm", ".pgm", ".pnm", ".tga", ".exr",
                   ".psd", ".npy", ".npz")  # fmt: skip
READ_SUFFIXES = (*IMAGE_SUFFIXES, *FITS_SUFFIXES)
MAX_IMAGE_BYTES = 50_000_000  # a galaxy's JPEG has about 15,000
# Folders with copies: hidden ones, Synology's and macOS's
HIDDEN = re.compile(r"(^|/)(\.(?!\.?/)[^/]*|@eaDir|__MACOSX)/")
# Names of columns and arrays of ids
IDS = ("GalaxyID", "id", "ids", "id_str", "objid", "filename", "filenames")
POSITION = "ra", "dec"  # columns, degrees
_WHOLE = re.compile(r"(-?[0-9]+)(\.0*)?")
_ROUNDED = re.compile(r"-?[0-9](\.[0-9]+)?[eE]\+[0-9]+")  # as large floats are written
# Errors of the system or a network drive that would meet any other file too
_PASSING = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT)
_Value = TypeVar("_Value")


class IndexMapping(Mapping[int, _Value]):
    """Sequence as a mapping from 0, 1, …, in a tenth of a dict's memory."""

    def __init__(self, values: Sequence[_Value]) -> None:
        self._values = values

    def __getitem__(self, number: int) -> _Value:
        return self._values[number]

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self._values)))

    def __len__(self) -> int:
        return len(self._values)


@dataclass
class ImageStore:
    """Images of a folder, file or archive; safe to read from several threads.

    A form of input is a subclass with its own `load`. `open_store` numbers images from 0 in the
    order of their file; `open_by_galaxy_id` gives them their GalaxyIDs.
    """

    path: Path
    names: Mapping[int, str]  # id -> name of its file or member, or what a list calls it
    stamps: Mapping[int, int] = field(repr=False)  # id -> number that changes with its content
    # name and reason of each picture that is in it and of no form which is read
    left_out: list[tuple[str, str]] = field(default_factory=list, kw_only=True, repr=False)

    def __reduce__(self) -> tuple[Callable[..., "ImageStore"], tuple]:
        """Pickle without open files, locks and images, which are fields with _."""
        arguments = {f.name: getattr(self, f.name) for f in fields(self) if f.name[0] != "_"}
        return partial(type(self), **arguments), ()

    @property
    def ids(self) -> np.ndarray:
        """(image,) ids, ascending."""
        return np.sort(np.fromiter(self.names, np.int64, len(self.names)))

    @property
    def notes(self) -> list[str]:
        """Notes on how its images differ from the training pictures."""
        return []

    def digest_of(self, image_id: int) -> tuple[int, str, int]:
        """Identity of an image without reading it: id, name, stamp."""
        return image_id, self.names[image_id], self.stamps[image_id]

    def reading_order(self, ids: np.ndarray) -> np.ndarray:
        """(image,) positions in `ids` of the image to read first, second, …: that of the file."""
        return np.argsort(ids)

    def load(self, image_id: int) -> bytes | np.ndarray:
        """Load an image as it is stored: encoded bytes, or (H, W, 3) uint8 RGB pixels."""
        raise NotImplementedError

    def read(self, image_id: int) -> bytes:
        """Read an image encoded; pixels become PNG, which loses nothing."""
        data = self.load(image_id)
        if isinstance(data, bytes):
            return data
        return cv2.imencode(".png", data[..., ::-1])[1].tobytes()


@dataclass
class RelabeledStore(ImageStore):
    """Images of other stores under ids of their own."""

    members: Mapping[int, tuple[ImageStore, int]] = field(kw_only=True, repr=False)

    @staticmethod
    def of(path: Path, members: Mapping[int, tuple[ImageStore, int]]) -> "RelabeledStore":
        """Build a store from members: each id's store and its id there."""
        names = {key: store.names[number] for key, (store, number) in members.items()}
        stamps = {key: store.stamps[number] for key, (store, number) in members.items()}
        return RelabeledStore(path, names, stamps, members=members)

    def reading_order(self, ids: np.ndarray) -> np.ndarray:
        """Order image files one after another: some files are read many images at a time."""
        members = [self.members[int(i)] for i in ids]
        files = {id(store): k for k, (store, _) in enumerate(members)}
        return np.lexsort(([n for _, n in members], [files[id(store)] for store, _ in members]))

    def load(self, image_id: int) -> bytes | np.ndarray:
        """Load an image as its store has it."""
        store, number = self.members[image_id]
        return store.load(number)


def stem_of(name: str) -> str:
    """Name of a picture's file without folder and ending; any other name is an id, and stays."""
    lower = name.lower()
    end = next((end for end in (*READ_SUFFIXES, *UNREAD_SUFFIXES) if lower.endswith(end)), "")
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


def is_transient(error: BaseException) -> bool:
    """Check whether an error is the system's, whichever file is read, and may pass."""
    return isinstance(error, OSError) and error.errno in _PASSING


def stamp_of(status: os.stat_result) -> int:
    """Stamp that changes with a file or its rights, without reading the file.

    A copy of the file may have another stamp, which only means decoding it again.
    """
    rights = f"{status.st_mode} {status.st_uid} {status.st_gid}"
    return zlib.crc32(f"{status.st_size} {status.st_mtime_ns} {rights}".encode())


def why_not_read(name: str) -> str:
    """Explain why an image's form is not read."""
    end = Path(name).suffix.lower()
    return f"{end} is not read: convert it to JPEG or PNG" if end else "its link leads nowhere"


def is_read(name: str) -> bool:
    """Check whether a picture is of a form which is read."""
    return name.lower().endswith(READ_SUFFIXES)


def is_picture(name: str) -> bool:
    """Check whether a name is a picture's, not a macOS `._` copy or in a hidden folder."""
    is_copy = posixpath.basename(name).startswith("._") or HIDDEN.search(name)
    return name.lower().endswith((*READ_SUFFIXES, *UNREAD_SUFFIXES)) and not is_copy


def number_names(
    path: Path, names: Sequence[str], stamps: Sequence[int] = ()
) -> tuple[Mapping[int, str], Mapping[int, int]]:
    """Names and stamps by number, by default the file's; a file without an image is refused."""
    if not names:
        raise InputError(f"{shown(path)} holds no image")
    stamps = array("Q", stamps or [stamp_of(path.stat())] * len(names))
    return IndexMapping(names), IndexMapping(stamps)


def find_ids(columns: Sequence[str], path: Path, names: Sequence[str] = IDS) -> str:
    """Find the column or array of ids."""
    present = [name for name in names if name in columns]
    if not present:
        raise InputError(f"{shown(path)} has no ids: name them {', '.join(names)}")
    return present[0]


def read_ids(ids: np.ndarray, path: Path) -> list[str]:
    """Ids as text; a missing one is refused, and a number that was rounded.

    Numbers with a point count as whole ones, `5.0` as `5`, where all ids are whole.
    """
    texts = [text.strip() for text in as_texts(ids)]
    missing = pd.isna(ids)
    for row, text in enumerate(texts):
        if missing[row] or not text:
            raise InputError(f"{shown(path)}: row {row} has no id")
    is_float = ids.dtype.kind == "f"
    safe = 2 ** (np.finfo(ids.dtype).nmant + 1) - 1 if is_float else MAX_SAFE_INTEGER
    wholes = [_WHOLE.fullmatch(text) for text in texts]
    for row, (text, whole) in enumerate(zip(texts, wholes, strict=True)):
        if _ROUNDED.fullmatch(text) or (whole and whole[2] and abs(int(whole[1])) > safe):
            raise InputError(
                f"{shown(path)}: the id of row {row}, {text}, was a decimal number and may have "
                "lost digits: write ids as whole numbers or text"
            )
    return [whole[1] for whole in wholes if whole] if all(wholes) else texts


def as_texts(values: np.ndarray) -> list[str]:
    """Values as text, of an array of anything."""
    return [
        value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        for value in values.tolist()
    ]
