"""Synthetic class tasks: made-up classes, probabilities and small networks for them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from kaggle_fixtures import draw_image, encode
from test_models import small_config

from galaxyzoo.config import Config
from galaxyzoo.images import ImageCache
from galaxyzoo.tasks import TASKS, Task, log_loss, valid_probabilities
from galaxyzoo.training import FoldData

ABC = ("a", "b", "c")
PLAIN = Task("abc", ABC, "log-loss", True, log_loss, valid_probabilities, is_classes=True)
BALANCED = Task(
    "abc", ABC, "log-loss", True, log_loss, valid_probabilities, is_classes=True, balanced=True
)
ZOO5 = TASKS["zoo5"].columns


def one_hot(numbers: np.ndarray | list[int], n_classes: int = 3) -> np.ndarray:
    """(galaxy,) class numbers -> (galaxy, class)."""
    return np.eye(n_classes)[np.asarray(numbers)]


def draw_probs(
    rng: np.random.Generator, targets: np.ndarray, n_runs: int = 3, skill: float = 1.0
) -> np.ndarray:
    """(galaxy, run, class) float32 probabilities; later runs know less, none at skill 0."""
    noise = rng.normal(size=(len(targets), n_runs, targets.shape[1]))
    pull = skill * targets[:, None, :] / (1 + np.arange(n_runs))[:, None]
    logits = noise + 2 * pull
    probs = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    return probs.astype(np.float32)


def class_config(**sections: Any) -> Config:
    """Our CNN on zoo5 at 32 px, three epochs of batches of eight."""
    train = {"epochs": 3, "batch_size": 8, "lr": 3e-3, **sections.pop("train", {})}
    return small_config(task="zoo5", run="zoo5/small", train=train, **sections)


def class_fold(galaxies: int = 40, seed: int = 0, **parts: Any) -> FoldData:
    """Images whose brightness tells their class; class 0 is six times as frequent as the others."""
    rng = np.random.default_rng(seed)
    classes = np.minimum(np.maximum(np.arange(galaxies) % 10 - 5, 0), 4)
    images = rng.integers(0, 40, (galaxies, 32, 32, 3), dtype=np.uint8)
    images += (50 * classes).astype(np.uint8)[:, None, None, None]
    rows = np.arange(galaxies)
    cache = ImageCache(1000 + rows, images, np.zeros(galaxies, bool))
    held_out = rows % 4 == 3
    targets = one_hot(classes, 5)
    return FoldData(cache, targets, rows[~held_out], rows[held_out], 0, **parts)


def write_labelled(
    folder: Path, n: int = 40, n_test: int = 4, first: int = 1, shuffle: int | None = None
) -> Path:
    """A folder of zoo5's form: classes in turn, ids from `first` on; shuffle: seed of the rows."""
    images = folder / "images"
    images.mkdir(parents=True)
    ids = np.arange(first, first + n + n_test)
    for galaxy_id in map(int, ids):
        picture = draw_image(np.random.default_rng(galaxy_id), 48)
        (images / f"{galaxy_id}.jpg").write_bytes(encode(picture))
    labels = pd.DataFrame({"GalaxyID": ids[:n], "class": [ZOO5[i % 5] for i in range(n)]})
    if shuffle is not None:
        labels = labels.sample(frac=1, random_state=shuffle)[["class", "GalaxyID"]]
    labels.to_csv(folder / "train_labels.csv", index=False)
    pd.DataFrame({"GalaxyID": ids[n:]}).to_csv(folder / "test_ids.csv", index=False)
    return folder
