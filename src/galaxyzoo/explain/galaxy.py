"""One galaxy for the commands that explain a prediction: image, known votes, a run's prediction."""

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from galaxyzoo.config.schema import Config, ImageConfig
from galaxyzoo.core import paths
from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.core.paths import shown
from galaxyzoo.data.geometry import warp, warp_matrix
from galaxyzoo.data.image_cache import ImageCache, decode
from galaxyzoo.data.prepare import Dataset, open_dataset
from galaxyzoo.inference.predict import predict
from galaxyzoo.models.build import GalaxyNet
from galaxyzoo.tasks.registry import get_task


@dataclass(frozen=True)
class Galaxy:
    """One galaxy."""

    name: str
    image: np.ndarray  # (cache_px, cache_px, 3) uint8
    truth: np.ndarray | None = None  # (column,) votes or class of a training galaxy
    fold: int | None = None  # of a training galaxy that the task keeps

    def as_input(self, image: ImageConfig) -> np.ndarray:
        """(1, size_px, size_px, 3) uint8: the network's input, upright."""
        return warp(self.image[None], warp_matrix(image), image.size_px)


def find_galaxy(galaxy_id: int, config: Config, data: Dataset) -> Galaxy:
    """A training or test galaxy of a dataset."""
    name = f"GalaxyID {galaxy_id}"
    for store in (data.raw.train_images, data.raw.test_images):
        if galaxy_id in store.names:
            image = decode_galaxy(store.read(galaxy_id), config.image, store.names[galaxy_id])
            break
    else:
        raise InputError(f"{name} is not in dataset '{data.catalog.dataset}'")
    task = get_task(config.task)
    catalog = data.catalog.for_task(task)
    row = int(np.searchsorted(catalog.ids, galaxy_id))
    if row == len(catalog.ids) or catalog.ids[row] != galaxy_id:
        return Galaxy(name, image)
    return Galaxy(name, image, catalog.targets(task.name)[row], int(catalog.folds[row]))


def read_galaxy(path: Path, image: ImageConfig) -> Galaxy:
    """A galaxy from an image file."""
    try:
        encoded = path.read_bytes()
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be read: {error.strerror}") from None
    return Galaxy(one_line(path.name), decode_galaxy(encoded, image, shown(path)))


def predict_galaxy(galaxy: Galaxy, config: Config, models: Mapping[int, GalaxyNet]) -> np.ndarray:
    """A run's prediction for a galaxy, with the run's test-time augmentation.

    Args:
        galaxy: a training galaxy is predicted by the network of its own fold, where that is
            trained; any other by the mean of all networks.
        config: of the run.
        models: its networks by fold.
    Returns:
        (column,), valid as in a submission.
    """
    out_of_fold = None if galaxy.fold is None else models.get(galaxy.fold)
    own = [out_of_fold] if out_of_fold else [*models.values()]
    cache = ImageCache(np.zeros(1, np.int64), galaxy.image[None], np.zeros(1, bool))
    rows = np.zeros(1, np.int64)
    predictions = [predict(model, cache, rows, config)[0] for model in own]
    return get_task(config.task).project(np.mean(predictions, axis=0)[None])[0]


def decode_galaxy(encoded: bytes, image: ImageConfig, name: str) -> np.ndarray:
    """(cache_px, cache_px, 3) uint8 of an encoded image; `name` is for the error message."""
    try:
        return decode(encoded, image.crop_px, image.cache_px)
    except (ValueError, cv2.error) as error:
        raise InputError(f"{name}: {str(error).splitlines()[0]}") from None


def load_galaxy(args: argparse.Namespace, config: Config, dataset: str) -> Galaxy:
    """The galaxy that the arguments name."""
    if args.image is not None:
        return read_galaxy(args.image, config.image)
    return find_galaxy(args.galaxy_id, config, open_dataset(args.data, dataset, config.task))


def picture_path(args: argparse.Namespace, dataset: str, run: str, what: str) -> Path:
    """`--output`, by default a file in reports/<dataset>/<run>/."""
    if args.output is not None:
        return args.output.resolve()
    name = str(args.galaxy_id or re.sub(r"[^\w.-]+", "_", args.image.stem))
    what = re.sub(r"[^A-Za-z0-9.+_-]+", "_", what)
    return paths.reports_dir() / dataset / run / f"{name}_{what}.png"
