"""From a cached image to the network's input: one warp for all geometry, then colour and noise."""

import os
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import cv2
import numpy as np

from galaxyzoo.config import AugmentConfig, ImageConfig
from galaxyzoo.errors import InputError


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


def random_matrices(
    image: ImageConfig, augment: AugmentConfig, count: int, rng: np.random.Generator
) -> np.ndarray:
    """(count, 2, 3) random warps: angle, shift uniform; zoom log-uniform; half mirrored."""
    angles = rng.uniform(-augment.rotate_deg, augment.rotate_deg, count)
    zooms = np.exp(rng.uniform(-np.log(augment.zoom), np.log(augment.zoom), count))
    shifts = rng.uniform(-augment.shift_px, augment.shift_px, (count, 2))
    flips = (rng.random(count) < 0.5) & augment.flip
    return np.stack(
        [
            warp_matrix(image, angle, flip, zoom, (shift[0], shift[1]))
            for angle, flip, zoom, shift in zip(angles, flips, zooms, shifts, strict=True)
        ]
    )


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


def augment_batch(
    images: np.ndarray,
    image: ImageConfig,
    augment: AugmentConfig,
    rng: np.random.Generator,
    part: tuple[int, slice] | None = None,
) -> np.ndarray:
    """One training batch; depends on nothing but the arguments, so any batch can be made again.

    Args:
        images: (B, cache_px, cache_px, 3) uint8.
        part: size of the whole batch, and which of it the images are; default all.
    Returns:
        (B, size_px, size_px, 3) uint8; geometry as of the whole batch.
    """
    whole, some = part or (len(images), slice(None))
    warped = warp(images, random_matrices(image, augment, whole, rng)[some], image.size_px)
    if augment.transforms:
        transform = build_transforms(augment.transforms, seed=int(rng.integers(2**31)))
        warped = np.stack([transform(image=one)["image"] for one in warped])
    return warped


def build_transforms(
    settings: list[dict[str, Any]], seed: int | None = None
) -> Callable[..., dict[str, Any]]:
    """Compose albumentations' transforms from settings that `check_transforms` has passed.

    Args:
        settings: one dict per transform, its `name` and arguments.
        seed: of all that the transforms draw.
    """
    return _albumentations().Compose([_make_transform(one) for one in settings], seed=seed)


def check_transforms(settings: list[dict[str, Any]]) -> None:
    """Refuse what albumentations does not know, before anything starts.

    Raises:
        InputError: unknown name, unknown argument, or a value out of range.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # it only warns of an unknown argument
        for setting in settings:
            try:
                _make_transform(setting)
            except (TypeError, ValueError, UserWarning) as error:
                reason = " ".join(str(error).split())[:150]
                name = setting.get("name")
                raise InputError(f"augment.transforms: {name}: {reason}") from None


def _make_transform(setting: dict[str, Any]) -> Any:
    arguments = dict(setting)
    name = str(arguments.pop("name", None))
    package = _albumentations()
    kind = getattr(package, name, None)
    if not (isinstance(kind, type) and issubclass(kind, package.BasicTransform)):
        raise InputError(f"augment.transforms: albumentations has no transform '{name}'")
    return kind(**arguments)


def _albumentations() -> ModuleType:
    """The package, imported only where a config uses it: that takes a second."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # or it asks the network for updates
    import albumentations

    return albumentations
