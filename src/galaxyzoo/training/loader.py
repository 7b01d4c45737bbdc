"""Batches of one fold: their order, augmentation and targets, on the device that trains.

A batch depends on (seed, fold, epoch, step) alone.
"""

import math
import os
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from galaxyzoo.config.schema import AugmentConfig, Config, ImageConfig
from galaxyzoo.core import devices, parallel
from galaxyzoo.core.console import warn_once
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.geometry import grid_matrices, sample, to_tensor, warp, warp_matrices
from galaxyzoo.training.fold_data import FoldData

_SHARE = 0.5  # of the free memory that images may take
_TWIN = "RandomBrightnessContrast"
_LIMITS = {"brightness_limit": (-0.2, 0.2), "contrast_limit": (-0.2, 0.2)}  # albumentations 2.0.8
_PROBABILITY = 0.5


class Batch(NamedTuple):
    """Images and targets of one optimizer step."""

    rows: np.ndarray  # (B,) of the fold's data
    images: Tensor  # (B, 3, H, W) uint8
    targets: Tensor  # (B, column)


class PendingBatch(NamedTuple):
    """Images' rows and random numbers of a batch; `make_on_device` turns it into a `Batch`."""

    rows: np.ndarray  # (B,) of the fold's data
    source: Tensor  # (B,) rows of the images on the device
    matrices: Tensor  # (B, 2, 3) as of `grid_matrices`
    gains: Tensor  # (B, transform) float32 factors of the pixels
    offsets: Tensor  # (B, transform) float32, of 255, added then
    targets: Tensor  # (B, column)


def is_made_on_device(augment: AugmentConfig) -> bool:
    """Check whether the device can make all transforms; others need the processor."""
    known = {"name", "p", *_LIMITS}
    return all(setting["name"] == _TWIN and known >= {*setting} for setting in augment.transforms)


def draw_batch(
    config: Config, rows: np.ndarray, targets: Tensor, rng: np.random.Generator
) -> PendingBatch:
    """Draw a batch's warps, and its brightness and contrast as albumentations does.

    Args:
        rows: (B,) of the fold's data.
        targets: (B, column) of the rows.
    Source: albumentations 2.0.8, RandomBrightnessContrast with `brightness_by_max`.
    """
    count, image, augment = len(rows), config.image, config.augment
    matrices = random_matrices(image, augment, count, rng)
    grids = grid_matrices(matrices, image.cache_px, image.size_px)
    gains = np.ones((count, len(augment.transforms)), np.float32)
    offsets = np.zeros_like(gains)
    for number, transform in enumerate(augment.transforms):
        is_taken = rng.random(count) < transform.get("p", _PROBABILITY)
        brightness, contrast = (_limits(transform, name) for name in _LIMITS)
        gains[:, number] += is_taken * rng.uniform(*contrast, count)
        offsets[:, number] += is_taken * rng.uniform(*brightness, count)
    source, grid, gain, offset = map(torch.from_numpy, (rows, grids, gains, offsets))
    return PendingBatch(rows, source, grid, gain, offset, targets)


def _limits(transform: dict[str, Any], name: str) -> tuple[float, float]:
    value = transform.get(name, _LIMITS[name])
    return (-value, value) if isinstance(value, int | float) else tuple(value)


def put_on_device(images: np.ndarray, device: torch.device) -> Tensor | None:
    """Put images on the device; None where they need more than half of a GPU's free memory.

    Args:
        images: (image, cache_px, cache_px, 3) uint8.
    Returns:
        (image, 3, cache_px, cache_px) uint8.
    """
    is_gpu = device.type == "cuda"
    if is_gpu and images.nbytes > _SHARE * torch.cuda.mem_get_info(device)[0]:
        return None
    return to_tensor(np.array(images)).to(device)


def make_on_device(batch: PendingBatch, images: Tensor, size_px: int) -> Batch:
    """Warp and transform a batch that is on the device.

    Args:
        batch: from `draw_batch`.
        images: from `put_on_device`.
        size_px: side of the batch's images.
    Returns:
        The batch; its images are (B, 3, size_px, size_px) uint8 in channels-last memory order.
    """
    made = sample(images[batch.source], batch.matrices, size_px)
    for gain, offset in zip(batch.gains.T, batch.offsets.T, strict=True):
        factor, more = (values[:, None, None, None] for values in (gain, 255 * offset))
        made = (made * factor + more).clamp(0, 255).to(torch.uint8)
    made = made.contiguous(memory_format=torch.channels_last)
    return Batch(batch.rows, made, batch.targets)


_TRIALS = 8  # runs of each transform: some draw their output size at random


def random_matrices(
    image: ImageConfig, augment: AugmentConfig, count: int, rng: np.random.Generator
) -> np.ndarray:
    """(count, 2, 3) random warps: angle, shift uniform; zoom log-uniform; half mirrored."""
    angles = rng.uniform(-augment.rotate_deg, augment.rotate_deg, count)
    zooms = np.exp(rng.uniform(-np.log(augment.zoom), np.log(augment.zoom), count))
    shifts = rng.uniform(-augment.shift_px, augment.shift_px, (count, 2))
    flips = (rng.random(count) < 0.5) & augment.flip
    return warp_matrices(image, angles, flips, zooms, shifts)


def augment_batch(
    images: np.ndarray, image: ImageConfig, augment: AugmentConfig, rng: np.random.Generator
) -> np.ndarray:
    """Warp and transform a training batch; the result depends on the arguments alone.

    Args:
        images: (B, cache_px, cache_px, 3) uint8.
    Returns:
        (B, size_px, size_px, 3) uint8.
    """
    warped = warp(images, random_matrices(image, augment, len(images), rng), image.size_px)
    if augment.transforms:
        transform = build_transforms(augment.transforms, seed=int(rng.integers(2**31)))
        warped = np.stack([transform(image=picture)["image"] for picture in warped])
    return warped


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


def check_transforms(settings: list[dict[str, Any]], size_px: int) -> None:
    """Refuse, before training, transforms that are unknown or change an image's shape or dtype.

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
            forms = {(changed.dtype, changed.shape) for changed in tried}
            if forms != {(image.dtype, image.shape)}:
                raise InputError(
                    f"augment.transforms: {name}: the output must stay uint8 (H, W, 3) at "
                    "image.size_px, as the network normalizes it"
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
    """Import albumentations only if a config uses it: that takes a second."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # or it asks the network for updates
    import albumentations

    return albumentations


class BatchLoader:
    """Make a fold's batches ahead of the steps, on the processor or the GPU.

    Args:
        sampling: (column,) weights of classes, by which galaxies are drawn; None: every galaxy
            comes once an epoch.
    """

    def __init__(
        self, config: Config, data: FoldData, device: torch.device, sampling: np.ndarray | None
    ) -> None:
        self.config, self.data, self.device, self.sampling = config, data, device, sampling
        self.targets = torch.from_numpy(data.targets.astype(np.float32))
        self.on_device: Tensor | None = None  # all images; else the processor makes batches
        if device.type == "cuda" and not is_made_on_device(config.augment):
            warn_once("augment.transforms run on the CPU, one image at a time")
        elif device.type == "cuda":
            self.on_device = put_on_device(data.cache.images, device)
            if self.on_device is None:
                warn_once("the images do not fit on the GPU, so the CPU prepares the batches")

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        galaxies = len(self.data.train_rows)  # batch norm needs two at a time
        return min(math.ceil(galaxies / self.config.train.batch_size), galaxies // 2)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Batches of an epoch, from 0 on, in order and on the device."""
        key = (self.config.train.seed, self.data.part.stream, number)
        order = self._draw_order(np.random.default_rng(key))
        # Of nearly equal size: no tiny last batch for batch norm. Rows ascend: the cache is read
        # forwards.
        batches = [np.sort(rows) for rows in np.array_split(order, self.steps)]

        def make(step: int) -> Any:
            # Not `step`: numpy takes a key's missing end for 0, which is the order's own stream.
            return self._make(batches[step], np.random.default_rng((*key, step + 1)))

        sent = devices.prefetch_to_device(parallel.prefetch(make, range(len(batches))), self.device)
        if self.on_device is None:
            return sent
        images, size_px = self.on_device, self.config.image.size_px
        return (make_on_device(batch, images, size_px) for batch in sent)

    def _make(self, rows: np.ndarray, rng: np.random.Generator) -> Batch | PendingBatch:
        """Make a batch on the processor, or collect what the device needs for one."""
        config, targets = self.config, self.targets[rows]
        if self.on_device is not None:
            return draw_batch(config, rows, targets, rng)
        images = augment_batch(self.data.cache.images[rows], config.image, config.augment, rng)
        return Batch(rows, to_tensor(images), targets)

    def _draw_order(self, rng: np.random.Generator) -> np.ndarray:
        """(galaxy,) rows of one epoch in random order."""
        rows = self.data.train_rows
        if self.sampling is None:
            return rng.permutation(rows)
        weights = self.data.targets[rows] @ self.sampling
        return rng.choice(rows, len(rows), p=weights / weights.sum())
