"""Pseudo-labels: images without votes, whose targets are what trained networks predict for them.

The networks that label for fold k never saw a label of fold k, and nothing did that they started
from. A table of labels is kept in the folder of the fold that made it, so it goes with it.

Source: Lee 2013 ("Pseudo-Label", ICML workshop) and Xie et al. 2020 ("noisy student", CVPR);
predicted vote fractions are soft by nature, so no threshold is needed.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from tqdm import tqdm

from galaxyzoo.archives import ImageStore
from galaxyzoo.config import ORIGINAL_PX, OWN_TEST, Config, ImageConfig
from galaxyzoo.errors import FoldError, InputError
from galaxyzoo.fold_models import load_fold_model
from galaxyzoo.fold_tables import DONE
from galaxyzoo.images import ImageCache, open_cache
from galaxyzoo.inputs import open_input
from galaxyzoo.paths import fold_dir, run_dir, shown
from galaxyzoo.prediction import predict
from galaxyzoo.preparation import Prepared
from galaxyzoo.run_configs import load_run_config
from galaxyzoo.tables import read_predictions, write_predictions
from galaxyzoo.tasks import get_task


@dataclass(frozen=True)
class _Part:
    """Images that lie in one place and show an equal part of the sky."""

    name: str
    store: ImageStore
    ids: np.ndarray  # (image,)
    shown_px: float

    @property
    def file(self) -> str:
        """Name of the tables of its labels; other images have another."""
        digest = hashlib.sha256(np.ascontiguousarray(self.ids, dtype="<i8").tobytes())
        return f"pseudo_{self.name}_{digest.hexdigest()[:8]}.csv"


@dataclass(frozen=True)
class PseudoLabelled:
    """Decoded images with what stands for their votes."""

    images: list[np.ndarray]  # each (image, cache_px, cache_px, 3) uint8, memory-mapped
    ids: np.ndarray  # (image of all,)
    targets: np.ndarray  # (image of all, column)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """(row, cache_px, cache_px, 3) uint8 of ascending rows."""
        starts = np.cumsum([0, *(len(some) for some in self.images)])
        parts = zip(self.images, starts[:-1], starts[1:], strict=True)
        found = [some[rows[(rows >= a) & (rows < b)] - a] for some, a, b in parts]
        return np.concatenate(found)


def find_pseudo_labels(config: Config, data: Prepared, fold: int) -> PseudoLabelled | None:
    """The config's images without votes, labelled by networks of the same fold.

    Args:
        config: the run.
        data: the dataset that it is trained on.
        fold: the fold to validate on.
    Returns:
        Images in the config's geometry and their labels, the mean over `pseudo.runs`; None where
        the config names none.
    Raises:
        FoldError: that fold of a run that labels is not trained.
        InputError: a dataset is not there, or its images show less than the config's crop.
    """
    if not config.pseudo.runs:
        return None
    parts = [_readable(part, config.image) for part in _find_parts(config, data)]
    targets = [
        np.mean([_label(run, part, config, data, fold) for run in config.pseudo.runs], axis=0)
        for part, _ in parts
    ]
    return PseudoLabelled(
        [images for _, images in parts],
        np.concatenate([part.ids for part, _ in parts]),
        np.concatenate(targets),
    )


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


def _find_parts(config: Config, data: Prepared) -> Iterator[_Part]:
    """The named images; of other datasets without the own galaxies, some of which are scored."""
    catalog = data.catalog
    for name in config.pseudo.images:
        if name == OWN_TEST:
            yield _Part(OWN_TEST, data.source.test_images, catalog.test_ids, ORIGINAL_PX)
            continue
        source = open_input(name, {config.task})
        own = np.concatenate([catalog.ids, catalog.test_ids])[: 0 if source.own_ids else None]
        side = config.pseudo.shown_px.get(name, ORIGINAL_PX)
        if config.image.crop_px > side:
            raise InputError(
                f"{config.run}: images of '{name}' show {side:g} px of the original: set "
                f"image.crop_px to that or less (it is {config.image.crop_px})"
            )
        for store, ids in (
            (source.train_images, source.targets.index.to_numpy()),
            (source.test_images, source.test_ids),
        ):
            kept = ids[~np.isin(ids, own)]
            if len(kept):
                yield _Part(name, store, kept, side)


def _readable(part: _Part, image: ImageConfig) -> tuple[_Part, np.ndarray]:
    """The part without images that cannot be read, and its decoded images."""
    cache = _open(part, image)
    if not cache.unreadable.any():
        return part, cache.images
    good = _Part(part.name, part.store, part.ids[~cache.unreadable], part.shown_px)
    return good, _open(good, image).images


def _label(run: str, part: _Part, config: Config, data: Prepared, fold: int) -> np.ndarray:
    """(image, column) predictions by a run's network of the fold; made once and kept."""
    dataset, task = data.catalog.dataset, get_task(config.task)
    folder = fold_dir(dataset, run, fold)
    if not (folder / DONE).exists():
        raise FoldError(
            f"{config.run} learns from labels by {run}: {shown(folder)} is not trained; train "
            "that first"
        )
    path = folder / part.file
    if not path.exists():
        teacher, _ = load_run_config(run_dir(dataset, run))
        teacher = teacher.model_copy(update={"image": fit_geometry(teacher.image, part.shown_px)})
        tqdm.write(f"{run}, fold {fold}: labelling {len(part.ids):,} images of {part.name}")
        cache = _open(part, teacher.image, fitted=True)
        values = predict(load_fold_model(teacher, folder), cache, np.arange(len(part.ids)), teacher)
        table = pd.DataFrame(task.make_valid(values), part.ids, list(task.columns))
        write_predictions(path, table)
    return read_predictions(path, task.columns, part.ids).to_numpy()


def _open(part: _Part, image: ImageConfig, fitted: bool = False) -> ImageCache:
    """Its decoded images; `image` is for whole originals unless fitted already."""
    geometry = image if fitted else fit_geometry(image, part.shown_px)
    return open_cache(part.store, part.ids, geometry, strict=False)
