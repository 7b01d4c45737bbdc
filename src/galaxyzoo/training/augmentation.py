"""Augment training batches: one random warp, albumentations' transforms, mixup and CutMix."""

import os
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import cv2
import numpy as np

from galaxyzoo.config.schema import AugmentConfig, ImageConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.geometry import warp, warp_matrix

_TRIALS = 8  # of a transform, some of which draw the size that they give an image


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


def augment_batch(
    images: np.ndarray,
    image: ImageConfig,
    augment: AugmentConfig,
    rng: np.random.Generator,
    part: tuple[int, slice] | None = None,
) -> np.ndarray:
    """Warp and transform a training batch, depending on the arguments alone.

    Args:
        images: (B, cache_px, cache_px, 3) uint8.
        part: size of the whole batch, and the slice of it that the images are; default all.
    Returns:
        (B, size_px, size_px, 3) uint8; a part has the warps that it has in the whole batch.
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
    """Compose albumentations' transforms from checked settings, each a `name` and arguments."""
    return _albumentations().Compose([_make_transform(one) for one in settings], seed=seed)


def check_transforms(settings: list[dict[str, Any]], size_px: int) -> None:
    """Refuse, before anything starts, unknown transforms, and such as change an image's form.

    Args:
        size_px: side of the training images, of which one is transformed several times.
    """
    image = np.random.default_rng(0).integers(0, 256, (size_px, size_px, 3), np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # it only warns of an unknown argument
        for setting in settings:
            name = setting.get("name")
            try:
                _make_transform(setting)
                always = build_transforms([{**setting, "p": 1.0}], seed=0)
                tried = [always(image=image.copy())["image"] for _ in range(_TRIALS)]
            except InputError:
                raise
            except Exception as error:  # noqa: BLE001 - transforms check their input in many ways
                reason = " ".join(str(error).split())[:150] or type(error).__name__
                raise InputError(f"augment.transforms: {name}: {reason}") from None
            if any((some.dtype, some.shape) != (image.dtype, image.shape) for some in tried):
                raise InputError(
                    f"augment.transforms: {name}: a transform must keep uint8 (H, W, 3) of "
                    "image.size_px; the network normalises"
                )


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


def mix_batch(
    images: np.ndarray, targets: np.ndarray, augment: AugmentConfig, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mix each image and target of a batch with another one of it by mixup or CutMix.

    With both on, half of the batches get the one and half the other. The shares are drawn for each
    image. The tree's sums are linear in the votes, so mixed votes obey the decision tree too.

    Args:
        images: (B, H, W, 3) uint8.
        targets: (B, column) float, of the same galaxies.
        rng: not used where mixing is off.
    Returns:
        Mixed images, uint8, and targets, of the given shapes and types.
    Source: Zhang et al. 2018 (ICLR), mixup; Yun et al. 2019 (ICCV), CutMix.
    """
    if not (augment.mixup or augment.cutmix):
        return images, targets
    partners = rng.permutation(len(images))
    both = augment.mixup > 0 and augment.cutmix > 0
    cut = rng.random() < 0.5 if both else augment.cutmix > 0
    alpha = augment.cutmix if cut else augment.mixup
    shares = rng.beta(alpha, alpha, len(images))
    if cut:
        images, shares = _paste(images, partners, shares, rng)
    else:
        images = _blend(images, partners, shares)
    own = shares[:, None].astype(targets.dtype)
    return images, own * targets + (1 - own) * targets[partners]


def _blend(images: np.ndarray, partners: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Weighted mean of each image and its partner, rounded."""
    pairs = zip(images, images[partners], shares, strict=True)
    return np.stack([cv2.addWeighted(own, s, other, 1 - s, 0) for own, other, s in pairs])


def _paste(
    images: np.ndarray, partners: np.ndarray, shares: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Paste a box of its partner over each image; returns the images and their remaining shares.

    The box has about the image's shape and 1 - share of its area, and its centre anywhere; the part
    of it outside the image is cut off, and the share goes up.
    """
    mixed, left = images.copy(), np.ones(len(images))
    size = np.array(images.shape[1:3])
    centres = rng.integers(0, size, (len(images), 2))
    halves = np.sqrt(1 - shares)[:, None] * size / 2
    starts = np.clip(np.rint(centres - halves), 0, size).astype(int)
    ends = np.clip(np.rint(centres + halves), 0, size).astype(int)
    for i, ((top, start), (bottom, end)) in enumerate(zip(starts, ends, strict=True)):
        mixed[i, top:bottom, start:end] = images[partners[i], top:bottom, start:end]
        left[i] -= (bottom - top) * (end - start) / size.prod()
    return mixed, left
