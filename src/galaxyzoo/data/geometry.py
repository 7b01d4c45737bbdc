"""Geometry of images: affine warp, dihedral group of the square, test-time views of both."""

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from galaxyzoo.config.schema import ImageConfig, TTAConfig
from galaxyzoo.core.transfer import to_device

DIHEDRAL = 8  # rotations by 90° and their mirror images


def dihedral_view(images: Tensor, view: int) -> Tensor:
    """Apply one of the eight symmetries of the square.

    Args:
        images: (B, C, H, W), H == W.
        view: 0 to 7: `view % 4` quarter turns counter-clockwise, from 4 on mirrored first.
    Examples:
        >>> image = torch.tensor([[[[1, 2], [3, 4]]]])
        >>> dihedral_view(image, 1)[0, 0].tolist()
        [[2, 4], [1, 3]]
    """
    if images.shape[-1] != images.shape[-2] or not 0 <= view < DIHEDRAL:
        raise ValueError(f"no dihedral view {view} for images of shape {tuple(images.shape)}")
    mirrored = images.flip(-1) if view >= 4 else images
    return torch.rot90(mirrored, view % 4, dims=(-2, -1))


def to_tensor(images: np.ndarray) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) uint8 in channels-last memory order, without a copy."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def warp_matrices(
    image: ImageConfig,
    angles_deg: np.ndarray,
    flips: np.ndarray,
    zooms: np.ndarray,
    shifts_px: np.ndarray,
) -> np.ndarray:
    """Affine maps from pixels of the network's input to the cached image, of B images.

    Args:
        image: sizes; `field_px` original pixels fill the input at zoom 1.
        angles_deg: (B,) the galaxy turns counter-clockwise by this angle.
        flips: (B,) bool, mirror left and right, after the rotation.
        zooms: (B,) above 1 the galaxy appears larger.
        shifts_px: (B, 2) the field's center moves by (x, y) original pixels.
    Returns:
        (B, 2, 3) float64 affine matrices from input pixel (x, y) to cached pixel (x, y), pixel
        centers at whole numbers.
    """
    scale = image.cache_px / image.crop_px  # cached pixels per original pixel
    steps = image.field_px / image.size_px * scale / zooms  # cached pixels per input pixel
    angles = np.deg2rad(angles_deg)
    cos = np.cos(angles) * steps
    sin = np.sin(angles) * steps
    mirrors = np.where(flips, -1.0, 1.0)
    linear = np.stack([cos * mirrors, -sin, sin * mirrors, cos], axis=-1).reshape(-1, 2, 2)
    centers = (image.cache_px - 1) / 2 + scale * shifts_px
    middle = np.full(2, (image.size_px - 1) / 2)
    offsets = centers - linear @ middle
    return np.concatenate([linear, offsets[..., None]], axis=-1)


def warp_matrix(image: ImageConfig, angle_deg: float = 0.0, zoom: float = 1.0) -> np.ndarray:
    """(2, 3) matrix as of `warp_matrices`, of one image, neither mirrored nor shifted."""
    angles = np.array([angle_deg])
    zooms = np.array([zoom])
    return warp_matrices(image, angles, np.array([False]), zooms, np.zeros((1, 2)))[0]


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
    for image, matrix, warped in zip(images, matrices, out, strict=True):
        cv2.warpAffine(image, matrix, (size_px, size_px), warped, flags, cv2.BORDER_REFLECT_101)
    return out


def grid_matrices(matrices: np.ndarray, side_px: int, size_px: int) -> np.ndarray:
    """Matrices of `warp` as torch's `affine_grid` takes them: -1 and 1 are the outer pixels.

    Args:
        matrices: (B, 2, 3) or (2, 3), from output pixel to input pixel.
        side_px: side of the input.
        size_px: side of the output.
    Returns:
        (B, 2, 3) float32; B is 1 for one matrix.
    """
    half = (size_px - 1) / 2
    to_pixel = np.array([[half, 0, half], [0, half, half], [0, 0, 1]])
    scaled = matrices.reshape(-1, 2, 3) @ to_pixel * (2 / (side_px - 1))
    scaled[..., 2] -= 1
    return scaled.astype(np.float32)


def sample(images: Tensor, matrices: Tensor, size_px: int) -> Tensor:
    """The warp of `warp`, by torch on the images' device.

    OpenCV 4 rounds places to 1/32 of a pixel, torch does not: on 99.9 % of a galaxy's pixels they
    differ by 1 of 255 at most.

    Args:
        images: (B, C, H, W) uint8, H == W.
        matrices: (B, 2, 3) or (1, 2, 3) for all, from `grid_matrices`, on the same device.
        size_px: side of the result.
    Returns:
        (B, C, size_px, size_px) uint8.
    """
    with torch.autocast(images.device.type, enabled=False):  # places need more than bf16's digits
        shape = [len(matrices), 1, size_px, size_px]
        grid = functional.affine_grid(matrices, shape, align_corners=True)
        grid = grid.expand(len(images), -1, -1, -1)
        sampled = functional.grid_sample(
            images.float(), grid, padding_mode="reflection", align_corners=True
        )
    return sampled.round().to(torch.uint8)


def warp_on_device(images: Tensor, matrices: np.ndarray, size_px: int) -> Tensor:
    """Warp on the images' device; matrices as of `warp`."""
    grid = torch.from_numpy(grid_matrices(matrices, images.shape[-1], size_px))
    return sample(images, to_device(grid, images.device), size_px)


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
    on_device = None
    if device.type != "cpu":
        on_device = to_device(to_tensor(images), device)
    n_dihedral = DIHEDRAL if tta.dihedral else 1
    for zoom in tta.zooms:
        for angle in np.arange(tta.angles) * (90.0 / tta.angles):
            matrix = warp_matrix(image, float(angle), zoom)
            if on_device is None:
                warped = to_tensor(warp(images, matrix, image.size_px))
            else:
                warped = warp_on_device(on_device, matrix, image.size_px)
            for view in range(n_dihedral):
                yield dihedral_view(warped, view).contiguous(memory_format=torch.channels_last)
