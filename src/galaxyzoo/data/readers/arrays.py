"""Images by number out of one big array in a file, as astroNN's HDF5 files and `.npz` files hold.

The array is read in blocks of rows, each once for many images: a compressed file keeps pixels of
hundreds of images in one piece, so that reading image by image would unpack all of it every time.

Labelled images in one `.npz` file: `images` (image, H, W, 3) uint8 and `labels` (image,).

Labels are class names, or whole numbers that count the names in a third array, `classes`. Such
files name no galaxies: images are numbered from 0. Nothing in them can run code: arrays of Python
objects are refused.
"""

import math
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
import pandas as pd

from galaxyzoo.core.errors import InputError, UnavailableError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.readers.labelled import CUT_OUT, one_hot, one_task
from galaxyzoo.data.readers.raw_dataset import RawDataset
from galaxyzoo.io.archives import ImageStore, is_passing, open_zip

_BLOCKS = 2  # kept at a time: threads stand on both sides of a border


@dataclass
class ArrayStore(ImageStore):
    """Images of an (image, H, W, 3) uint8 RGB array, numbered from 0; PNG where others are JPEG."""

    # opens the array, anything that a slice of rows can be taken of; called once, when needed
    open_array: Callable[[], Any] = field(kw_only=True, repr=False)
    block_rows: int = field(default=256, kw_only=True)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _problem: str = field(default="", repr=False)
    _array: Any = field(default=None, repr=False)
    _blocks: dict[int, np.ndarray] = field(default_factory=dict, repr=False)

    def __reduce__(self) -> tuple[Callable[..., "ArrayStore"], tuple]:
        """For another process, which opens the array itself."""
        again = partial(ArrayStore, open_array=self.open_array, block_rows=self.block_rows)
        return again, (self.path, self.names, self.stamps)

    @staticmethod
    def of_rows(
        path: Path, count: int, stamp: int, open_array: Callable[[], Any], block_rows: int = 256
    ) -> "ArrayStore":
        """A store of the first `count` rows.

        Args:
            path: the file, for messages and the cache's name.
            count: number of images.
            stamp: identifies the array's content without reading it.
            open_array: gives the array.
            block_rows: rows read at a time; best what the file keeps in one piece.
        """
        names = {row: f"image {row}" for row in range(count)}
        stamps = dict.fromkeys(names, stamp)
        return ArrayStore(path, names, stamps, open_array=open_array, block_rows=block_rows)

    def read(self, galaxy_id: int) -> bytes:
        """One image as PNG, which loses nothing.

        Raises:
            InputError: the file is damaged.
            UnavailableError: the system cannot read any file now.
        """
        block, row = divmod(galaxy_id, self.block_rows)
        image = self._block(block)[row]
        # Light compression: the bytes live only until they are decoded.
        return cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()

    def _block(self, number: int) -> np.ndarray:
        """(image, H, W, 3) rows of a block; one thread reads it, the others wait for it."""
        with self._lock:
            if number not in self._blocks:
                while len(self._blocks) >= _BLOCKS:
                    del self._blocks[next(iter(self._blocks))]
                self._blocks[number] = self._read_block(number)
            return self._blocks[number]

    def _read_block(self, number: int) -> np.ndarray:
        if self._problem:  # not tried again for every image
            raise InputError(self._problem)
        start = number * self.block_rows
        try:
            if self._array is None:
                self._array = self.open_array()
            return np.asarray(self._array[start : start + self.block_rows])
        except InputError as error:
            self._problem = str(error)
        except (OSError, ValueError) as error:
            if is_passing(error):
                raise UnavailableError(f"{shown(self.path)} cannot be read ({error})") from None
            self._problem = f"{shown(self.path)} is damaged ({str(error).splitlines()[0]})"
        raise InputError(self._problem)


IMAGES, LABELS, CLASSES = "images", "labels", "classes"


def holds_data(path: Path) -> bool:
    """Whether the path is a file of this form."""
    return path.suffix.lower() == ".npz" and path.is_file()


def find_tasks(path: Path) -> set[str]:
    """Name of the task that the file's classes belong to.

    Raises:
        InputError: the file is damaged or lacks an array, or its classes are no task's.
    """
    return {one_task(set(_read_names(path)), shown(path)).name}


def read_source(path: Path) -> RawDataset:
    """Read the classes and check the images' shape; they are read when they are decoded.

    Raises:
        InputError: the file is damaged, an array is missing or of another shape or type, or a class
            is unknown.
    """
    names = _read_names(path)
    shape = _check_images(path)
    if len(names) != shape[0]:
        raise InputError(f"{shown(path)} holds {shape[0]} images and {len(names)} labels")
    targets = one_hot(pd.Series(names), one_task(set(names), shown(path)))
    with open_zip(path) as archive:
        checksum = archive.getinfo(f"{IMAGES}.npy").CRC
    store = ArrayStore.of_rows(path, len(names), checksum, partial(_load, path, IMAGES))
    nobody = np.empty(0, np.int64)
    return RawDataset(path.stem, path, targets, nobody, store, store, CUT_OUT, own_ids=True)


def _read_names(path: Path) -> list[str]:
    """Class name of each image."""
    labels = _load(path, LABELS)
    if labels.ndim != 1 or not len(labels):
        raise InputError(f"{shown(path)}: '{LABELS}' has shape {labels.shape}, expected (image,)")
    if labels.dtype.kind in "US":
        return _texts(labels)
    if labels.dtype.kind not in "iu":
        raise InputError(
            f"{shown(path)}: '{LABELS}' is {labels.dtype}, expected class names or whole numbers"
        )
    classes = _texts(_load(path, CLASSES))
    wrong = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if len(wrong):
        raise InputError(
            f"{shown(path)}: '{LABELS}' of image {wrong[0]} is {labels[wrong[0]]}, and "
            f"'{CLASSES}' has {len(classes)} names, counted from 0"
        )
    return [classes[number] for number in labels]


def _texts(names: np.ndarray) -> list[str]:
    """Names as text, of an array of text or bytes."""
    return [
        name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
        for name in names.tolist()
    ]


def _check_images(path: Path) -> tuple[int, ...]:
    """Shape of the images, from the array's head alone."""
    with _reading(path, IMAGES) as member:
        shape, dtype = _read_head(member)
    if dtype != np.uint8 or len(shape) != 4 or shape[3] != 3 or 0 in shape:
        raise InputError(
            f"{shown(path)}: '{IMAGES}' is {dtype} of shape {shape}, expected uint8 of shape "
            "(image, height, width, 3)"
        )
    return shape


def _read_head(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of an array, which its first bytes tell."""
    version, _ = np.lib.format.read_magic(member)
    heads = {1: np.lib.format.read_array_header_1_0}
    shape, _, dtype = heads.get(version, np.lib.format.read_array_header_2_0)(member)
    return shape, dtype


def _check_size(member: IO[bytes], size: int) -> None:
    """Check, before numpy asks for the memory, that an array is as large as its head says."""
    shape, dtype = _read_head(member)
    needed = member.tell() + math.prod(shape) * dtype.itemsize
    if needed != size and not dtype.hasobject:
        raise ValueError(f"its shape {shape} needs {needed:,} bytes, it has {size:,}")
    member.seek(0)


def _load(path: Path, name: str) -> np.ndarray:
    with _reading(path, name) as member:
        return np.lib.format.read_array(member, allow_pickle=False)


@contextmanager
def _reading(path: Path, name: str) -> Iterator[IO[bytes]]:
    """Open an array's member of the zip that such a file is; says in one line what is wrong."""
    try:
        with open_zip(path) as archive, archive.open(f"{name}.npy") as member:
            _check_size(member, archive.getinfo(f"{name}.npy").file_size)
            yield member
    except KeyError:
        why = " (labels that are numbers need their names)" if name == CLASSES else ""
        raise InputError(f"{shown(path)} has no array '{name}'{why}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        if "Object arrays" in str(error):
            raise InputError(
                f"{shown(path)}: '{name}' holds Python objects: save it as numbers or as text "
                "(np.array(…, dtype=str))"
            ) from None
        reason = str(error).splitlines()[0]
        raise InputError(f"{shown(path)}: '{name}' cannot be read ({reason})") from None
