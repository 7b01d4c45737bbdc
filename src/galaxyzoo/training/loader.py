"""Batches of one fold in the order of training, on the device that trains.

A batch depends on (seed, fold, epoch, step) alone.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from galaxyzoo.config.schema import Config
from galaxyzoo.core import transfer
from galaxyzoo.core.console import warn_once
from galaxyzoo.core.prefetch import prefetch
from galaxyzoo.data.geometry import to_tensor
from galaxyzoo.training.augmentation import augment_batch
from galaxyzoo.training.device_augmentation import (
    PendingBatch,
    augment_on_device,
    draw_batch,
    has_device_transforms,
    put_on_device,
)
from galaxyzoo.training.fold_data import FoldData


class Batch(NamedTuple):
    """Images and targets of one optimizer step."""

    rows: np.ndarray  # (B,) of the fold's data
    images: Tensor  # (B, 3, H, W) uint8
    targets: Tensor  # (B, column)


class BatchLoader:
    """Make a fold's batches ahead of the steps, on the processor or the GPU.

    Args:
        sampling: (column,) weights of classes, by which galaxies are drawn; None: every galaxy
            comes once an epoch.
    """

    def __init__(
        self, config: Config, data: FoldData, device: torch.device, sampling: np.ndarray | None
    ) -> None:
        self.config = config
        self.data = data
        self.device = device
        self.sampling = sampling
        self.targets = torch.from_numpy(data.targets.astype(np.float32))
        self.on_device: Tensor | None = None  # all images; else the processor makes batches
        if device.type != "cuda":
            return
        if not has_device_transforms(config.augment):
            warn_once("augment.transforms run on the CPU, one image at a time")
            return
        self.on_device = put_on_device(data.images, device)
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

        def prepare(step: int) -> Any:
            # Not `step`: numpy takes a key's missing end for 0, which is the order's own stream.
            return self._prepare(batches[step], np.random.default_rng((*key, step + 1)))

        prepared = prefetch(prepare, range(len(batches)))
        sent = transfer.prefetch_to_device(prepared, self.device)
        if self.on_device is None:
            return sent
        return self._augment(sent, self.on_device)

    def _prepare(self, rows: np.ndarray, rng: np.random.Generator) -> Batch | PendingBatch:
        """Make a batch on the processor, or collect what the device needs for one."""
        config = self.config
        targets = self.targets[rows]
        scales = self.data.scales_of(rows)
        if self.on_device is not None:
            return draw_batch(config, rows, targets, rng, scales)
        images = augment_batch(self.data.read(rows), config.image, config.augment, rng, scales)
        return Batch(rows, to_tensor(images), targets)

    def _augment(self, batches: Iterable[PendingBatch], images: Tensor) -> Iterator[Batch]:
        """Make the batches' images on the device."""
        for batch in batches:
            augmented = augment_on_device(batch, images, self.config.image.size_px)
            yield Batch(batch.rows, augmented, batch.targets)

    def _draw_order(self, rng: np.random.Generator) -> np.ndarray:
        """(galaxy,) rows of one epoch in random order."""
        rows = self.data.train_rows
        if self.sampling is None:
            return rng.permutation(rows)
        weights = self.data.targets[rows] @ self.sampling
        return rng.choice(rows, len(rows), p=weights / weights.sum())
