"""The trainer of a pretraining: its steps, their random streams, and its state.

Everything random depends only on (seed, epoch, step), as in `trainer`, so that an epoch that is
started again replays exactly.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from galaxyzoo.config.pretrain import PretrainConfig
from galaxyzoo.core.devices import autocast, get_device, place, prepare_to_train
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.geometry import to_tensor
from galaxyzoo.models.build import start_backbone
from galaxyzoo.training.augmentation import augment_batch
from galaxyzoo.training.loader import prefetch
from galaxyzoo.training.optim import build_optimizer, learning_rate
from galaxyzoo.training.pseudo_labels import read_rows
from galaxyzoo.training.self_supervision import SelfSupervised, target_momentum

# Below this share of a healthy spread, all projections are nearly the same: the mean cosine between
# those of two images is above 0.997.
_COLLAPSED = 0.05
_CALMER = "delete its folder and pretrain anew with a lower train.lr, with train.clip_norm"
Pair = tuple[Tensor, Tensor]


class Pretrainer:
    """The parts of a pretraining and the state that a checkpoint keeps.

    Args:
        config: the pretraining.
        images: arrays, each (image, cache_px, cache_px, 3) uint8, that count as one.
        initialise: whether to load pretrained weights (not needed where a checkpoint follows).
    Raises:
        InputError: fewer than two images, or a network that cannot be built or filled.
    """

    def __init__(
        self, config: PretrainConfig, images: Sequence[np.ndarray], initialise: bool = True
    ) -> None:
        self.config, self.images, self.device = config, images, get_device()
        self.count = sum(len(some) for some in images)
        if self.count < 2:
            raise InputError(f"{config.run}: there are too few images ({self.count})")
        self.train = config.train.as_train()
        prepare_to_train(self.device, self.train.deterministic)
        torch.manual_seed(_seed(config))
        size_px = config.image.size_px
        backbone, features, start = start_backbone(config.model, size_px, config.run, initialise)
        self.start = start.origin
        self.model = place(SelfSupervised(config, backbone, features, start), self.device)
        self.optimizer = build_optimizer(self.model, self.train)
        self.steps_per_epoch = math.ceil(self.count / self.train.batch_size)
        self.epoch = 0
        self.history: list[dict[str, Any]] = []

    def run_epoch(self, bar: tqdm) -> dict[str, Any]:
        """Train one epoch and add a row to the history.

        Raises:
            InputError: a loss or a weight is not finite, or the network has collapsed.
        """
        self.model.train()
        torch.manual_seed(_seed(self.config, self.epoch))  # dropout
        losses, sizes, spread = [], [], 0.0
        for step, (rows, views) in enumerate(self.batches()):
            loss, spread = self.step(self.epoch * self.steps_per_epoch + step, views)
            losses.append(loss)
            sizes.append(len(rows))
            bar.update()
        self._check_weights()
        self._check_spread(spread)
        self.epoch += 1
        row = {
            "epoch": self.epoch,
            "lr": self.optimizer.param_groups[0]["lr"],
            "loss": float(np.average(losses, weights=sizes)),
            "projection_std": spread,  # of the last batch
        }
        self.history.append(row)
        return row

    def step(self, number: int, views: Pair) -> tuple[float, float]:
        """One optimizer step; returns the batch's loss and the spread of its projections."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.train, number, self.steps_per_epoch)
        self.optimizer.zero_grad()
        first, second = (view.to(self.device, non_blocking=True) for view in views)
        with autocast(self.train.amp, self.device):
            loss, spread = self.model(first, second)
        if not math.isfinite(loss.item()):
            raise InputError(f"{self._where}: the loss is {loss.item()}: {_CALMER}")
        loss.backward()
        if self.train.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.train.clip_norm)
        self.optimizer.step()
        steps = self.train.epochs * self.steps_per_epoch
        self.model.update_target(target_momentum(self.config.momentum, number, steps))
        return loss.item(), spread.item()

    def batches(self) -> Iterator[tuple[np.ndarray, Pair]]:
        """This epoch's batches in order: rows of the images, and two views of each."""
        key = (self.train.seed, self.epoch)
        order = np.random.default_rng(key).permutation(self.count)
        # Nearly equal, and ascending, as in `trainer`.
        batches = [np.sort(rows) for rows in np.array_split(order, self.steps_per_epoch)]

        def prepare(step: int) -> Pair:
            # Not `step`: numpy takes a key's missing end for 0, which is the order's own stream.
            rng = np.random.default_rng((*key, step + 1))
            images, config = read_rows(self.images, batches[step]), self.config
            first, second = (
                to_tensor(augment_batch(images, config.image, config.augment, rng))
                for _ in range(2)
            )
            return first, second

        yield from zip(batches, prefetch(prepare, len(batches)), strict=True)

    def state(self) -> dict[str, Any]:
        """All that the next epoch depends on."""
        return {
            "digest": self.config.digest(),
            "epoch": self.epoch,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": self.history,
            "start": self.start,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.history, self.start = state["epoch"], state["history"], state["start"]

    @property
    def healthy_spread(self) -> float:
        """Spread of projections that point evenly in all directions."""
        return 1 / math.sqrt(self.config.projection.size)

    @property
    def _where(self) -> str:
        return f"{self.config.run}, epoch {self.epoch + 1}"

    def _check_weights(self) -> None:
        for name, tensor in self.model.state_dict().items():
            if not tensor.isfinite().all():
                raise InputError(f"{self._where}: weights in {name} are not finite: {_CALMER}")

    def _check_spread(self, spread: float) -> None:
        if spread < _COLLAPSED * self.healthy_spread:
            raise InputError(
                f"{self._where}: the network has collapsed, it gives all images the same "
                f"projection (standard deviation {spread:.2g}, about {self.healthy_spread:.2g} is "
                f"healthy): {_CALMER}, a larger train.batch_size or stronger augment settings"
            )


def _seed(config: PretrainConfig, epoch: int = -1) -> int:
    """A seed for torch that differs for every (seed, epoch)."""
    return int(np.random.SeedSequence((config.train.seed, epoch + 1)).generate_state(1)[0])
