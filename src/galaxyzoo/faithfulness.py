"""Whether heat maps mean anything: what happens to an answer when hot or cold places are removed.

A faithful map's hottest places carry the answer: without them it changes more than without the
coldest. A removed pixel is filled in from its neighbours (ROAD), so that its absence says nothing.

Source: Rong et al. 2022 (ICML), "A consistent and efficient evaluation strategy for attribution
methods", as in the grad-cam package.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from galaxyzoo.heat_maps import answer_of, heat_maps
from galaxyzoo.map_layers import MapLayer
from galaxyzoo.models import GalaxyNet

CENTRE, RANDOM = "centre", "random"  # controls: a spot in the middle, and no meaning at all
CONTROLS = (CENTRE, RANDOM)
_REMOVED_PERCENT = (10, 30, 50, 70)
_CELLS = 6  # of a side of random patches
_SPOT = 0.25  # standard deviation of the spot over the image's side


@dataclass(frozen=True)
class Faithfulness:
    """Of one method, galaxy by galaxy."""

    method: str
    # (galaxy,) how much more the answer falls without the hottest than without the coldest places
    scores: np.ndarray

    def describe(self) -> tuple[str, str]:
        """Mean and its standard error, as text."""
        count = len(self.scores)
        error = self.scores.std(ddof=1) / np.sqrt(count) if count > 1 else float("nan")
        return f"{self.scores.mean():+.4f}", f"± {error:.4f}"


def measure(
    model: GalaxyNet,
    images: np.ndarray,
    columns: Sequence[int],
    method: str,
    layer: MapLayer | None = None,
) -> Faithfulness:
    """Score the maps of a method.

    Args:
        model: that did not learn from these galaxies.
        images: (galaxy, H, W, 3) uint8, of its input size.
        columns: (galaxy,) what is explained of each.
        method: of `heat_maps.METHODS`, or of `CONTROLS`.
        layer: as of `heat_maps`.
    """
    if method == CENTRE:
        maps = np.repeat(centre_spot(images.shape[1])[None], len(images), axis=0)
    elif method == RANDOM:
        maps = random_patches(*images.shape[:2])
    else:
        maps = heat_maps(model, images, columns, method, layer)
    return Faithfulness(method, score_maps(model, images, columns, maps))


def score_maps(
    model: GalaxyNet, images: np.ndarray, columns: Sequence[int], maps: np.ndarray
) -> np.ndarray:
    """(galaxy,) half the difference between removing the coldest and the hottest places first.

    Args:
        maps: (galaxy, H, W), hot places high.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pytorch_grad_cam.metrics.road import ROADCombined

    torch.manual_seed(0)  # its noise
    score = ROADCombined(percentiles=list(_REMOVED_PERCENT))
    batch = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    targets = [answer_of(column) for column in columns]
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the package, about numpy
        found = [
            score(batch[i : i + 1], maps[i : i + 1], targets[i : i + 1], model)
            for i in range(len(images))
        ]
    return np.array(found, dtype=float).reshape(len(images))


def centre_spot(side: int) -> np.ndarray:
    """(side, side) float32, 1 in the middle: where the galaxy is, whatever is asked."""
    place = (np.arange(side) - (side - 1) / 2) / (_SPOT * side)
    falling = np.exp(-(place**2) / 2).astype(np.float32)
    return np.outer(falling, falling) / falling.max() ** 2


def random_patches(count: int, side: int, seed: int = 0) -> np.ndarray:
    """(count, side, side) float32, 0 to 1: smooth patches anywhere, of about a heat map's size."""
    cells = np.random.default_rng(seed).random((count, _CELLS, _CELLS), np.float32)
    maps = [cv2.resize(some, (side, side), interpolation=cv2.INTER_CUBIC) for some in cells]
    return np.clip(maps, 0, 1)
