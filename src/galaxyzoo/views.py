"""Test-time views: the orientations (and zooms) of one image whose predictions are averaged."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from galaxyzoo.augmentation import warp, warp_matrix
from galaxyzoo.config import ImageConfig, TTAConfig

DIHEDRAL = 8  # rotations by 90° and their mirror images


def dihedral_view(images: Tensor, number: int) -> Tensor:
    """One of the eight symmetries of the square.

    Args:
        images: (B, C, H, W), H == W.
        number: 0 to 7: `number % 4` quarter turns counter-clockwise, from 4 on mirrored first.
    Returns:
        (B, C, H, W).
    Raises:
        ValueError: H != W or no such number.
    """
    if images.shape[-1] != images.shape[-2] or not 0 <= number < DIHEDRAL:
        raise ValueError(f"no dihedral view {number} of images of shape {tuple(images.shape)}")
    mirrored = images.flip(-1) if number >= 4 else images
    return torch.rot90(mirrored, number % 4, dims=(-2, -1))


def count_views(tta: TTAConfig) -> int:
    """How many views the settings make."""
    return (DIHEDRAL if tta.dihedral else 1) * tta.angles * len(tta.zooms)


def iterate_views(
    images: np.ndarray, image: ImageConfig, tta: TTAConfig, device: torch.device
) -> Iterator[Tensor]:
    """All views of a batch; each angle and zoom is warped once and serves its eight dihedral views.

    Args:
        images: (B, cache_px, cache_px, 3) uint8.
    Yields:
        (B, 3, size_px, size_px) uint8 on the device, `count_views` times.
    """
    for zoom in tta.zooms:
        for angle in np.arange(tta.angles) * (90.0 / tta.angles):
            warped = to_tensor(
                warp(images, warp_matrix(image, float(angle), zoom=zoom), image.size_px)
            ).to(device)
            for number in range(DIHEDRAL if tta.dihedral else 1):
                yield dihedral_view(warped, number).contiguous(memory_format=torch.channels_last)


def to_tensor(images: np.ndarray) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) uint8 in channels-last memory order, without a copy."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)
