"""Optimizer and learning rate schedule of a config."""

import math

import torch
from torch import nn

from galaxyzoo.config.schema import TrainConfig


def learning_rate(train: TrainConfig, step: int, steps_per_epoch: int) -> float:
    """Learning rate of a step, from 0 on: linear warm-up, then half a cosine to 0; or constant.

    The first `train.head_epochs` epochs have a schedule of their own, with `train.head_lr` as its
    highest rate; the others have `train.lr`.
    """
    first, total = train.head_epochs * steps_per_epoch, train.epochs * steps_per_epoch
    if step < first:
        return _stage_rate(train, train.head_lr, step, first)
    return _stage_rate(train, train.lr, step - first, total - first)


def _stage_rate(train: TrainConfig, highest: float, step: int, total: int) -> float:
    """Learning rate of a step, 0 to total - 1, of one schedule."""
    if train.schedule == "constant":
        return highest
    warmup = max(1, round(train.warmup * total))
    if step < warmup:
        return highest * (step + 1) / warmup
    done = (step - warmup + 0.5) / max(1, total - warmup)
    return highest * 0.5 * (1 + math.cos(math.pi * done))


def build_optimizer(model: nn.Module, train: TrainConfig) -> torch.optim.Optimizer:
    """Build the optimizer; biases and norms (one-dimensional parameters) have no weight decay."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": train.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if train.optimizer == "sgd":
        # The fused kernel cannot start the momentum of thawed parameters beside that of the head.
        fused = not train.head_epochs
        return torch.optim.SGD(groups, lr=train.lr, momentum=0.9, nesterov=True, fused=fused)
    kind = torch.optim.AdamW if train.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=train.lr, fused=True)
