"""Which galaxies look alike to a network: near in its features, the last layer before the head."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from galaxyzoo import atomic, locks
from galaxyzoo.augmentation import warp, warp_matrix
from galaxyzoo.config import Config
from galaxyzoo.devices import autocast
from galaxyzoo.images import ImageCache
from galaxyzoo.models import GalaxyNet
from galaxyzoo.prediction import batch_of
from galaxyzoo.views import to_tensor

FEATURES = "features.npy"


@dataclass(frozen=True)
class FeatureTable:
    """Features of a dataset's training galaxies."""

    ids: np.ndarray  # (galaxy,)
    vectors: np.ndarray  # (galaxy, feature) float16, of unit length

    def nearest(self, feature: np.ndarray, count: int) -> list[tuple[int, float]]:
        """The galaxies nearest to a feature, and their cosine similarity, nearest first.

        Args:
            feature: (feature,) of unit length.
            count: how many.
        """
        likeness = self.vectors.astype(np.float32) @ feature.astype(np.float32)
        order = np.argsort(-likeness, kind="stable")[:count]
        return [(int(self.ids[row]), float(likeness[row])) for row in order]


def open_features(
    folder: Path,
    model: GalaxyNet,
    cache: ImageCache,
    config: Config,
    report: Callable[[float], None] = lambda share: None,
) -> FeatureTable:
    """Features of all galaxies of a cache, made once and kept in the fold's folder.

    Args:
        folder: the fold's.
        model: its network.
        cache: images of the training galaxies.
        config: of the run.
        report: told the share that is done, 0 to 1.
    Raises:
        InputError: they cannot be written.
    """
    path = folder / FEATURES
    with locks.holding(folder / f"{FEATURES}.lock", "comparing galaxies"):
        values = _read(path, len(cache.ids))
        if values is None:
            values = embed(model, cache.images, config, report)
            with atomic.writing(path) as temporary, temporary.open("wb") as file:
                np.save(file, values)
    report(1.0)
    return FeatureTable(cache.ids, values)


@torch.inference_mode()
def embed(
    model: GalaxyNet,
    images: np.ndarray,
    config: Config,
    report: Callable[[float], None] = lambda share: None,
) -> np.ndarray:
    """(n, cache_px, cache_px, 3) uint8 -> (n, feature) float16 of unit length, one view each."""
    model.eval()
    device, parts = model.mean.device, []
    size, matrix = batch_of(device), warp_matrix(config.image)
    for start in range(0, len(images), size):
        views = to_tensor(warp(images[start : start + size], matrix, config.image.size_px))
        with autocast(config.train, device):
            features = model.features(views.to(device)).float()
        parts.append(torch.nn.functional.normalize(features).half().cpu().numpy())
        report(min(1.0, (start + size) / len(images)))
    return np.concatenate(parts)


def _read(path: Path, count: int) -> np.ndarray | None:
    """What an earlier call has left, where it is whole and of as many galaxies."""
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError):
        return None
    fits = values.ndim == 2 and len(values) == count and values.dtype == np.float16
    return values if fits else None
