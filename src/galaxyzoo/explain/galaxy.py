"""One galaxy as a run sees it: its image, what is known of it, and what the run predicts.

What commands about one galaxy share: their words, the galaxy, the picture's name.
"""

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
from galaxyzoo.data.prepare import Prepared, open_prepared
from galaxyzoo.inference.predict import predict_views
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
        """(1, size_px, size_px, 3) uint8: upright, as the network sees it."""
        return warp(self.image[None], warp_matrix(image), image.size_px)


def find_galaxy(galaxy_id: int, config: Config, data: Prepared) -> Galaxy:
    """A training or test galaxy of a dataset.

    Raises:
        InputError: there is no such galaxy, or its image cannot be used.
    """
    name = f"GalaxyID {galaxy_id}"
    for store in (data.source.train_images, data.source.test_images):
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
    """A galaxy out of an image file.

    Raises:
        InputError: it is missing, or no image that can be used.
    """
    try:
        encoded = path.read_bytes()
    except OSError as error:
        raise InputError(f"{shown(path)} cannot be read: {error.strerror}") from None
    return Galaxy(one_line(path.name), decode_galaxy(encoded, image, shown(path)))


def predict_galaxy(
    galaxy: Galaxy, config: Config, models: Mapping[int, GalaxyNet]
) -> tuple[np.ndarray, np.ndarray]:
    """What a run predicts for it, over the run's views.

    Args:
        galaxy: one.
        config: of the run.
        models: its networks by fold. Of a training galaxy the one that did not learn from it, where
            it is there; else all of them, averaged.
    Returns:
        (column,) prediction, valid as in a submission, and the standard deviation over views.
    """
    unaware = None if galaxy.fold is None else models.get(galaxy.fold)
    own = [unaware] if unaware else [*models.values()]
    cache = ImageCache(np.zeros(1, np.int64), galaxy.image[None], np.zeros(1, bool))
    rows = np.zeros(1, np.int64)
    seen = [predict_views(model, cache, rows, config) for model in own]
    mean, spread = (np.mean([pair[i][0] for pair in seen], axis=0) for i in range(2))
    return get_task(config.task).project(mean[None])[0], spread


def decode_galaxy(encoded: bytes, image: ImageConfig, name: str) -> np.ndarray:
    """(cache_px, cache_px, 3) uint8 of an encoded image.

    Raises:
        InputError: it cannot be used; `name` comes before the reason.
    """
    try:
        return decode(encoded, image.crop_px, image.cache_px)
    except (ValueError, cv2.error) as error:
        raise InputError(f"{name}: {str(error).splitlines()[0]}") from None


def add_galaxy(parser: argparse.ArgumentParser) -> None:
    """Add the words that name a run and a galaxy, and say where the picture goes."""
    parser.add_argument("run", metavar="RUN", help="a trained run, such as gz37/resnet18")
    parser.add_argument("--galaxy-id", type=int, metavar="ID", help="a galaxy of the dataset")
    parser.add_argument("--image", type=Path, metavar="FILE", help="an image of any galaxy")
    parser.add_argument(
        "--dataset", help="the dataset that the run was trained on (default: the only real one)"
    )
    parser.add_argument("--data", help="folder with its images (default: found in input/)")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="the picture (default: in reports/)"
    )


def check_galaxy(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """One galaxy is named, and no more."""
    if (args.galaxy_id is None) == (args.image is None):
        parser.error("name a galaxy: --galaxy-id ID or --image FILE")


def galaxy_of(args: argparse.Namespace, config: Config, dataset: str) -> Galaxy:
    """The galaxy that the user named.

    Raises:
        InputError: it is not there, or its image cannot be used.
    """
    if args.image is not None:
        return read_galaxy(args.image, config.image)
    return find_galaxy(args.galaxy_id, config, open_prepared(args.data, dataset, config.task))


def picture_path(args: argparse.Namespace, dataset: str, run: str, what: str) -> Path:
    """Where the picture goes: as the user says, else reports/<dataset>/<run>/."""
    if args.output is not None:
        return args.output.resolve()
    name = str(args.galaxy_id or re.sub(r"[^\w.-]+", "_", args.image.stem))
    what = re.sub(r"[^A-Za-z0-9.+_-]+", "_", what)
    return paths.reports_dir() / dataset / run / f"{name}_{what}.png"
