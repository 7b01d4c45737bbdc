"""Images of a dataset's galaxies by GalaxyID, for pictures."""

import numpy as np

from galaxyzoo import paths
from galaxyzoo.errors import InputError
from galaxyzoo.images import ImageCache
from galaxyzoo.inputs import is_anything_there, open_input
from galaxyzoo.paths import DEMO, shown
from galaxyzoo.preparation import Prepared, prepare


def open_images(data: str | None, dataset: str, task: str) -> ImageCache:
    """Decoded training images of a prepared dataset, as its galaxies were compared.

    Args:
        data: folder of the input's files that the user named; default: the dataset's own in
            `input/`, else what `input/` holds for the task.
        dataset: name of the dataset.
        task: name of the task.
    Raises:
        InputError: the files are not there, are broken, or are another dataset's.
    """
    prepared = open_prepared(data, dataset, task)
    return prepared.train_images(prepared.source.image)


def open_prepared(data: str | None, dataset: str, task: str) -> Prepared:
    """A prepared dataset with its images' files; arguments and errors as of `open_images`."""
    data = data or _own_folder(dataset)
    found = open_input(data, {task}).dataset
    if found != dataset:  # said before another dataset would be prepared
        raise InputError(f"the images are of '{found}', not of '{dataset}': add --data")
    return prepare(data, tasks={task})


def take_images(cache: ImageCache, ids: np.ndarray) -> np.ndarray:
    """(galaxy, H, W, 3) uint8 images of some ids of the cache, whose own ids ascend."""
    return cache.images[np.searchsorted(cache.ids, ids)]


def _own_folder(dataset: str) -> str | None:
    """What to ask the input for; None for all that `input/` holds itself.

    Raises:
        InputError: it holds nothing, and the demo set would be drawn.
    """
    if dataset == DEMO or (paths.INPUT / dataset).exists():
        return dataset
    if is_anything_there():
        return None
    raise InputError(f"{shown(paths.INPUT)}/ no longer holds the files of '{dataset}'")
