"""Galaxy10: astroNN's `Galaxy10.h5` (SDSS, 69 px) and `Galaxy10_DECals.h5` (DECaLS, 256 px).

Both hold `images` (galaxy, side, side, 3) uint8 and `ans` (galaxy,) class numbers 0 to 9, and are
told apart by the side of their images. They name no galaxies: rows are numbered from 0.

Source: https://astronn.readthedocs.io/en/latest/galaxy10.html
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from galaxyzoo.config.schema import ORIGINAL_PX, ImageConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.readers.arrays import ArrayStore
from galaxyzoo.data.readers.labelled import one_hot
from galaxyzoo.data.readers.source import Source
from galaxyzoo.io.archives import LARGEST_RATIO, MODEST_BYTES, stamp_of
from galaxyzoo.tasks.registry import CLASS_TASKS, ClassTask

if TYPE_CHECKING:
    import h5py

IMAGES, CLASSES = "images", "ans"
# side of the images in px -> task, and side at which galaxies are compared: the whole image each
_KINDS = {69: ("galaxy10", 69), 256: ("galaxy10_decals", 128)}
_LARGEST_BLOCK = 1024  # images of 256 px read at a time: 200 MB


def holds_data(path: Path) -> bool:
    """Whether the path is a file of this form."""
    return path.suffix.lower() in (".h5", ".hdf5") and path.is_file()


def find_tasks(path: Path) -> set[str]:
    """Name of the task that the file's images belong to.

    Raises:
        InputError: the file is damaged or not astroNN's.
    """
    with _opened(path) as file:
        return {_KINDS[_check_images(file, path).shape[1]][0]}


def read_source(path: Path) -> Source:
    """Read the classes and check the arrays; images are read when they are decoded.

    Raises:
        InputError: the file is damaged, an array is missing or of another shape or type, or a class
            is not 0 to 9.
    """
    with _opened(path) as file:
        images = _check_images(file, path)
        task, cache_px = _KINDS[images.shape[1]]
        targets = _read_classes(file, path, len(images), CLASS_TASKS[task])
        store = ArrayStore.of_rows(
            path,
            len(images),
            stamp_of(path.stat()),
            partial(_open_images, path),
            min(images.chunks[0] if images.chunks else 256, _LARGEST_BLOCK),
        )
    image = ImageConfig(crop_px=ORIGINAL_PX, cache_px=cache_px)
    nobody = np.empty(0, np.int64)
    return Source(task, path, targets, nobody, store, store, image, own_ids=True)


def _read_classes(file: "h5py.File", path: Path, count: int, task: ClassTask) -> pd.DataFrame:
    """(galaxy, class) one-hot, indexed by row number."""
    answers = _array(file, CLASSES, path)
    if answers.shape != (count,) or answers.dtype.kind not in "iu":
        raise InputError(
            f"{shown(path)}: '{CLASSES}' is {answers.dtype} of shape {answers.shape}, expected "
            f"whole numbers, one for each of {count} images"
        )
    numbers = answers[:].astype(np.int64)
    wrong = np.flatnonzero((numbers < 0) | (numbers >= len(task.columns)))
    if len(wrong):
        raise InputError(
            f"{shown(path)}: '{CLASSES}' of image {wrong[0]} is {numbers[wrong[0]]}, outside 0 to "
            f"{len(task.columns) - 1} ({len(wrong)} such images)"
        )
    return one_hot(pd.Series(np.array(task.columns)[numbers]), task)


def _check_images(file: "h5py.File", path: Path) -> Any:
    images = _array(file, IMAGES, path)
    shape = images.shape
    if images.dtype != np.uint8 or len(shape) != 4 or shape[1:] not in [(s, s, 3) for s in _KINDS]:
        sides = " or ".join(f"{side} × {side}" for side in _KINDS)
        raise InputError(
            f"{shown(path)}: '{IMAGES}' is {images.dtype} of shape {shape}, expected uint8 colour "
            f"images of {sides} px, as astroNN's files hold"
        )
    if not len(images):
        raise InputError(f"{shown(path)} holds no galaxy")
    return images


def _array(file: "h5py.File", name: str, path: Path) -> Any:
    h5py = _h5py()
    # Asked for before it is followed: a link may lead to another file, or to a device.
    is_inside = isinstance(file.get(name, getlink=True), h5py.HardLink)
    found = file[name] if is_inside else None
    if not isinstance(found, h5py.Dataset):
        listed = ", ".join(map(repr, list(file)[:4])) or "nothing"
        raise InputError(
            f"{shown(path)} has no array '{name}' (found {listed}): it is not astroNN's Galaxy10"
        )
    if found.external or found.is_virtual:
        raise InputError(f"{shown(path)}: '{name}' lies in other files: it is not astroNN's")
    if found.nbytes > max(MODEST_BYTES, LARGEST_RATIO * path.stat().st_size):
        raise InputError(
            f"{shown(path)}: '{name}' has shape {found.shape}, too much for a file of "
            f"{path.stat().st_size:,} bytes: get it again"
        )
    return found


@contextmanager
def _opened(path: Path) -> Iterator["h5py.File"]:
    try:
        with _h5py().File(path) as file:
            yield file
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{shown(path)} is not a whole HDF5 file ({path.stat().st_size:,} bytes; {reason}): "
            "get it again"
        ) from None


def _open_images(path: Path) -> Any:
    """The file's images, from which rows can be taken."""
    return _h5py().File(path)[IMAGES]


def _h5py() -> Any:
    """The library, loaded only where there is such a file."""
    import h5py

    return h5py
