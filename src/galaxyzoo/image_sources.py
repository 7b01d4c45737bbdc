"""Images without labels, from the own dataset and others, all showing a network the same sky."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from galaxyzoo.archives import ImageStore
from galaxyzoo.config import ORIGINAL_PX, OWN_TEST, OWN_TRAIN, ImageConfig
from galaxyzoo.errors import InputError
from galaxyzoo.images import ImageCache, open_cache
from galaxyzoo.inputs import open_input
from galaxyzoo.preparation import Prepared


@dataclass(frozen=True)
class ImagePart:
    """Images that lie in one place and show an equal part of the sky."""

    name: str  # of the dataset, or "train" or "test" of the own
    store: ImageStore
    ids: np.ndarray  # (image,)
    shown_px: float  # side of what they show, in original pixels

    def open(self, image: ImageConfig) -> ImageCache:
        """Its decoded images, those that cannot be read marked; `image` is for whole originals."""
        return open_cache(self.store, self.ids, fit_geometry(image, self.shown_px), strict=False)

    def readable(self, image: ImageConfig) -> tuple["ImagePart", np.ndarray]:
        """The part without images that cannot be read, and its decoded images."""
        cache = self.open(image)
        if not cache.unreadable.any():
            return self, cache.images
        good = replace(self, ids=self.ids[~cache.unreadable])
        return good, good.open(image).images


def find_parts(
    names: Sequence[str],
    shown_px: Mapping[str, float],
    image: ImageConfig,
    data: Prepared,
    tasks: set[str],
    run: str,
) -> Iterator[ImagePart]:
    """The named images; of other datasets without the own galaxies, some of which are scored.

    Args:
        names: datasets in `input/`, or "train" and "test" of the own dataset.
        shown_px: side, in original pixels, of what a dataset's images show, where not all.
        image: what the network is to see of whole originals.
        data: the own dataset.
        tasks: for which another dataset is opened, where it holds several.
        run: name for messages.
    Raises:
        InputError: a dataset is not there, or its images show less than the crop.
    """
    catalog = data.catalog
    own = {
        OWN_TRAIN: (data.source.train_images, catalog.ids),
        OWN_TEST: (data.source.test_images, catalog.test_ids),
    }
    for name in names:
        if name in own:
            yield ImagePart(name, *own[name], ORIGINAL_PX)
            continue
        source = open_input(name, tasks)
        ours = np.concatenate([catalog.ids, catalog.test_ids])[: 0 if source.own_ids else None]
        side = shown_px.get(name, ORIGINAL_PX)
        if image.crop_px > side:
            raise InputError(
                f"{run}: images of '{name}' show {side:g} px of the original: set "
                f"image.crop_px to that or less (it is {image.crop_px})"
            )
        for store, ids in (
            (source.train_images, source.targets.index.to_numpy()),
            (source.test_images, source.test_ids),
        ):
            kept = ids[~np.isin(ids, ours)]
            if len(kept):
                yield ImagePart(name, store, kept, side)


def fit_geometry(image: ImageConfig, shown_px: float) -> ImageConfig:
    """Settings that show a network the same sky in images which hold less of it.

    Args:
        image: settings for whole images, 424 px wide.
        shown_px: how many of those pixels the other images show, whatever their own size.
    """
    scale, crop_px = ORIGINAL_PX / shown_px, min(image.crop_px, shown_px)
    return image.model_copy(
        update={
            "crop_px": round(crop_px * scale),
            "cache_px": round(image.cache_px * crop_px / image.crop_px),
            "field_px": image.field_px * scale,
        }
    )


def read_rows(images: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Some images out of several arrays that count as one.

    Args:
        images: arrays, each (image, cache_px, cache_px, 3) uint8.
        rows: (row,) ascending, of all arrays one after another.
    Returns:
        (row, cache_px, cache_px, 3) uint8.
    """
    starts = np.cumsum([0, *(len(some) for some in images)])
    parts = zip(images, starts[:-1], starts[1:], strict=True)
    return np.concatenate([some[rows[(rows >= a) & (rows < b)] - a] for some, a, b in parts])
