"""Small networks and their configs."""

from typing import Any

import numpy as np
import torch

from galaxyzoo.config.schema import Config, parse_config
from galaxyzoo.models.build import GalaxyNet, build_model
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2

SMALL: dict[str, Any] = {
    "task": "gz37",
    "run": "gz37/small",
    "image": {"crop_px": 64, "cache_px": 32, "field_px": 64, "size_px": 32},
    "model": {"name": "cnn", "kwargs": {"widths": [8, 16]}},
    "head": {"hidden": 16, "dropout": 0.0},
}


def small_config(**sections: Any) -> Config:
    values = dict(SMALL)
    for name, section in sections.items():
        values[name] = {**values.get(name, {}), **section} if isinstance(section, dict) else section
    return parse_config(values, "test")


def small_network(name: str, size_px: int, seed: int = 0) -> GalaxyNet:
    """An untrained network of any kind, in eval mode."""
    torch.manual_seed(seed)
    config = small_config(model={"name": name, "kwargs": {}}, image={"size_px": size_px})
    return build_model(config, initialise=False).eval()


def constrain_slowly(logits: np.ndarray) -> np.ndarray:
    """The tree's output for one galaxy, question by question, in plain Python."""
    values: dict[str, float] = {}
    for question in GALAXY_ZOO_2.top_down:
        weights = [np.exp(logits[GALAXY_ZOO_2.columns.index(c)]) for c in question.columns]
        parent = 1.0 if question.parent is None else values[question.parent]
        values.update(
            {c: parent * w / sum(weights) for c, w in zip(question.columns, weights, strict=True)}
        )
    return np.array([values[c] for c in GALAXY_ZOO_2.columns])
