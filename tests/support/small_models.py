"""Small networks and configs, and a slow plain version of the tree's output."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from galaxyzoo.config.loading import read_recipe
from galaxyzoo.config.schema import Config, TrainConfig
from galaxyzoo.config.stages import parse_recipe
from galaxyzoo.models.build import GalaxyNet, build_model
from galaxyzoo.models.heads import Loss
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.training.optim import build_optimizer

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
    return parse_recipe(values, "test", read_recipe)


def small_network(name: str, size_px: int, seed: int = 0) -> GalaxyNet:
    """An untrained network of any kind, in eval mode."""
    torch.manual_seed(seed)
    config = small_config(model={"name": name, "kwargs": {}}, image={"size_px": size_px})
    return build_model(config, initialize=False).eval()


def overfit(
    model: nn.Module, targets: Tensor, train: TrainConfig, steps: int, loss: Loss = mse_loss
) -> float:
    """Train a network on one batch of random 32 px images; the last loss over the first."""
    images = torch.randint(0, 256, (len(targets), 3, 32, 32), dtype=torch.uint8)
    optimizer, losses = build_optimizer(model, train), []
    for _ in range(steps):
        value = loss(model(images), targets)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses[-1] / losses[0]


def without_gradient(model: nn.Module) -> list[str]:
    """Names of the parameters that no gradient of a forward pass on random images reaches."""
    for name, parameter in model.named_parameters():
        # timm starts residual branches at zero, which lets nothing through.
        if name.startswith("backbone.") and not parameter.any():
            nn.init.constant_(parameter, 0.5)
    model(torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)).square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    return [n for n, some in gradients.items() if some is None or not some.abs().sum() > 0]


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
