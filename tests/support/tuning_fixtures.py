"""A small ablation study and a small search, without their training."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from galaxyzoo.data.prepare import Dataset
from galaxyzoo.tasks.registry import get_task
from galaxyzoo.tuning.ablation import Ablation, Changes, Variant

TASK = get_task("gz37")


def make(
    prepared: Dataset, folder: Path, folds: Sequence[int] = (0, 1), **changes: object
) -> Ablation:
    return Ablation(Changes.load(str(write_study(folder, **changes))), prepared, tuple(folds))


def variant(ablation: Ablation, name: str) -> Variant:
    return next(v for v in ablation.study.variants if v.name == name)


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


SPACE = {
    "model.kwargs.widths": {"type": "choice", "choices": [[8, 16], [4, 8]]},
    "head.hidden": {"type": "int", "low": 8, "high": 32, "step": 8},
    "head.dropout": {"type": "float", "low": 0.0, "high": 0.5},
    "train.lr": {"type": "float", "low": 1.0e-4, "high": 1.0e-2, "log": True},
    "augment.zoom": {"type": "float", "low": 1.0, "high": 1.5},
}


def write_search(folder: Path, **changes: object) -> Path:
    """Write `tiny.yaml`, the search of `SPACE` from the ablation tests' recipe, with other keys."""
    path = folder / "tiny.yaml"
    values = {"base": {**BASE, "train": {"epochs": 2, "batch_size": 8}}, "space": SPACE, **changes}
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path
