"""Test-time augmentation: rotated, mirrored and zoomed views of an image."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from galaxyzoo.config.schema import ImageConfig, TTAConfig
from galaxyzoo.core.devices import send
from galaxyzoo.data import geometry


def iterate_views(
    images: np.ndarray, image: ImageConfig, tta: TTAConfig, device: torch.device
) -> Iterator[Tensor]:
    """Iterate over views; each angle and zoom is warped once for its eight dihedral views.

    A GPU gets the images once and warps them itself.

    Args:
        images: (B, cache_px, cache_px, 3) uint8.
    Yields:
        (B, 3, size_px, size_px) uint8 on the device, `tta.n_views` times.
    """
    on_device = None if device.type == "cpu" else send(geometry.to_tensor(images), device)
    for zoom in tta.zooms:
        for angle in np.arange(tta.angles) * (90.0 / tta.angles):
            matrix = geometry.warp_matrix(image, float(angle), zoom=zoom)
            if on_device is None:
                warped = geometry.to_tensor(geometry.warp(images, matrix, image.size_px))
            else:
                warped = geometry.warp_on_device(on_device, matrix, image.size_px)
            for number in range(geometry.DIHEDRAL if tta.dihedral else 1):
                yield geometry.dihedral_view(warped, number).contiguous(
                    memory_format=torch.channels_last
                )
