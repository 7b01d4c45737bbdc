"""SimSiam: a network learns from images without labels that two views of a galaxy are alike.

A predictor estimates the projection of one view from that of the other. No gradient passes through
the estimated projection, else all images would soon have the same.

Source: Chen & He 2021 (CVPR), "Exploring simple Siamese representation learning".
"""

import copy
import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from galaxyzoo.config.schema import Config
from galaxyzoo.core import distributed
from galaxyzoo.core.devices import autocast
from galaxyzoo.core.errors import FoldError
from galaxyzoo.data.geometry import to_tensor
from galaxyzoo.models.build import GalaxyNet, start_backbone
from galaxyzoo.models.losses import disagreement
from galaxyzoo.models.pretrained import PretrainedWeights
from galaxyzoo.training.augmentation import augment_batch
from galaxyzoo.training.loader import Batch
from galaxyzoo.training.trainer import Trainer

_HIDDEN, _SIZE, _INNER = 512, 256, 64  # units of the projector's and predictor's layers
# Below this share of a healthy spread, all projections are nearly the same: the mean cosine between
# those of two images is above 0.997.
_COLLAPSED = 0.05
_PART = 256  # validation images at a time


class SimSiam(GalaxyNet):
    """Backbone, projector and predictor; these two are its head, so no later stage has them."""

    def __init__(
        self, config: Config, backbone: nn.Module, features: int, start: PretrainedWeights
    ) -> None:
        super().__init__(config, backbone, features, start)
        last = nn.Linear(_HIDDEN, _SIZE, bias=False), nn.BatchNorm1d(_SIZE, affine=False)
        projector = nn.Sequential(*_layer(features, _HIDDEN), *_layer(_HIDDEN, _HIDDEN), *last)
        predictor = nn.Sequential(*_layer(_SIZE, _INNER), nn.Linear(_INNER, _SIZE))
        self.head = nn.Sequential(projector, predictor)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 2, 3, H, W) two views of each image -> (B, 4, size): two estimates, two projections.

        The first estimate is of the second projection, and the other way round.
        """
        projector, predictor = self.head
        projections = [projector(self.features(view)) for view in images.unbind(dim=1)]
        estimates = [predictor(one) for one in projections]
        return torch.stack([*estimates, *(one.detach() for one in projections)], dim=1)


def _layer(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()]


def spread(outputs: Tensor) -> float:
    """Standard deviation of the projections' directions over the images, 1 where all differ.

    In units of that of directions that are even, 1 / sqrt(size); 0 where all are the same.
    """
    projections = functional.normalize(outputs[:, 2:].float(), dim=2)
    return projections.std(dim=0).mean().item() * math.sqrt(outputs.shape[2])


class SelfSupervisedTrainer(Trainer):
    """Training of a fold's galaxies and of unlabelled images, none of whose labels is read."""

    def _build_model(self, initialise: bool) -> GalaxyNet:
        config = self.config
        parts = start_backbone(config.model, config.image.size_px, config.run, initialise)
        return SimSiam(config, *parts)

    def _make_batch(self, rows: np.ndarray, rng: np.random.Generator) -> Batch:
        """(B, 2, 3, H, W) two views of each image; of several processes, each makes all."""
        images, config = self.data.images(rows), self.config
        drawn = [augment_batch(images, config.image, config.augment, rng) for _ in range(2)]
        views = torch.stack([to_tensor(view) for view in drawn], dim=1)
        return Batch(rows, views[distributed.own_part(len(rows))], self.targets[rows])

    def validate(self) -> tuple[float, dict[str, float]]:
        """Loss, and spread of the projections, on the fold's own galaxies.

        With the statistics of each batch: the averaged ones come after long training only.
        """
        rng = np.random.default_rng(self.config.train.seed)
        count, model = len(self.data.val_rows), copy.deepcopy(self.model).train()
        batches = (
            self._make_batch(rows, rng)
            for rows in np.array_split(self.data.val_rows, math.ceil(count / _PART))
        )
        with torch.no_grad(), autocast(self.config.train.amp, self.device):
            found = [model(batch.images.to(self.device)) for batch in batches]
        outputs = torch.cat(found).float()
        share = spread(outputs)
        if share < _COLLAPSED:
            raise FoldError(
                f"{self._where}: the network gives all images the same projection (their spread is "
                f"{share:.2g}, where 1 is healthy): train anew with a lower train.lr, with "
                "train.clip_norm, a larger train.batch_size or stronger augment settings"
            )
        return disagreement(outputs).item(), {"val_score": share}
