"""Labeled images in one file of arrays: `.npz` files, and astroNN's Galaxy10 in HDF5.

Such files name no galaxies: images are numbered from 0.

A `.npz` file has `images` (image, H, W, 3) uint8 and `labels` (image,): class names, or whole
numbers that count the names in a third array, `classes`. Arrays of Python objects, which can run
code, are refused.

`Galaxy10.h5` (SDSS, 69 px) and `Galaxy10_DECals.h5` (DECaLS, 256 px) have `images` (galaxy, side,
side, 3) uint8 and `ans` (galaxy,) class numbers 0 to 9; the side tells them apart.

Source: https://astronn.readthedocs.io/en/latest/galaxy10.html
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from galaxyzoo.config.schema import ORIGINAL_PX, ImageConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.readers.labeled import CUT_OUT, one_hot, one_task
from galaxyzoo.data.readers.raw_dataset import FoundDataset, RawDataset
from galaxyzoo.data.stores.arrays import CLASSES, IMAGES, load_array, open_hdf5_file, pick_array
from galaxyzoo.data.stores.base import as_texts
from galaxyzoo.data.stores.opening import open_store
from galaxyzoo.tasks import kinds, registry

if TYPE_CHECKING:
    import h5py

LABELS = "labels"
ANSWERS = "ans"  # Galaxy10's labels
# side of Galaxy10's images in px -> task, and side at which galaxies are compared: the whole image
_KINDS = {69: ("galaxy10", 69), 256: ("galaxy10_decals", 128)}
_GALAXY10 = "astroNN's Galaxy10"


def find_npz(path: Path) -> FoundDataset | None:
    """The dataset of a `.npz` file; None of any other file."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        return None
    names = _read_names(path)
    task = one_task(set(names), shown(path))
    return FoundDataset(path, frozenset({task.name}), partial(_read_npz, path, names, task))


def find_galaxy10(path: Path) -> FoundDataset | None:
    """The dataset of one of astroNN's HDF5 files; None of a file that is not HDF5 by its name."""
    if path.suffix.lower() not in (".h5", ".hdf5") or not path.is_file():
        return None
    with open_hdf5_file(path) as file:
        task, cache_px = _KINDS[_pick_images(file, path).shape[1]]
    return FoundDataset(
        path, frozenset({task}), partial(_read_galaxy10, path, registry.CLASS_TASKS[task], cache_px)
    )


def _read_npz(path: Path, names: list[str], task: kinds.ClassTask) -> RawDataset:
    store = open_store(path)
    if len(names) != len(store.names):
        raise InputError(f"{shown(path)} holds {len(store.names)} images and {len(names)} labels")
    targets = one_hot(pd.Series(names), task)
    return RawDataset(path.stem, path, targets, store, store, image=CUT_OUT, own_ids=True)


def _read_names(path: Path) -> list[str]:
    """Class name of each image."""
    labels = load_array(path, LABELS)
    if labels.ndim != 1 or not len(labels):
        raise InputError(f"{shown(path)}: '{LABELS}' has shape {labels.shape}, expected (image,)")
    if labels.dtype.kind in "US":
        return as_texts(labels)
    if labels.dtype.kind not in "iu":
        raise InputError(
            f"{shown(path)}: '{LABELS}' is {labels.dtype}, expected class names or whole numbers"
        )
    return _name_classes(labels, as_texts(load_array(path, CLASSES)), LABELS, path)


def _name_classes(numbers: np.ndarray, classes: Sequence[str], array: str, path: Path) -> list[str]:
    """Names of classes by their numbers, which are in that array of the file."""
    wrong = np.flatnonzero((numbers < 0) | (numbers >= len(classes)))
    if len(wrong):
        raise InputError(
            f"{shown(path)}: '{array}' of image {wrong[0]} is {numbers[wrong[0]]}, outside 0 to "
            f"{len(classes) - 1} ({len(wrong)} such images)"
        )
    return [classes[number] for number in numbers]


def _read_galaxy10(path: Path, task: kinds.ClassTask, cache_px: int) -> RawDataset:
    """Read the classes; images are read when they are decoded."""
    store = open_store(path)
    count = len(store.names)
    with open_hdf5_file(path) as file:
        answers = pick_array(file, ANSWERS, path, _GALAXY10)
        if answers.shape != (count,) or answers.dtype.kind not in "iu":
            raise InputError(
                f"{shown(path)}: '{ANSWERS}' is {answers.dtype} of shape {answers.shape}, expected "
                f"whole numbers, one for each of {count} images"
            )
        names = _name_classes(answers[:], task.columns, ANSWERS, path)
    targets = one_hot(pd.Series(names), task)
    image = ImageConfig(crop_px=ORIGINAL_PX, cache_px=cache_px)
    return RawDataset(task.name, path, targets, store, store, image=image, own_ids=True)


def _pick_images(file: "h5py.File", path: Path) -> Any:
    images = pick_array(file, IMAGES, path, _GALAXY10)
    shape = images.shape
    if images.dtype != np.uint8 or len(shape) != 4 or shape[1:] not in [(s, s, 3) for s in _KINDS]:
        sides = " or ".join(f"{side} × {side}" for side in _KINDS)
        raise InputError(
            f"{shown(path)}: '{IMAGES}' is {images.dtype} of shape {shape}, expected uint8 color "
            f"images of {sides} px, as astroNN's files hold"
        )
    if not len(images):
        raise InputError(f"{shown(path)} holds no galaxy")
    return images
