"""SimSiam: a network learns from unlabelled images that two random views of a galaxy are alike.

A predictor estimates the projection of one view from that of the other. No gradient passes through
the estimated projection, else all images would soon have the same.

Everything random depends only on (seed, epoch, step), as in `trainer`, so an epoch that is started
again replays exactly.

Source: Chen & He 2021 (CVPR), "Exploring simple Siamese representation learning".
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from galaxyzoo.config.pretrain import PretrainConfig
from galaxyzoo.core.devices import autocast, get_device, place, prepare_to_train
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.geometry import to_tensor
from galaxyzoo.models.build import start_backbone
from galaxyzoo.models.pretrained import PretrainedWeights
from galaxyzoo.training.augmentation import augment_batch
from galaxyzoo.training.loader import prefetch
from galaxyzoo.training.optim import build_optimizer, learning_rate
from galaxyzoo.training.pseudo_labels import read_rows

# Below this share of a healthy spread, all projections are nearly the same: the mean cosine between
# those of two images is above 0.997.
_COLLAPSED = 0.05
_HINT = "delete its folder and pretrain anew with a lower train.lr, with train.clip_norm"
_PROJECTOR = "projector."
Pair = tuple[Tensor, Tensor]  # two views of each image of a batch, (B, 3, H, W) each


class Encoder(nn.Module):
    """Backbone and projector; takes raw images, as `GalaxyNet` does."""

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: nn.Module, projector: nn.Module, start: PretrainedWeights) -> None:
        super().__init__()
        self.backbone, self.projector = backbone, projector
        self.register_buffer("mean", 255 * torch.tensor(start.mean).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(start.std).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) images, values 0 to 255 -> (B, size) projections."""
        return self.projector(self.backbone((images.float() - self.mean) / self.std))

    def backbone_weights(self) -> dict[str, Tensor]:
        """Backbone and normalisation, in the form that `fill_network` takes."""
        state = self.state_dict()
        return {name: value for name, value in state.items() if not name.startswith(_PROJECTOR)}


class SimSiam(nn.Module):
    """Encoder and predictor.

    Args:
        config: the pretraining.
        backbone: network without a classifier.
        features: number of its features.
        start: the normalisation that it expects.
    """

    def __init__(
        self, config: PretrainConfig, backbone: nn.Module, features: int, start: PretrainedWeights
    ) -> None:
        super().__init__()
        hidden, size = config.projection.hidden, config.projection.size
        last = nn.Linear(hidden, size, bias=False), nn.BatchNorm1d(size, affine=False)
        projector = nn.Sequential(*_layer(features, hidden), *_layer(hidden, hidden), *last)
        self.encoder = Encoder(backbone, projector, start)
        inner = config.projection.predictor or max(1, size // 4)
        self.predictor = nn.Sequential(*_layer(size, inner), nn.Linear(inner, size))

    def forward(self, first: Tensor, second: Tensor) -> Pair:
        """The loss of a batch, and the spread of its projections.

        Args:
            first: (B, 3, H, W) one view of each image.
            second: (B, 3, H, W) another.
        Returns:
            Mean negative cosine, in [-1, 1], and the mean of `spread` over both views.
        """
        projections = self.encoder(first), self.encoder(second)
        targets = [some.detach() for some in projections]
        estimates = [self.predictor(some) for some in projections]
        agreement = mean_cosine(estimates[0], targets[1]) + mean_cosine(estimates[1], targets[0])
        return -agreement / 2, (spread(targets[0]) + spread(targets[1])) / 2


def mean_cosine(estimates: Tensor, targets: Tensor) -> Tensor:
    """Mean cosine of the angle between (B, size) vectors, in [-1, 1]."""
    return functional.cosine_similarity(estimates.float(), targets.float(), dim=1).mean()


def spread(projections: Tensor) -> Tensor:
    """Standard deviation over the images of (B, size) projections of length 1, mean over `size`.

    About 1 / sqrt(size) where they point in all directions, 0 where all are the same.
    """
    return functional.normalize(projections.float(), dim=1).std(dim=0).mean()


def _layer(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()]


class Pretrainer:
    """A pretraining's network and the state that a checkpoint keeps.

    Args:
        config: the pretraining.
        images: arrays, each (image, cache_px, cache_px, 3) uint8, that count as one.
        initialise: whether to load pretrained weights (not needed before a checkpoint is loaded).
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
        self.model = place(SimSiam(config, backbone, features, start), self.device)
        self.optimizer = build_optimizer(self.model, self.train)
        self.steps_per_epoch = math.ceil(self.count / self.train.batch_size)
        self.epoch = 0
        self.history: list[dict[str, Any]] = []

    def run_epoch(self, bar: tqdm) -> dict[str, Any]:
        """Train one epoch and add a row to the history; refuse numbers that are not finite."""
        self.model.train()
        torch.manual_seed(_seed(self.config, self.epoch))  # dropout
        losses, sizes, last_spread = [], [], 0.0
        for step, (rows, views) in enumerate(self.batches()):
            loss, last_spread = self.step(self.epoch * self.steps_per_epoch + step, views)
            losses.append(loss)
            sizes.append(len(rows))
            bar.update()
        self._check_weights()
        self._check_spread(last_spread)
        self.epoch += 1
        row = {
            "epoch": self.epoch,
            "lr": self.optimizer.param_groups[0]["lr"],
            "loss": float(np.average(losses, weights=sizes)),
            "projection_std": last_spread,
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
            loss, found = self.model(first, second)
        if not math.isfinite(loss.item()):
            raise InputError(f"{self._where}: the loss is {loss.item()}: {_HINT}")
        loss.backward()
        if self.train.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.train.clip_norm)
        self.optimizer.step()
        return loss.item(), found.item()

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
                raise InputError(f"{self._where}: weights in {name} are not finite: {_HINT}")

    def _check_spread(self, found: float) -> None:
        if found < _COLLAPSED * self.healthy_spread:
            raise InputError(
                f"{self._where}: the network has collapsed, it gives all images the same "
                f"projection (standard deviation {found:.2g}, about {self.healthy_spread:.2g} is "
                f"healthy): {_HINT}, a larger train.batch_size or stronger augment settings"
            )


def _seed(config: PretrainConfig, epoch: int = -1) -> int:
    """A seed for torch that differs for every (seed, epoch)."""
    return int(np.random.SeedSequence((config.train.seed, epoch + 1)).generate_state(1)[0])
