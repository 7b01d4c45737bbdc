"""Images without votes: found, decoded and pseudo-labelled.

The network of the stage before labels the images; for fold k that of fold k, which like all stages
before it never saw a label of fold k. A table of labels is kept in the folder of its fold.

Source: Lee 2013 ("Pseudo-Label", ICML workshop) and Xie et al. 2020 ("noisy student", CVPR);
predicted vote fractions are soft by nature, so no threshold is needed.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from tqdm import tqdm

from galaxyzoo.config.schema import ORIGINAL_PX, OWN_TEST, Config, ImageConfig, TTAConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.image_cache import ImageCache, open_cache
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.data.readers.find import open_input
from galaxyzoo.inference.artifacts import WEIGHTS, load_fold_model
from galaxyzoo.inference.fold_files import FoldFiles
from galaxyzoo.inference.predict import predict
from galaxyzoo.io.archives import ImageStore
from galaxyzoo.io.tables import read_predictions, write_predictions
from galaxyzoo.tasks.registry import get_task


@dataclass(frozen=True)
class UnlabelledImages:
    """Unlabelled images of one store that show an equal part of the sky."""

    name: str  # of the dataset, or "test" of the run's own
    store: ImageStore
    ids: np.ndarray  # (image,)
    shown_px: float  # side of the images, in original pixels

    def open(self, image: ImageConfig) -> ImageCache:
        """Decode the images, with unreadable ones marked; `image` is for whole originals."""
        return open_cache(self.store, self.ids, fit_geometry(image, self.shown_px), strict=False)

    def readable(self, image: ImageConfig) -> tuple["UnlabelledImages", np.ndarray]:
        """The readable images of these, and their pixels."""
        cache = self.open(image)
        if not cache.unreadable.any():
            return self, cache.images
        good = replace(self, ids=self.ids[~cache.unreadable])
        return good, good.open(image).images


def find_unlabelled_images(config: Config, data: Dataset) -> Iterator[UnlabelledImages]:
    """The config's images without votes; others' without the galaxies of the run's own dataset."""
    catalog, wanted, crop_px = data.catalog, config.unlabelled, config.image.crop_px
    for name in wanted.images:
        if name == OWN_TEST:
            yield UnlabelledImages(name, data.raw.test_images, catalog.test_ids, ORIGINAL_PX)
            continue
        source = open_input(name, {config.task})
        ours = np.concatenate([catalog.ids, catalog.test_ids])[: 0 if source.own_ids else None]
        side = wanted.shown_px.get(name, ORIGINAL_PX)
        if crop_px > side:
            raise InputError(
                f"{config.run}: images of '{name}' show {side:g} px of the original: set "
                f"image.crop_px to that or less (it is {crop_px})"
            )
        for store, ids in (
            (source.train_images, source.targets.index.to_numpy()),
            (source.test_images, source.test_ids),
        ):
            kept = ids[~np.isin(ids, ours)]
            if len(kept):
                yield UnlabelledImages(name, store, kept, side)


def fit_geometry(image: ImageConfig, shown_px: float) -> ImageConfig:
    """Geometry by which a network sees the same part of the sky in images of a smaller field.

    Args:
        image: settings for whole images, 424 px wide.
        shown_px: side of the other images in those pixels, whatever their own size.
    """
    scale, crop_px = ORIGINAL_PX / shown_px, min(image.crop_px, shown_px)
    return image.model_copy(
        update={
            "crop_px": round(crop_px * scale),
            "cache_px": round(image.cache_px * crop_px / image.crop_px),
            "field_px": image.field_px * scale,
        }
    )


@dataclass(frozen=True)
class ExtraImages:
    """Decoded images beside those with votes, and their targets."""

    images: list[np.ndarray]  # each (image, cache_px, cache_px, 3) uint8, memory-mapped
    ids: np.ndarray  # (image of all,)
    targets: np.ndarray  # (image of all, column) predicted

    def read(self, rows: np.ndarray) -> np.ndarray:
        """(row, cache_px, cache_px, 3) uint8 of ascending rows, of all arrays one after another."""
        starts = np.cumsum([0, *(len(some) for some in self.images)])
        parts = zip(self.images, starts[:-1], starts[1:], strict=True)
        return np.concatenate([some[rows[(rows >= a) & (rows < b)] - a] for some, a, b in parts])


def find_extra_images(
    config: Config, data: Dataset, fold: int, before: FoldFiles | None
) -> ExtraImages | None:
    """The config's images without votes, in its geometry; None where it names none.

    Args:
        before: files of the fold of the stage before, whose network labels them.
    """
    if not config.unlabelled.images:
        return None
    parts = [part.readable(config.image) for part in find_unlabelled_images(config, data)]
    ids = np.concatenate([part.ids for part, _ in parts])
    if before is None:
        targets = np.zeros((len(ids), len(get_task(config.task).columns)))
    else:
        targets = np.concatenate([_label(part, config, fold, before) for part, _ in parts])
    return ExtraImages([images for _, images in parts], ids, targets)


def _label(part: UnlabelledImages, config: Config, fold: int, before: FoldFiles) -> np.ndarray:
    """(image, column) predictions by the stage before; made once and saved."""
    teacher, task = config.before, get_task(config.task)
    assert teacher is not None
    path = before.folder / _table_name(part, config.unlabelled.tta)
    labels = replace(before, mark=f"{path.stem}.json")
    if not labels.is_done:
        cache = part.open(teacher.image)
        teacher = teacher.model_copy(update={"image": fit_geometry(teacher.image, part.shown_px)})
        tqdm.write(f"{teacher.run}, fold {fold}: labelling {len(part.ids):,} images of {part.name}")
        network = load_fold_model(teacher, before.path(WEIGHTS).parent)
        values = predict(network, cache, np.arange(len(part.ids)), teacher, config.unlabelled.tta)
        write_predictions(path, pd.DataFrame(task.project(values), part.ids, list(task.columns)))
        labels.finish([path.name], {})
    return read_predictions(labels.path(path.name), task.columns, part.ids).to_numpy()


def _table_name(part: UnlabelledImages, tta: TTAConfig) -> str:
    """File name of a table of labels; it changes with the images and the views."""
    digest = hashlib.sha256(np.ascontiguousarray(part.ids, dtype="<i8").tobytes())
    digest.update(tta.model_dump_json().encode())
    return f"pseudo_{part.name}_{digest.hexdigest()[:8]}.csv"
