"""Small networks, their configs, and a small search."""

from pathlib import Path
from typing import Any

import torch
import yaml

from galaxyzoo.config.loading import read_recipe
from galaxyzoo.config.schema import Config
from galaxyzoo.config.stages import parse_recipe
from galaxyzoo.inference.predict import RunNetworks
from galaxyzoo.models.build import GalaxyNet, build_model

SMALL: dict[str, Any] = {
    "task": "gz37",
    "run": "gz37/small",
    "image": {"crop_px": 64, "cache_px": 32, "field_px": 64, "size_px": 32},
    "model": {"name": "cnn", "kwargs": {"widths": [8, 16]}},
    "head": {"hidden": 16, "dropout": 0.0},
}
SIZES = {"crop_px": 424, "cache_px": 53, "field_px": 424, "size_px": 32}
SPACE = {
    "model.kwargs.widths": {"type": "choice", "choices": [[8, 16], [4, 8]]},
    "head.hidden": {"type": "int", "low": 8, "high": 32, "step": 8},
    "head.dropout": {"type": "float", "low": 0.0, "high": 0.5},
    "train.lr": {"type": "float", "low": 1.0e-4, "high": 1.0e-2, "log": True},
    "augment.zoom": {"type": "float", "low": 1.0, "high": 1.5},
}


def small_config(**sections: Any) -> Config:
    values = dict(SMALL)
    for name, section in sections.items():
        values[name] = {**values.get(name, {}), **section} if isinstance(section, dict) else section
    return parse_recipe(values, "test", read_recipe)


def class_config(**sections: Any) -> Config:
    """Our CNN on zoo5 at 32 px, three epochs of batches of eight."""
    train = {"epochs": 3, "batch_size": 8, "lr": 3e-3, **sections.pop("train", {})}
    return small_config(task="zoo5", run="zoo5/small", train=train, **sections)


def holdout_config(dataset: str = "", **changes: object) -> Config:
    task = {"task": "elliptical_spiral", "run": "elliptical_spiral/cnn"}
    values = {**SMALL, **task, "image": SIZES, **changes}
    return parse_recipe(values, "test", read_recipe, dataset)


CLASSES: dict[str, Any] = {"task": "elliptical_spiral", "run": "elliptical_spiral/small"}


def tiny_config(train: dict[str, Any] | None = None, **sections: Any) -> Config:
    train = {"epochs": 2, "batch_size": 8, "lr": 1e-2, **(train or {})}
    return small_config(image={**SIZES, "cache_px": 32}, train=train, **sections)


BASE = {"task": "gz37", "about": "tiny", "image": SIZES, "model": SMALL["model"]}
BASE |= {"head": {"hidden": 16}, "train": {"epochs": 1, "batch_size": 8}}


def write_search(folder: Path, **changes: object) -> Path:
    """Write `tiny.yaml`, the search of `SPACE` from `BASE`, two epochs long, with other keys."""
    path = folder / "tiny.yaml"
    values = {"base": {**BASE, "train": {"epochs": 2, "batch_size": 8}}, "space": SPACE, **changes}
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


def small_network(name: str, size_px: int, seed: int = 0) -> GalaxyNet:
    """An untrained network of any kind, in eval mode."""
    torch.manual_seed(seed)
    config = small_config(model={"name": name, "kwargs": {}}, image={"size_px": size_px})
    return build_model(config, initialize=False).eval()


def untrained(config: Config, folds: int = 1) -> RunNetworks:
    """A run of untrained networks."""
    return RunNetworks(config, {k: build_model(config, False).eval() for k in range(folds)})
