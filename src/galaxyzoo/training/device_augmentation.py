"""Augmentation on the GPU that holds the images: random warps, brightness and contrast."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from galaxyzoo.config.schema import AugmentConfig, Config
from galaxyzoo.data.geometry import grid_matrices, sample, to_tensor
from galaxyzoo.training.augmentation import random_matrices

_MEMORY_SHARE = 0.5  # of the free memory that images may take
_TRANSFORM = "RandomBrightnessContrast"  # of albumentations 2.0.8, as the defaults of its arguments
_KEYS = {"name", "p", "brightness_limit", "contrast_limit"}
_PROBABILITY = 0.5
_LIMIT = 0.2


class PendingBatch(NamedTuple):
    """Images' rows and random numbers of a batch, from which `augment_on_device` makes its images.

    Gains and offsets have a column for each transform.
    """

    rows: np.ndarray  # (B,) of the fold's data
    source: Tensor  # (B,) rows of the images on the device
    matrices: Tensor  # (B, 2, 3) as of `grid_matrices`
    gains: Tensor  # (B, transform) float32 factors of the pixels
    offsets: Tensor  # (B, transform) float32, of 255, added then
    targets: Tensor  # (B, column)


def has_device_transforms(augment: AugmentConfig) -> bool:
    """Check whether the device can make all transforms; others need the processor."""
    for setting in augment.transforms:
        if setting.get("name") != _TRANSFORM or not setting.keys() <= _KEYS:
            return False
    return True


def put_on_device(images: Sequence[np.ndarray], device: torch.device) -> Tensor | None:
    """Put images on the device; None where they need more than half of a GPU's free memory.

    Args:
        images: (image, cache_px, cache_px, 3) uint8 each.
    Returns:
        (image, 3, cache_px, cache_px) uint8, of all of them.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if sum(array.nbytes for array in images) > _MEMORY_SHARE * free:
            return None
    return to_tensor(np.concatenate(images)).to(device)


def draw_batch(
    config: Config,
    rows: np.ndarray,
    targets: Tensor,
    rng: np.random.Generator,
    scales: np.ndarray | float = 1.0,
) -> PendingBatch:
    """Draw a batch's warps, and its brightness and contrast as albumentations does.

    Args:
        rows: (B,) of the fold's data.
        targets: (B, column) of the rows.
        scales: (B,) as of `random_matrices`.
    Source: albumentations 2.0.8, RandomBrightnessContrast with `brightness_by_max`.
    """
    image = config.image
    transforms = config.augment.transforms
    count = len(rows)
    warps = random_matrices(image, config.augment, count, rng, scales)
    grids = grid_matrices(warps, image.cache_px, image.size_px)
    gains = np.ones((count, len(transforms)), np.float32)
    offsets = np.zeros_like(gains)
    for column, transform in enumerate(transforms):
        is_taken = rng.random(count) < transform.get("p", _PROBABILITY)
        low, high = _limits(transform, "contrast_limit")
        gains[:, column] += is_taken * rng.uniform(low, high, count)
        low, high = _limits(transform, "brightness_limit")
        offsets[:, column] += is_taken * rng.uniform(low, high, count)
    return PendingBatch(
        rows,
        source=torch.from_numpy(rows),
        matrices=torch.from_numpy(grids),
        gains=torch.from_numpy(gains),
        offsets=torch.from_numpy(offsets),
        targets=targets,
    )


def _limits(transform: dict[str, Any], name: str) -> tuple[float, float]:
    """Lowest and highest value of a transform's argument; a single number x means -x to x."""
    limit = transform.get(name, _LIMIT)
    if isinstance(limit, int | float):
        return -limit, limit
    low, high = limit
    return low, high


def augment_on_device(batch: PendingBatch, images: Tensor, size_px: int) -> Tensor:
    """Warp and transform the images of a batch that is on the device.

    Args:
        batch: from `draw_batch`.
        images: from `put_on_device`.
        size_px: side of the batch's images.
    Returns:
        (B, 3, size_px, size_px) uint8 in channels-last memory order.
    """
    pixels = sample(images[batch.source], batch.matrices, size_px)
    for gain, offset in zip(batch.gains.T, batch.offsets.T, strict=True):
        scaled = pixels * gain[:, None, None, None] + 255 * offset[:, None, None, None]
        pixels = scaled.clamp(0, 255).to(torch.uint8)
    return pixels.contiguous(memory_format=torch.channels_last)
