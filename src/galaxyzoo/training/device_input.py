"""Training batches made on the GPU, where decoded images lie and are warped.

A batch depends on the same draws as the processor's (`augmentation.augment_batch`): the same
matrices, and brightness and contrast of the same distribution.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from galaxyzoo.config.schema import AugmentConfig, ImageConfig
from galaxyzoo.data.geometry import grid_matrices, sample, to_tensor
from galaxyzoo.training.augmentation import random_matrices

_SHARE = 0.5  # of the free memory that images may take
_TWIN = "RandomBrightnessContrast"
_LIMITS = {"brightness_limit": (-0.2, 0.2), "contrast_limit": (-0.2, 0.2)}  # albumentations 2.0.8
_PROBABILITY = 0.5


class Batch(NamedTuple):
    """Images and targets of one optimizer step."""

    rows: np.ndarray  # (B,) of the fold's data
    images: Tensor  # (B, 3, H, W) uint8
    targets: Tensor  # (B, column)


class Draws(NamedTuple):
    """The random numbers of a batch."""

    matrices: np.ndarray  # (B, 2, 3) as of `warp_matrix`
    gains: np.ndarray  # (B, transform) float32 factors of the pixels
    offsets: np.ndarray  # (B, transform) float32, of 255, added then


class PendingBatch(NamedTuple):
    """Images' rows and random numbers of a batch; `DeviceInput.make` turns it into a `Batch`."""

    rows: np.ndarray  # (B,) of the fold's data
    source: Tensor  # (B,) rows of the images on the device
    matrices: Tensor  # (B, 2, 3) as of `grid_matrices`
    gains: Tensor  # (B, transform)
    offsets: Tensor  # (B, transform)
    targets: Tensor  # (B, column)


def is_made_on_device(augment: AugmentConfig) -> bool:
    """Check whether the device can make all transforms; others need the processor."""
    known = {"name", "p", *_LIMITS}
    return all(
        transform["name"] == _TWIN and known >= {*transform} for transform in augment.transforms
    )


def draw(image: ImageConfig, augment: AugmentConfig, count: int, rng: np.random.Generator) -> Draws:
    """Draw a batch's warps, and its brightness and contrast as albumentations does.

    Source: albumentations 2.0.8, RandomBrightnessContrast with `brightness_by_max`.
    """
    matrices = random_matrices(image, augment, count, rng)
    gains = np.ones((count, len(augment.transforms)), np.float32)
    offsets = np.zeros_like(gains)
    for number, transform in enumerate(augment.transforms):
        is_taken = rng.random(count) < transform.get("p", _PROBABILITY)
        brightness, contrast = (_limits(transform, name) for name in _LIMITS)
        gains[:, number] += is_taken * rng.uniform(*contrast, count)
        offsets[:, number] += is_taken * rng.uniform(*brightness, count)
    return Draws(matrices, gains, offsets)


def _limits(transform: dict[str, Any], name: str) -> tuple[float, float]:
    value = transform.get(name, _LIMITS[name])
    return (-value, value) if isinstance(value, int | float) else tuple(value)


@dataclass(frozen=True, eq=False)
class DeviceInput:
    """Images of a fold on the device.

    Args:
        images: (image, 3, cache_px, cache_px) uint8.
        size_px: side of a batch's images.
    """

    images: Tensor
    size_px: int

    @classmethod
    def on(cls, device: torch.device, images: np.ndarray, size_px: int) -> "DeviceInput | None":
        """Put (image, cache_px, cache_px, 3) images there; None where they do not fit.

        They may take half of the free memory of a GPU.
        """
        is_gpu = device.type == "cuda"
        if is_gpu and images.nbytes > _SHARE * torch.cuda.mem_get_info(device)[0]:
            return None
        return cls(to_tensor(np.array(images)).to(device), size_px)

    def prepare(self, rows: np.ndarray, draws: Draws, targets: Tensor) -> PendingBatch:
        """Collect a batch's rows and draws, still with the processor.

        Args:
            rows: (B,) of the images.
            draws: from `draw`.
            targets: (B, column) of the rows.
        """
        grids = grid_matrices(draws.matrices, self.images.shape[-1], self.size_px)
        arrays = (rows, grids, draws.gains, draws.offsets)
        source, grid, gain, offset = map(torch.from_numpy, arrays)
        return PendingBatch(rows, source, grid, gain, offset, targets)

    def make(self, batch: PendingBatch) -> Batch:
        """Warp and transform a batch that is on the device.

        Its images are (B, 3, size_px, size_px) uint8 in channels-last memory order.
        """
        images = sample(self.images[batch.source], batch.matrices, self.size_px)
        for gain, offset in zip(batch.gains.T, batch.offsets.T, strict=True):
            factor, more = (values[:, None, None, None] for values in (gain, 255 * offset))
            images = (images * factor + more).clamp(0, 255).to(torch.uint8)
        made = images.contiguous(memory_format=torch.channels_last)
        return Batch(batch.rows, made, batch.targets)
