"""Optimizer and learning rate schedule of a config."""

import math

import torch
from timm.optim import Muon
from torch import nn

from galaxyzoo.config.schema import TrainConfig


def learning_rate(train: TrainConfig, step: int, steps_per_epoch: int) -> float:
    """Learning rate of a step, from 0 on: linear warm-up, then half a cosine to 0; or constant."""
    total = train.epochs * steps_per_epoch
    if train.schedule == "constant":
        return train.lr
    warmup = max(1, round(train.warmup * total))
    if step < warmup:
        return train.lr * (step + 1) / warmup
    done = (step - warmup + 0.5) / max(1, total - warmup)
    return train.lr * 0.5 * (1 + math.cos(math.pi * done))


def build_optimizer(model: nn.Module, train: TrainConfig) -> torch.optim.Optimizer:
    """Build the optimizer; biases and norms (one-dimensional parameters) have no weight decay.

    Muon makes each kernel's step orthogonal, of the size that AdamW's would have, so that learning
    rates are alike; one-dimensional parameters are left to AdamW.

    Source of Muon: Jordan et al. 2024 (kellerjordan.github.io/posts/muon), its scale Liu et al.
    2025 (arXiv 2502.16982).
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": train.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if train.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=train.lr, momentum=0.9, nesterov=True, fused=True)
    if train.optimizer == "muon":
        return Muon(groups, lr=train.lr)
    kind = torch.optim.AdamW if train.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=train.lr, fused=True)
