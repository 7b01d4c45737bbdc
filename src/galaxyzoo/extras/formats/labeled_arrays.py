"""Labeled images in one file of arrays: `.npz` files, and astroNN's Galaxy10 in HDF5.

Images are numbered from 0; tables have the ids of the file, where it has some.

A `.npz` file has `images` (image, H, W, 3) uint8 and `labels` (image,): class names, or whole
numbers that count the names in a third array, `classes`.

`Galaxy10.h5` (SDSS, 69 px) and `Galaxy10_DECals.h5` (DECaLS, 256 px) have `images` (galaxy, side,
side, 3) uint8 and `ans` (galaxy,) class numbers 0 to 9; the side tells them apart.

Source: https://astronn.readthedocs.io/en/latest/galaxy10.html
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.config.schema import ORIGINAL_PX, ImageConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.data.readers.dataset_files import DatasetCandidate, DatasetFiles
from galaxyzoo.data.readers.labeled import CUT_OUT, one_hot, one_task, text_ids
from galaxyzoo.data.stores import opening
from galaxyzoo.data.stores.columns import as_texts
from galaxyzoo.extras.formats import arrays
from galaxyzoo.tasks import kinds, registry

_LABELS = "labels"
_ANSWERS = "ans"  # Galaxy10's labels
# shape of Galaxy10's images -> task, and side at which galaxies are compared: the whole image
_KINDS = {(69, 69, 3): ("galaxy10", 69), (256, 256, 3): ("galaxy10_decals", 128)}
_GALAXY10 = "astroNN's Galaxy10"


def find_npz(path: Path) -> DatasetCandidate | None:
    """The dataset of a `.npz` file; None of any other file.

    Raises:
        InputError: its labels are missing, or neither names nor numbers of `classes`.
    """
    if path.suffix.lower() != ".npz" or not path.is_file():
        return None
    labels = arrays.load_array(path, _LABELS)
    _check_labels(labels, _LABELS, path, "iuUS")
    if labels.dtype.kind in "US":
        class_names = as_texts(labels)
    else:
        classes = as_texts(arrays.load_array(path, arrays.CLASSES))
        class_names = _name_classes(labels, classes, _LABELS, path)
    task = one_task(set(class_names), shown(path))
    return _candidate(path, path.stem, task, class_names, CUT_OUT)


def find_galaxy10(path: Path) -> DatasetCandidate | None:
    """The dataset of one of astroNN's HDF5 files; None of a file that is not HDF5 by its name.

    Raises:
        InputError: its images or labels are not Galaxy10's.
    """
    if path.suffix.lower() not in (".h5", ".hdf5") or not path.is_file():
        return None
    with arrays.open_hdf5_file(path) as file:
        images = arrays.pick_array(file, arrays.PIXELS, path, _GALAXY10)
        kind = _KINDS.get(images.shape[1:])
        if kind is None or images.dtype != np.uint8:
            raise InputError(
                f"{shown(path)}: '{arrays.PIXELS}' is {images.dtype} of shape {images.shape}; "
                "expected uint8 color images of 69 × 69 or 256 × 256 px, as in astroNN's files"
            )
        answers = arrays.pick_array(file, _ANSWERS, path, _GALAXY10)[...]
    task_name, cache_px = kind
    task = registry.CLASS_TASKS[task_name]
    _check_labels(answers, _ANSWERS, path, "iu")
    class_names = _name_classes(answers, task.columns, _ANSWERS, path)
    image = ImageConfig(crop_px=ORIGINAL_PX, cache_px=cache_px)
    return _candidate(path, task.name, task, class_names, image)


def _check_labels(labels: np.ndarray, array: str, path: Path, dtypes: str) -> None:
    if labels.ndim != 1 or labels.dtype.kind not in dtypes:
        raise InputError(
            f"{shown(path)}: '{array}' is {labels.dtype} of shape {labels.shape}; expected an "
            "integer per image or, in .npz, a class name"
        )


def _name_classes(numbers: np.ndarray, classes: Sequence[str], array: str, path: Path) -> list[str]:
    """Names of classes by their numbers, which are in that array of the file."""
    wrong = np.flatnonzero((numbers < 0) | (numbers >= len(classes)))
    if len(wrong):
        raise InputError(
            f"{shown(path)}: '{array}' of image {wrong[0]} is {numbers[wrong[0]]}, not 0 to "
            f"{len(classes) - 1} (such images: {len(wrong)})"
        )
    return [classes[number] for number in numbers]


def _candidate(
    path: Path, dataset: str, task: kinds.ClassTask, labels: list[str], image: ImageConfig
) -> DatasetCandidate:
    """The dataset of a file, by the class of each image; images are read when they are decoded."""

    def read() -> DatasetFiles:
        images = opening.open_whole(path)
        if len(labels) != len(images):
            raise InputError(f"{shown(path)} has {len(images)} images, but {len(labels)} labels")
        classes = pd.Series(labels)
        names = images.names.tolist()
        if names != arrays.number_rows(len(labels)).tolist():  # ids in the file
            ids = text_ids(names, path)
            classes = classes.set_axis(ids).sort_index()
            images = images.relabel(ids)
        targets = one_hot(classes, task)
        return DatasetFiles(
            dataset, path, targets, images, images, image=image, galaxy_ids=False, task=task
        )

    return DatasetCandidate(path, frozenset({task.name}), read)
