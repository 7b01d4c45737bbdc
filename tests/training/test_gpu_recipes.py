"""The recipes for a GPU, with fewer blocks: each learns from two galaxies of the demo set."""

import cv2
import numpy as np
import pytest
import torch

from galaxyzoo.config.loading import load_config, load_ensemble_settings
from galaxyzoo.config.schema import Config
from galaxyzoo.data.demo.dataset import draw_galaxy
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.training.fold_data import FoldData
from galaxyzoo.training.trainer import Trainer

pytestmark = pytest.mark.slow


RUNS = sorted({*load_ensemble_settings("one-gpu").runs, *load_ensemble_settings("gpu-large").runs})
SMALLER = {
    "gz37/d4cnn_large": ["model.kwargs.widths=[4,8,16,32]", "image.size_px=64"],
    "gz37/convnext": ["model.kwargs.depths=[1,1,1,1]", "image.size_px=64"],
    "gz37/dinov2": ["model.kwargs={depth: 2, img_size: 112}", "image.size_px=112"],
    "gz37/dinov3": ["model.kwargs.depth=2", "image.size_px=112"],
}


def demo_fold(config: Config) -> FoldData:
    rows, side_px = np.arange(2), config.image.cache_px
    drawn = [draw_galaxy(galaxy_id, 0) for galaxy_id in (123_456, 234_567)]
    images = np.stack([cv2.resize(picture, (side_px, side_px)) for picture, _ in drawn])
    cache = ImageCache(rows, images, np.zeros(2, bool))
    return FoldData(cache, np.stack([votes for _, votes in drawn]), rows, rows, 0)


@pytest.mark.parametrize("run", RUNS)
def test_a_step_is_taken(run):
    config = load_config(run, SMALLER.get(run, ["image.size_px=64"]))
    trainer = Trainer(config, demo_fold(config), initialize=False)
    trainer.model.train()
    before = {name: value.clone() for name, value in trainer.model.named_parameters()}
    loss = trainer.step(0, next(trainer.batches()))
    assert torch.isfinite(loss)
    moved = {n for n, value in trainer.model.named_parameters() if not value.equal(before[n])}
    assert {name.split(".")[0] for name in moved} == {"backbone", "head"}
    prediction = trainer.averaged_model.eval()(next(trainer.batches()).images)
    assert prediction.shape == (2, 37)
    assert torch.isfinite(prediction).all()
