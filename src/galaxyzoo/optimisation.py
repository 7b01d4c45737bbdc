"""Optimizer and learning rate by config."""

import math

import torch
from torch import nn

from galaxyzoo.config import TrainConfig


def learning_rate(train: TrainConfig, step: int, total: int) -> float:
    """Learning rate of a step: linear warm-up to `train.lr`, then half a cosine to 0; or constant.

    Args:
        train: settings.
        step: 0 to total - 1.
        total: number of steps of the whole training.
    """
    if train.schedule == "constant":
        return train.lr
    warmup = max(1, round(train.warmup * total))
    if step < warmup:
        return train.lr * (step + 1) / warmup
    done = (step - warmup + 0.5) / max(1, total - warmup)
    return train.lr * 0.5 * (1 + math.cos(math.pi * done))


def build_optimizer(model: nn.Module, train: TrainConfig) -> torch.optim.Optimizer:
    """The config's optimizer; biases and norms (one-dimensional parameters) are not decayed."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": train.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if train.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=train.lr, momentum=0.9, nesterov=True, fused=True)
    kind = torch.optim.AdamW if train.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=train.lr, fused=True)
