"""Smoke test of a run: train briefly on a few galaxies, and keep nothing."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from galaxyzoo.config.schema import Config
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.inference.network import predict
from galaxyzoo.models.build import load_network
from galaxyzoo.results.fold_files import WEIGHTS, fold_name
from galaxyzoo.training.augmentation import check_transforms
from galaxyzoo.training.fold import train_fold
from galaxyzoo.training.fold_data import make_fold_data
from galaxyzoo.training.parts import part_named

_TRAINED = 256  # galaxies
_PREDICTED = 64


def smoke(config: Config, data: Dataset) -> None:
    """Train one short fold on a few galaxies, predict, print what was checked; keep nothing."""
    check_transforms(config)
    train = config.train.model_copy(update={"epochs": 2, "checkpoint": "last"})
    # Alone: the stages before may not be trained yet.
    short = config.model_copy(update={"train": train, "earlier": ()})
    whole = part_named(short, data, fold_name(0))
    train_rows = _draw(whole.train_rows, _TRAINED)
    val_rows = _draw(whole.val_rows, _PREDICTED)
    part = replace(whole, train_rows=train_rows, val_rows=val_rows)
    fold = make_fold_data(short, data, part, before=None)
    with tempfile.TemporaryDirectory() as folder:
        train_fold(short, fold, Path(folder))
        model = load_network(short, Path(folder) / WEIGHTS)
        predict(model, fold.cache, val_rows, short)
    trained = f"trained on {len(train_rows)} galaxies for 2 epochs"
    if short.train.optimizer == "linear":
        trained = f"fitted to {len(train_rows)} galaxies (logistic regression)"
    print(
        f"smoke test passed: {short.run} was {trained}, saved and reloaded; it predicted "
        f"{len(val_rows)} others"
    )


def _draw(rows: np.ndarray, count: int) -> np.ndarray:
    """Draw at most `count` rows at random, ascending."""
    return np.sort(np.random.default_rng(0).permutation(rows)[:count])
