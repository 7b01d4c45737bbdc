"""Synthetic class tasks: made-up classes, probabilities and small networks for them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from galaxyzoo.config.loading import read_recipe
from galaxyzoo.config.schema import Config
from galaxyzoo.config.stages import parse_recipe
from galaxyzoo.data.catalog import GROUP, Catalog, save_catalog
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.io.tables import FOLD
from galaxyzoo.tasks.kinds import ClassTask
from galaxyzoo.tasks.registry import TASKS
from galaxyzoo.training.fold_data import FoldData
from support.ensemble_fixtures import make_catalog, save_run
from support.kaggle_fixtures import draw_image, encode
from support.small_models import SMALL, small_config

SIZES = {"crop_px": 424, "cache_px": 53, "field_px": 424, "size_px": 32}


def holdout_config(dataset: str = "", **changes: object) -> Config:
    task = {"task": "elliptical_spiral", "run": "elliptical_spiral/cnn"}
    values = {**SMALL, **task, "image": SIZES, **changes}
    return parse_recipe(values, "test", read_recipe, dataset)


CLASSES = TASKS["elliptical_spiral"]


def clear_votes(catalog):
    """Make every galaxy clearly smooth or clearly a disk, and prepare the dataset again."""
    rng = np.random.default_rng(0)
    smooth = rng.random(len(catalog.ids)) < 0.5
    catalog.train["Class1.1"] = np.where(smooth, 0.9, 0.05)
    catalog.train["Class1.2"] = np.where(smooth, 0.05, 0.9)
    catalog.train.loc[catalog.ids[:10], "Class1.1"] = 0.5  # dropped by the rule unless a disk
    remade = Catalog(catalog.dataset, catalog.train, catalog.test_ids)
    save_catalog(remade)
    return remade


def save_class_run(catalog, name, **changes):
    """A finished run of the class task, right by a hair; returns its probabilities."""
    probs = 0.4 + 0.2 * catalog.for_task(CLASSES).targets(CLASSES.name)
    test = np.full((len(catalog.test_ids), len(CLASSES.columns)), 0.5)
    save_run(catalog, f"{CLASSES.name}/{name}", probs, test, **changes)
    return probs


ABC = ("a", "b", "c")
PLAIN = ClassTask("abc", ABC)
BALANCED = ClassTask("abc", ABC, balanced=True)
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


def write_labeled(
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


ANOMALY_TASK = TASKS["anomaly4"]
ANOMALIES = list(ANOMALY_TASK.columns)


def draw_images(count: int = 18, side_px: int = 48) -> np.ndarray:
    """(image, H, W, 3) uint8 pictures that differ."""
    rng = np.random.default_rng(count)
    return np.stack([draw_image(rng, side_px) for _ in range(count)])


def anomaly_numbers() -> np.ndarray:
    """(18,) mixed class numbers: six of the first of `ANOMALIES`, four of each other."""
    return np.random.default_rng(0).permutation(np.repeat(np.arange(4), (6, 4, 4, 4)))


def save_class_project(n: int = 90, n_runs: int = 3) -> Catalog:
    """A dataset with four rare and frequent classes, and finished runs anomaly4/run0, …"""
    rng = np.random.default_rng(5)
    votes, _ = make_catalog(rng, n, 3, "tiny", 10)
    labels = one_hot(rng.permutation(np.minimum(np.arange(n) % 12, 3)), 4)
    train = pd.concat(
        [votes.train[[FOLD, GROUP]], pd.DataFrame(labels, index=votes.ids, columns=ANOMALIES)],
        axis=1,
    )
    catalog = Catalog("tiny", train, votes.test_ids)
    save_catalog(catalog)
    of_train = draw_probs(rng, labels, n_runs)
    of_test = draw_probs(rng, one_hot(np.arange(10) % 4, 4), n_runs)
    for i in range(n_runs):
        save_run(catalog, f"anomaly4/run{i}", of_train[:, i], of_test[:, i])
    return catalog
