"""The recipes for a GPU, at full size: each learns from two galaxies of the demo set."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import torch

from galaxyzoo.config.loading import load_config, load_ensemble
from galaxyzoo.config.schema import Config
from galaxyzoo.data.demo.dataset import draw
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.training.fold_data import FoldData
from galaxyzoo.training.trainer import Trainer

pytestmark = pytest.mark.slow


def recipes() -> Iterator[Config]:
    """The last stage of each, and those before it that differ in more than size and schedule."""
    for run in sorted({*load_ensemble("one-gpu").runs, *load_ensemble("gpu-large").runs}):
        yield from (
            stage
            for stage in load_config(run).stages
            if not stage.is_earlier_stage or stage.train.freeze != "none"
        )


def demo_fold(config: Config) -> FoldData:
    image = config.image
    start = (424 - image.crop_px) // 2
    drawn = [draw(galaxy_id, 0) for galaxy_id in (123_456, 234_567)]
    middles = [picture[start:, start:][: image.crop_px, : image.crop_px] for picture, _ in drawn]
    images = np.stack(
        [cv2.resize(one, (image.cache_px,) * 2, interpolation=cv2.INTER_AREA) for one in middles]
    )
    cache = ImageCache(np.array([123_456, 234_567]), images, np.zeros(2, bool))
    return FoldData(cache, np.stack([votes for _, votes in drawn]), np.arange(2), np.arange(2), 0)


@pytest.mark.parametrize("config", list(recipes()), ids=lambda one: one.about)
def test_a_step_is_taken(config: Config) -> None:
    trainer = Trainer(config, demo_fold(config), initialize=False)
    trainer.model.train()
    before = {name: value.clone() for name, value in trainer.model.named_parameters()}
    loss = trainer.step(0, next(trainer.batches()))
    assert torch.isfinite(loss)
    moved = {n for n, value in trainer.model.named_parameters() if not value.equal(before[n])}
    frozen = config.train.freeze == "backbone"
    assert {name.split(".")[0] for name in moved} == ({"head"} if frozen else {"backbone", "head"})
    prediction = trainer.averaged_model.eval()(next(trainer.batches()).images)
    assert prediction.shape == (2, 37)
    assert torch.isfinite(prediction).all()
