"""Geometry of images: the affine warp and the dihedral group of the square."""

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from galaxyzoo.config.schema import ImageConfig

DIHEDRAL = 8  # rotations by 90° and their mirror images


def dihedral_view(images: Tensor, number: int) -> Tensor:
    """One of the eight symmetries of the square.

    Args:
        images: (B, C, H, W), H == W.
        number: 0 to 7: `number % 4` quarter turns counter-clockwise, from 4 on mirrored first.
    """
    if images.shape[-1] != images.shape[-2] or not 0 <= number < DIHEDRAL:
        raise ValueError(f"no dihedral view {number} of images of shape {tuple(images.shape)}")
    mirrored = images.flip(-1) if number >= 4 else images
    return torch.rot90(mirrored, number % 4, dims=(-2, -1))


def to_tensor(images: np.ndarray) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) uint8 in channels-last memory order, without a copy."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def warp_matrix(
    image: ImageConfig,
    angle_deg: float = 0.0,
    flip: bool = False,
    zoom: float = 1.0,
    shift_px: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """Where each pixel of the network's input lies in the cached image.

    Args:
        image: sizes; `field_px` original pixels fill the input at zoom 1.
        angle_deg: the galaxy turns counter-clockwise by this angle.
        flip: mirror left and right, after the rotation.
        zoom: above 1 the galaxy appears larger.
        shift_px: the field's centre moves by (x, y) original pixels.
    Returns:
        (2, 3) float64 affine matrix from input pixel (x, y) to cached pixel (x, y), pixel centres
        at whole numbers.
    """
    scale = image.cache_px / image.crop_px  # cached pixels per original pixel
    step = image.field_px / image.size_px * scale / zoom  # cached pixels per input pixel
    cos, sin = np.cos(np.deg2rad(angle_deg)) * step, np.sin(np.deg2rad(angle_deg)) * step
    mirror = -1.0 if flip else 1.0
    linear = np.array([[cos * mirror, -sin], [sin * mirror, cos]])
    centre = (image.cache_px - 1) / 2 + scale * np.asarray(shift_px)
    middle = np.full(2, (image.size_px - 1) / 2)
    return np.column_stack([linear, centre - linear @ middle])


def warp(images: np.ndarray, matrices: np.ndarray, size_px: int) -> np.ndarray:
    """Sample images bilinearly; what lies outside them is mirrored at the edge.

    Args:
        images: (B, H, W, 3) uint8.
        matrices: (B, 2, 3) or (2, 3) for all, from output pixel to input pixel.
        size_px: side of the result.
    Returns:
        (B, size_px, size_px, 3) uint8.
    """
    out = np.empty((len(images), size_px, size_px, 3), np.uint8)
    matrices = np.broadcast_to(matrices, (len(images), 2, 3))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for i, image in enumerate(images):
        cv2.warpAffine(
            image, matrices[i], (size_px, size_px), out[i], flags, cv2.BORDER_REFLECT_101
        )
    return out


def warp_on_device(images: Tensor, matrices: np.ndarray, size_px: int) -> Tensor:
    """The warp of `warp`, by torch on the images' device.

    OpenCV 4 rounds places to 1/32 of a pixel, torch does not: on 99.9 % of a galaxy's pixels they
    differ by 1 of 255 at most.

    Args:
        images: (B, C, H, W) uint8, H == W.
        matrices: (B, 2, 3) or (2, 3) for all, from output pixel to input pixel.
        size_px: side of the result.
    Returns:
        (B, C, size_px, size_px) uint8.
    """
    places = torch.arange(size_px, dtype=torch.float64, device=images.device)
    y, x = torch.meshgrid(places, places, indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)], dim=-1)  # (size_px, size_px, 3)
    affine = torch.from_numpy(np.broadcast_to(matrices, (len(images), 2, 3)).copy())
    found = torch.einsum("yxk,bck->byxc", pixels, affine.to(images.device))
    grid = (found * (2 / (images.shape[-1] - 1)) - 1).float()  # -1 and 1: centres of outer pixels
    sampled = functional.grid_sample(
        images.float(), grid, padding_mode="reflection", align_corners=True
    )
    return sampled.round().to(torch.uint8)
