"""Batches of one fold: their order, augmentation and targets, on the device that trains.

A batch depends on (seed, fold, epoch, step) alone.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from galaxyzoo.config.schema import Config
from galaxyzoo.core.console import say_once
from galaxyzoo.core.devices import prefetch_to_device
from galaxyzoo.core.parallel import prefetch
from galaxyzoo.data.geometry import to_tensor
from galaxyzoo.training import augmentation, device_input
from galaxyzoo.training.fold_data import FoldData


class BatchLoader:
    """Make a fold's batches ahead of the steps, on the processor or the GPU.

    Args:
        sampling: (column,) weights of classes, by which galaxies are drawn; None: every galaxy
            comes once an epoch.
    """

    def __init__(
        self,
        config: Config,
        data: FoldData,
        device: torch.device,
        sampling: np.ndarray | None = None,
    ) -> None:
        self.config, self.data, self.device, self.sampling = config, data, device, sampling
        wanted = data.targets if data.soft_targets is None else data.soft_targets
        self.targets = torch.from_numpy(wanted.astype(np.float32))
        self.on_device: device_input.DeviceInput | None = None  # else the processor makes batches
        if device.type == "cuda" and not device_input.is_made_on_device(config.augment):
            say_once("augment.transforms: made by the processor, image by image, not by the GPU")
        elif device.type == "cuda":
            self.on_device = device_input.DeviceInput.on(
                device, data.cache.images, config.image.size_px
            )
            if self.on_device is None:
                say_once("the images do not fit on the GPU: batches are made by the processor")

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return math.ceil(len(self.data.train_rows) / self.config.train.batch_size)

    def epoch(self, number: int) -> Iterator[device_input.Batch]:
        """Batches of an epoch, from 0 on, in order and on the device."""
        key = (self.config.train.seed, self.data.fold, number)
        order = self._draw_order(np.random.default_rng(key))
        # Of nearly equal size: no tiny last batch for batch norm. Rows ascend: the cache is read
        # forwards.
        batches = [np.sort(rows) for rows in np.array_split(order, self.steps)]

        def make(step: int) -> Any:
            # Not `step`: numpy takes a key's missing end for 0, which is the order's own stream.
            return self._make(batches[step], np.random.default_rng((*key, step + 1)))

        sent = prefetch_to_device(prefetch(make, len(batches)), self.device)
        yield from map(self.on_device.make, sent) if self.on_device else sent

    def _make(
        self, rows: np.ndarray, rng: np.random.Generator
    ) -> device_input.Batch | device_input.PendingBatch:
        """Make a batch on the processor, or collect what the device needs for one."""
        augment, image = self.config.augment, self.config.image
        if self.on_device is not None:
            draws = device_input.draw(image, augment, len(rows), rng)
            return self.on_device.prepare(rows, draws, self.targets[rows])
        images = augmentation.augment_batch(self.data.cache.images[rows], image, augment, rng)
        return device_input.Batch(rows, to_tensor(images), self.targets[rows])

    def _draw_order(self, rng: np.random.Generator) -> np.ndarray:
        """(galaxy,) rows of one epoch in random order."""
        rows = self.data.train_rows
        if self.sampling is None:
            return rng.permutation(rows)
        weights = self.data.targets[rows] @ self.sampling
        return rng.choice(rows, len(rows), p=weights / weights.sum())
