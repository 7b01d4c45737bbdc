"""Augmentation of training images by the processor: random warps, then albumentations."""

import difflib
import os
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from galaxyzoo.config.schema import AugmentConfig, Config, ImageConfig
from galaxyzoo.core.errors import InputError, located
from galaxyzoo.data.geometry import warp, warp_matrices

_BASES = "BasicTransform", "DualTransform", "ImageOnlyTransform", "Transform3D"  # classes alone
_TRIALS = 8  # runs of each transform: some draw their output size at random


def random_matrices(
    image: ImageConfig,
    augment: AugmentConfig,
    count: int,
    rng: np.random.Generator,
    scales: np.ndarray | float = 1.0,
) -> np.ndarray:
    """(count, 2, 3) random warps: angle, shift uniform; zoom log-uniform; half mirrored.

    Args:
        scales: (count,) factors of the zooms, where images show more or less of the sky.
    """
    angles = rng.uniform(-augment.rotate_deg, augment.rotate_deg, count)
    zooms = np.exp(rng.uniform(-np.log(augment.zoom), np.log(augment.zoom), count)) * scales
    shifts = rng.uniform(-augment.shift_px, augment.shift_px, (count, 2))
    flips = (rng.random(count) < 0.5) & augment.flip
    return warp_matrices(image, angles, flips, zooms, shifts)


def augment_batch(
    images: np.ndarray,
    image: ImageConfig,
    augment: AugmentConfig,
    rng: np.random.Generator,
    scales: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Warp and transform a training batch; the result depends on the arguments alone.

    Args:
        images: (B, cache_px, cache_px, 3) uint8.
        scales: (B,) as of `random_matrices`.
    Returns:
        (B, size_px, size_px, 3) uint8.
    """
    matrices = random_matrices(image, augment, len(images), rng, scales)
    warped = warp(images, matrices, image.size_px)
    if not augment.transforms:
        return warped
    transform = build_transforms(augment.transforms, seed=int(rng.integers(2**31)))
    return np.stack([transform(image=picture)["image"] for picture in warped])


def build_transforms(settings: list[dict[str, Any]], seed: int) -> Callable[..., dict[str, Any]]:
    """Compose albumentations' transforms from checked settings, each a `name` and arguments.

    `Compose` gives all of them its seed, so two flips would happen both or not at all. The first
    keeps it, and the others get seeds of their own.
    """
    transforms = [_make_transform(setting) for setting in settings]
    composed = _albumentations().Compose(transforms, seed=seed)
    for number, transform in enumerate(transforms[1:], start=1):
        transform.set_random_seed(int(np.random.default_rng((seed, number)).integers(2**31)))
    return composed


def check_transforms(config: Config) -> None:
    """Refuse, before training, transforms that are unknown or change an image's shape or dtype.

    A random image of the size that is trained on is transformed several times.

    Raises:
        InputError: names the run, the transform, and what albumentations says about it.
    """
    with located(config.title):
        _try_transforms(config)


def _try_transforms(config: Config) -> None:
    size_px = config.image.size_px
    image = np.random.default_rng(0).integers(0, 256, (size_px, size_px, 3), np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # it only warns of an unknown argument
        for setting in config.augment.transforms:
            key = f"augment.transforms: {setting.get('name')}"
            try:
                _make_transform(setting)
                is_kept = _keeps_form(setting, image)
            except InputError:
                raise
            except Exception as error:  # noqa: BLE001 - transforms check their input in many ways
                reason = " ".join(str(error).split())[:150] or type(error).__name__
                raise InputError(f"{key}: {reason}") from None
            if not is_kept:
                raise InputError(
                    f"{key}: the output must stay uint8 (H, W, 3) at image.size_px, as the "
                    "network normalizes it"
                )


def _keeps_form(setting: dict[str, Any], image: np.ndarray) -> bool:
    """Check by trials that a transform changes neither shape nor dtype of an image."""
    transform = build_transforms([{**setting, "p": 1.0}], seed=0)
    for _ in range(_TRIALS):
        changed = transform(image=image.copy())["image"]
        if changed.dtype != image.dtype or changed.shape != image.shape:
            return False
    return True


def _make_transform(setting: dict[str, Any]) -> Any:
    """Make albumentations' transform of that name; an InputError says that there is none.

    Its arguments may raise anything.
    """
    arguments = dict(setting)
    name = str(arguments.pop("name", None))
    if not _is_transform(name):
        known = filter(_is_transform, dir(_albumentations()))
        near = difflib.get_close_matches(name, known)
        hint = f": did you mean {' or '.join(near)}?" if near else ""
        raise InputError(f"augment.transforms: albumentations has no transform '{name}'{hint}")
    return getattr(_albumentations(), name)(**arguments)


def _is_transform(name: str) -> bool:
    """Check whether albumentations has a transform of that name, not one that combines others."""
    package = _albumentations()
    kind = getattr(package, name, None)
    is_transform = isinstance(kind, type) and issubclass(kind, package.BasicTransform)
    return is_transform and name not in _BASES


def _albumentations() -> ModuleType:
    """Import albumentations only if a config uses it: that takes a second."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # or it asks the network for updates
    import albumentations

    return albumentations
