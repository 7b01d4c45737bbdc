"""Galaxies of a dataset that another, or images without labels, show too: found by the images."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.config.schema import ORIGINAL_PX, ImageConfig
from galaxyzoo.core import manifest, paths
from galaxyzoo.core.artifact import SealedFiles
from galaxyzoo.core.errors import InputError, advise
from galaxyzoo.data.catalog import GROUP, dataset_dir
from galaxyzoo.data.folds import near_duplicates
from galaxyzoo.data.image_cache import open_cache
from galaxyzoo.data.image_digests import digest_images
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.data.stores.base import Images
from galaxyzoo.io.tables import GalaxyId

_REDO = "remove it and rerun the command, which writes it again"
# How unlabeled images are compared: whole, as a cut may be off by half a pixel of a small image
_COMPARED = ImageConfig(crop_px=ORIGINAL_PX, cache_px=106)


def record_duplicates(data: Dataset, other: Dataset) -> None:
    """Record which galaxies of `other` are galaxies of `data` that their ids do not tell.

    They are found once, by their images, as near-duplicates within a dataset are. A stage on
    `other` leaves them out: they may be test galaxies, or belong to the fold to validate. Where the
    datasets share ids, a galaxy of the same id needs no record.
    """
    path = _copies_file(data.dataset, other.dataset)
    made_of = [data.about.get("images"), other.about.get("images")]
    with advise(_REDO):
        is_recorded = path.exists() and not manifest.is_unsealed(path)
        if is_recorded and manifest.read_sealed(path)["made_of"] == made_of:
            return
    print(f"checking which galaxies {data.dataset} and {path.parent.name} share")
    config = other.raw.image
    train = data.train_images(config)
    test = data.test_images(config)
    theirs = other.train_images(config)
    groups = near_duplicates(chain(train.images, test.images, theirs.images))
    own_ids = np.concatenate([train.ids, test.ids])
    own_groups = pd.DataFrame({"id": own_ids, GROUP: groups[: len(own_ids)]})
    their_groups = pd.DataFrame({"id": other.ids, GROUP: groups[len(own_ids) :]})
    pairs = their_groups.merge(own_groups, on=GROUP, suffixes=("", "_own"))
    if data.shares_ids(other):
        pairs = pairs[pairs["id"] != pairs["id_own"]]
    copies = pairs["id"].unique().tolist()
    manifest.write_sealed(path, {"made_of": made_of, "copies": copies})


@advise(_REDO)
def read_duplicates(dataset: str, other: str) -> list[GalaxyId]:
    """Ids in `other` that `record_duplicates` has written for these datasets."""
    return manifest.read_sealed(_copies_file(dataset, other))["copies"]


def _copies_file(dataset: str, other: str) -> Path:
    return dataset_dir(other) / f"copies_of_{dataset}.json"


def find_new(data: Dataset, unlabeled: Images, scale: float) -> np.ndarray:
    """Find the unlabeled images that show no training or test galaxy of the dataset.

    They are compared once, by what they show.

    Args:
        data: the dataset.
        unlabeled: the images.
        scale: side of their sky, as a share of that of the dataset's images.
    Returns:
        (image,) rows of those that can be read and are new, ascending.
    Raises:
        InputError: there are none.
    """
    key = manifest.digest([str(data.about.get("images")), digest_images(unlabeled), str(scale)])
    mark = dataset_dir(data.dataset) / f"copies_{key[:12]}.json"
    stored = SealedFiles(mark, {}, f"delete {paths.shown(mark)} to compare the images again")
    cache = open_cache(unlabeled, unlabeled.ids, _COMPARED)
    with stored.make_if_needed("comparing images") as filling:
        if filling:
            print(f"looking for galaxies of {data.dataset} in {paths.shown(unlabeled.path)}")
            train = data.train_images(_COMPARED).images
            test = data.test_images(_COMPARED).images
            pictures = [_cut_centers(train, scale), _cut_centers(test, scale)]
            pictures.append(_cut_centers(cache.images, 1 / scale))
            groups = near_duplicates(chain.from_iterable(pictures))
            n_known = len(train) + len(test)
            is_copy = np.isin(groups[n_known:], groups[:n_known])
            filling.notes = {"copies": np.flatnonzero(is_copy).tolist()}
    is_new = ~cache.unreadable
    is_new[stored.notes["copies"]] = False
    if not is_new.any():
        raise InputError(
            f"teacher.images: {paths.shown(unlabeled.path)} shows no galaxies but those of "
            f"{data.dataset}: to train without it, add teacher.images=null"
        )
    return np.flatnonzero(is_new)


def _cut_centers(images: np.ndarray, share: float) -> Iterator[np.ndarray]:
    """Cut the center square of images, of this share of their side, or whole above 1."""
    side = images.shape[1]
    keep = max(1, round(side * min(share, 1.0)))
    start = (side - keep) // 2
    for image in images:
        yield image[start : start + keep, start : start + keep]
