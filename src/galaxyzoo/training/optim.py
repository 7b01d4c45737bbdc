"""Optimizer and learning rate schedule of a config."""

import math
from typing import Any

import timm.optim.muon
import torch
from timm.optim.muon import Muon, zeropower_via_newtonschulz
from torch import Tensor, nn

from galaxyzoo.config.schema import TrainConfig
from galaxyzoo.core.devices import has_bf16


def _orthogonalize(*args: Any, **settings: Any) -> Tensor:
    """Run timm's Newton-Schulz iteration, in float32 on a device without units for bf16.

    On a CPU with AVX2 alone PyTorch has no fast products of bf16: a step takes 25 times as long.
    """
    settings["dtype"] = torch.bfloat16 if has_bf16(args[0].device) else torch.float32
    return zeropower_via_newtonschulz(*args, **settings)


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


def build_optimizer(
    model: nn.Module, train: TrainConfig, in_graph: bool = False
) -> torch.optim.Optimizer:
    """Build the optimizer; biases and norms (one-dimensional parameters) have no weight decay.

    For steps in a CUDA graph its learning rates are tensors, beside the parameters.

    Muon makes each kernel's step orthogonal, of the size that AdamW's would have, so that learning
    rates are alike; one-dimensional parameters are left to AdamW.

    Source of Muon: Jordan et al. 2024 (kellerjordan.github.io/posts/muon), its scale Liu et al.
    2025 (arXiv 2502.16982).
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    kernels = [p for p in parameters if p.ndim > 1]
    vectors = [p for p in parameters if p.ndim <= 1]
    groups = [
        {"params": kernels, "weight_decay": train.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimizer: torch.optim.Optimizer
    if train.optimizer == "sgd":
        optimizer = torch.optim.SGD(groups, lr=train.lr, momentum=0.9, nesterov=True, fused=True)
    elif train.optimizer == "muon":
        # timm's optimizer does not pass its function's dtype on (1.0.31).
        timm.optim.muon.zeropower_via_newtonschulz = _orthogonalize
        optimizer = Muon(groups, lr=train.lr, capturable=in_graph)
    else:
        kind = torch.optim.AdamW if train.optimizer == "adamw" else torch.optim.Adam
        optimizer = kind(groups, lr=train.lr, fused=True, capturable=in_graph)
    if in_graph:
        for group in optimizer.param_groups:
            group["lr"] = torch.tensor(train.lr, device=parameters[0].device)
    return optimizer


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Set the learning rate of all groups."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(value)
        else:
            group["lr"] = value
