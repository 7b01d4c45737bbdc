"""Training that costs nothing, for tests of what goes on around it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from galaxyzoo.config.schema import Config
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.models.build import GalaxyNet, build_model
from galaxyzoo.models.heads import TreeOutput
from galaxyzoo.models.weights import save_weights
from galaxyzoo.results.fold_files import HISTORY, WEIGHTS, FoldSummary
from galaxyzoo.training.fold import train_fold
from galaxyzoo.training.fold_data import FoldData
from galaxyzoo.training.loader import Batch
from galaxyzoo.training.parts import Part
from galaxyzoo.training.trainer import Trainer
from support.kills import Killed
from support.problems import one_hot
from support.small_models import small_config

TRAIN = {"epochs": 3, "batch_size": 8, "lr": 3e-3}


def config(**train: object) -> Config:
    return small_config(train={**TRAIN, **train}, head={"dropout": 0.3})


def fold_data(galaxies: int = 40, seed: int = 0) -> FoldData:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (galaxies, 32, 32, 3), dtype=np.uint8)
    votes = TreeOutput()(torch.from_numpy(rng.normal(size=(galaxies, 37)))).numpy()
    rows = np.arange(galaxies)
    cache = ImageCache(1000 + rows, images, np.zeros(galaxies, bool))
    part = Part("fold_0", rows[rows % 4 != 0], rows[rows % 4 == 0], stream=0)
    return FoldData(cache, votes, part)


def class_fold(galaxies: int = 40, seed: int = 0, **start: Any) -> FoldData:
    """Images whose brightness tells their class; class 0 is six times as frequent as the others."""
    rng = np.random.default_rng(seed)
    classes = (np.arange(galaxies) % 10 - 5).clip(0, 4)
    images = rng.integers(0, 40, (galaxies, 32, 32, 3), dtype=np.uint8)
    images += (50 * classes).astype(np.uint8)[:, None, None, None]
    rows = np.arange(galaxies)
    cache = ImageCache(1000 + rows, images, np.zeros(galaxies, bool))
    held_out = rows % 4 == 3
    targets = one_hot(classes, 5)
    part = Part("fold_0", rows[~held_out], rows[held_out], stream=0)
    return FoldData(cache, targets, part, **start)


def kill_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    original = Trainer.step

    def step(self: Trainer, number: int, batch: Batch) -> torch.Tensor:
        if number == steps:
            raise Killed
        return original(self, number, batch)

    monkeypatch.setattr(Trainer, "step", step)


def train_until_killed(settings: Config, data: FoldData, folder: Path, steps: int) -> None:
    """Train a fold, killed after so many steps."""
    with pytest.MonkeyPatch.context() as patch:
        kill_after(patch, steps)
        with pytest.raises(Killed):
            train_fold(settings, data, folder)


def check_a_kill_changes_nothing(
    folder: Path, settings: Config, data: FoldData, steps: int
) -> None:
    """A fold that is killed after so many steps ends with the same weights and history."""
    train_fold(settings, data, folder / "whole")
    train_until_killed(settings, data, folder / "killed", steps)
    assert not (folder / "killed" / WEIGHTS).exists()
    train_fold(settings, data, folder / "killed")
    assert_same_files(folder / "killed", folder / "whole")


def assert_same_files(one: Path, other: Path, names: Sequence[str] = (WEIGHTS, HISTORY)) -> None:
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def limit_memory(patch: pytest.MonkeyPatch, most: int, after: int = 0) -> list[int]:
    """Networks run out of memory on more images than `most`, after so many batches.

    Returns:
        The sizes of all their batches.
    """
    features = GalaxyNet.features
    sizes = list[int]()

    def limited(self: GalaxyNet, images: torch.Tensor) -> torch.Tensor:
        sizes.append(len(images))
        if len(sizes) > after and len(images) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return features(self, images)

    patch.setattr(GalaxyNet, "features", limited)
    return sizes


# Nothing in it depends on the other images of a batch.
NO_NORM = {"name": "layers", "kwargs": {"layers": ["conv4", "pool", "conv4/2", "pool"]}}


def fake_training(
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    summarize: Callable[[], FoldSummary] = lambda: FoldSummary("scratch"),
) -> list[FoldData]:
    """Replace a module's training loop by random weights; returns what each call is handed."""
    seen: list[FoldData] = []

    def fake(config: Config, data: FoldData, folder: Path) -> FoldSummary:
        seen.append(data)
        save_weights(folder / WEIGHTS, build_model(config).state_dict())
        (folder / HISTORY).write_text("epoch\n" + "1\n" * config.train.epochs)
        return summarize()

    monkeypatch.setattr(module, "train_fold", fake)
    return seen
