"""A small ablation study, for tests of what goes on around its training."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from galaxyzoo.core import paths
from galaxyzoo.data.catalog import save_catalog
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.inference.oof import FoldTables
from galaxyzoo.tasks.registry import get_task
from galaxyzoo.tuning.ablation import Ablation, Variant, load_study
from support.ensemble_fixtures import draw_run, make_catalog, save_run

TASK = get_task("gz37")


def make(
    prepared: Dataset, folder: Path, folds: Sequence[int] = (0, 1), **changes: object
) -> Ablation:
    return Ablation(load_study(str(write_study(folder, **changes))), prepared, tuple(folds))


def variant(ablation: Ablation, name: str) -> Variant:
    return next(v for v in ablation.study.variants if v.name == name)


@dataclass
class Scored:
    """An ablation whose predictions are given."""

    ablation: Ablation
    predictions: dict[str, np.ndarray]


@pytest.fixture
def scored(root: Path) -> Scored:
    """A study whose runs' tables are made up, on 90 galaxies of three folds."""
    rng = np.random.default_rng(0)
    catalog, _ = make_catalog(rng, 90, 3, "made_up", 4)
    save_catalog(catalog)
    ablation = make(Dataset(catalog, None), root)  # type: ignore[arg-type]
    votes = catalog.targets("gz37")
    noises = {"base": 0.10, "longer": 0.08, "one_view": 0.101, "two_sizes": 0.15}
    made = {}
    for name, noise in noises.items():
        made[name] = np.clip(draw_run(rng, votes, noise), 0, 1)
        run = f"gz37/ablation.tiny.{name}"
        save_run(catalog, run, made[name], np.zeros((4, 37)))
        finish(ablation, variant(ablation, name), made[name])
    return Scored(ablation, made)


def finish(ablation: Ablation, made: Variant, predictions: np.ndarray) -> None:
    """Leave the files of a run whose folds 0 and 1 are trained, each in two epochs of 30 s."""
    run, catalog = ablation.run(made), ablation.catalog
    run.folder.mkdir(parents=True)
    run._save_config()
    frame = pd.DataFrame(predictions, catalog.ids, list(TASK.columns))
    for fold in (0, 1):
        folder = paths.fold_dir(catalog.dataset, made.config.run, fold)
        folder.mkdir()
        frame[catalog.folds == fold].to_csv(folder / "val.csv", index_label="GalaxyID")
        pd.DataFrame(np.zeros((4, 37)), catalog.test_ids, list(TASK.columns)).to_csv(
            folder / "test.csv", index_label="GalaxyID"
        )
        (folder / "timings.csv").write_text("1,30.0\n2,30.0\n")
        (folder / "fold.json").write_text('{"start": "scratch"}')
    images: Any = type("Images", (), {"unreadable": np.zeros(4, bool), "ids": catalog.test_ids})
    FoldTables(made.config, catalog).collect(images)


BASE = {
    "task": "gz37",
    "about": "tiny",
    "image": {"crop_px": 424, "cache_px": 53, "field_px": 424, "size_px": 32},
    "model": {"name": "cnn", "kwargs": {"widths": [8, 16]}},
    "head": {"hidden": 16},
    "train": {"epochs": 1, "batch_size": 8},
}
CHANGES = [
    {"group": "length", "name": "longer", "about": "2 epochs", "changes": ["train.epochs=2"]},
    {"group": "views", "name": "one_view", "changes": ["tta.dihedral=false"]},
    {
        "group": "views",
        "name": "two_sizes",
        "of": "one_view",
        "changes": ["tta.zooms=[1.0, 1.2]"],
    },
    {"group": "seed", "name": "seed", "changes": ["train.seed=1"]},
]


def write_study(folder: Path, **changes: object) -> Path:
    """Write `tiny.yaml`, the study of `BASE` and `CHANGES` with other keys on top."""
    path = folder / "tiny.yaml"
    values = {"base": BASE, "folds": [0, 1], "changes": CHANGES, **changes}
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path
