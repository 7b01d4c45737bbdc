"""Recipes for a GPU that nobody has trained yet: each stage takes two steps at full size."""

import cv2
import numpy as np
import pytest
import torch

from galaxyzoo.config.loading import load_config
from galaxyzoo.data.demo.dataset import draw_galaxy
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.tasks.registry import get_task
from galaxyzoo.training.fold_data import FoldData
from galaxyzoo.training.parts import Part
from galaxyzoo.training.trainer import Trainer
from support.thoroughness import long_only

LARGE = pytest.param("d4cnn_large_wide", marks=long_only("40 s of steps"))


@pytest.mark.slow
@pytest.mark.parametrize("run", [LARGE, "mobilenetv2_large", "resnet18_large"])
def test_each_stage_takes_two_steps_at_full_size(run):
    stages = load_config(f"gz37/{run}", []).stages
    assert [stage.task for stage in stages] == ["gz37", "zoo5", "gz37"]
    assert all(stage.dataset is None for stage in stages)  # the competition's files are enough
    first, first_votes = draw_galaxy(123_456, 0)
    second, second_votes = draw_galaxy(234_567, 0)
    for config in stages:
        side_px = config.image.cache_px
        rows = np.arange(2)
        images = np.stack([cv2.resize(picture, (side_px, side_px)) for picture in (first, second)])
        if config.task == "gz37":
            targets = np.stack([first_votes, second_votes])
        else:
            targets = np.eye(2, len(get_task(config.task).columns))
        cache = ImageCache(rows, images, np.zeros(2, bool))
        data = FoldData(cache, targets, Part("fold_0", rows, rows, stream=0))
        trainer = Trainer(config, data, initialize=False)
        trainer.model.train()
        batch = next(trainer.batches())
        losses = torch.stack([trainer.step(0, batch), trainer.step(1, batch)])
        assert losses.isfinite().all()
        assert losses[0] != losses[1]
