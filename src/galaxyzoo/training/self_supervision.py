"""Networks that learn from images alone: two random views of a galaxy are to be told alike.

Of one view a predictor guesses the projection of the other. No gradient goes through what is
guessed, else all images would soon have the same projection.

Source: SimSiam (Chen & He 2021, CVPR) and BYOL (Grill et al. 2020, NeurIPS); own implementation.
"""

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from galaxyzoo.config.pretrain import PretrainConfig
from galaxyzoo.models.pretrained import PretrainedWeights

_PROJECTOR = "projector."


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


class SelfSupervised(nn.Module):
    """The network that learns, its predictor and, of BYOL, its moving average.

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
        self.method, sizes = config.method, config.projection
        self.online = Encoder(backbone, _build_projector(config, features), start)
        default = sizes.hidden if self.method == "byol" else max(1, sizes.size // 4)
        hidden = sizes.predictor or default
        self.predictor = nn.Sequential(*_layer(sizes.size, hidden), nn.Linear(hidden, sizes.size))
        self.target: Encoder | None = None
        if self.method == "byol":
            self.target = copy.deepcopy(self.online).requires_grad_(False)

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of a batch, and how far its projections are spread.

        Args:
            first: (B, 3, H, W) one view of each image.
            second: (B, 3, H, W) another.
        Returns:
            The loss: SimSiam's mean negative cosine, in [-1, 1]; BYOL's sum of squared distances,
            in [0, 8]. And the standard deviation of projections of length 1 over the images, mean
            over their numbers: about 1 / sqrt(size) where they differ, 0 where all are the same.
        """
        ours = self.online(first), self.online(second)
        theirs = self._targets(first, second, *ours)
        guesses = [self.predictor(some) for some in ours]
        agreement = (alikeness(guesses[0], theirs[1]) + alikeness(guesses[1], theirs[0])) / 2
        loss = 4 - 4 * agreement if self.method == "byol" else -agreement
        return loss, (spread(ours[0].detach()) + spread(ours[1].detach())) / 2

    @torch.no_grad()
    def update_target(self, momentum: float) -> None:
        """Move BYOL's target: momentum × target + (1 - momentum) × online, parameter by parameter.

        Norms' statistics are not averaged: the target gathers its own.
        """
        if self.target is None:
            return
        pairs = zip(self.target.parameters(), self.online.parameters(), strict=True)
        for target, online in pairs:
            target.lerp_(online, 1 - momentum)

    def _targets(self, first: Tensor, second: Tensor, *ours: Tensor) -> tuple[Tensor, Tensor]:
        """(B, size) what is to be guessed of each view; no gradient goes through it."""
        if self.target is None:
            return ours[0].detach(), ours[1].detach()
        with torch.no_grad():
            return self.target(first), self.target(second)


def alikeness(guesses: Tensor, targets: Tensor) -> Tensor:
    """Mean cosine of the angle between (B, size) vectors, in [-1, 1]."""
    return F.cosine_similarity(guesses.float(), targets.float(), dim=1).mean()


def spread(projections: Tensor) -> Tensor:
    """Standard deviation over the images of (B, size) projections of length 1, mean over `size`."""
    return F.normalize(projections.float(), dim=1).std(dim=0).mean()


def target_momentum(first: float, step: int, steps: int) -> float:
    """Momentum of BYOL's target at a step: from the first, along half a cosine, up to 1.

    Args:
        first: of step 0.
        step: number of the step, from 0.
        steps: of the whole pretraining.
    """
    return 1 - (1 - first) * (math.cos(math.pi * step / steps) + 1) / 2


def _build_projector(config: PretrainConfig, features: int) -> nn.Sequential:
    """SimSiam's three layers, the last one normed too; BYOL's two."""
    hidden, size = config.projection.hidden, config.projection.size
    if config.method == "byol":
        return nn.Sequential(*_layer(features, hidden), nn.Linear(hidden, size))
    last = nn.Linear(hidden, size, bias=False), nn.BatchNorm1d(size, affine=False)
    return nn.Sequential(*_layer(features, hidden), *_layer(hidden, hidden), *last)


def _layer(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()]
