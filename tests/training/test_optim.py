"""Learning rates by hand, weight decay, Muon's step."""

import numpy as np
import pytest
import torch
from timm.optim.muon import _COEFFICIENTS

from galaxyzoo.config.schema import TrainConfig
from galaxyzoo.models.build import build_model
from galaxyzoo.training import optim
from galaxyzoo.training.optim import build_optimizer, learning_rate
from support.small_models import small_config


def rates(epochs: int, steps_per_epoch: int, **train: object) -> list[float]:
    settings = TrainConfig.model_validate({"epochs": epochs, **train})
    steps = range(epochs * steps_per_epoch)
    return [learning_rate(settings, step, steps_per_epoch) for step in steps]


def half_cosine(highest: float, steps: int) -> list[float]:
    return [highest * 0.5 * (1 + np.cos(np.pi * (i + 0.5) / steps)) for i in range(steps)]


def test_learning_rate_by_hand():
    assert rates(2, 5, lr=1.0, warmup=0.2) == pytest.approx([0.5, 1.0, *half_cosine(1.0, 8)])
    assert rates(2, 5, lr=1.0, schedule="constant") == [1.0] * 10


def test_biases_and_norms_are_not_decayed():
    model = build_model(small_config(), initialize=False)
    groups = build_optimizer(model, TrainConfig(weight_decay=0.1)).param_groups
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert all(p.ndim > 1 for p in groups[0]["params"])
    assert all(p.ndim == 1 for p in groups[1]["params"])
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


def test_muon_takes_orthogonal_steps_of_the_size_of_adamw():
    """A step is the momentum's UVᵀ; timm's five iterations leave singular values near 1."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(24, 16)
    weight = layer.weight.detach().clone()
    bias = layer.bias.detach().clone()
    optimizer = build_optimizer(layer, TrainConfig(optimizer="muon", lr=0.1, weight_decay=0.0))
    layer.weight.grad = torch.randn(16, 24)
    layer.bias.grad = torch.randn(16)
    optimizer.step()
    u, _, v = torch.linalg.svd(layer.weight.grad, full_matrices=False)
    step = (weight - layer.weight.detach()) / (0.1 * 0.2 * 24**0.5)
    torch.testing.assert_close(step, u @ v, atol=0.1, rtol=0)
    assert step.pow(2).mean().sqrt() * 24**0.5 == pytest.approx(1, abs=0.05)
    signs = (bias - layer.bias.detach()) / 0.1  # AdamW's first step
    torch.testing.assert_close(signs, layer.bias.grad.sign(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("units", [False, True])
def test_muon_multiplies_in_bf16_only_where_there_are_units(units, monkeypatch):
    monkeypatch.setattr(optim, "has_bf16", lambda device: units)
    torch.manual_seed(0)
    kernel = torch.nn.Parameter(torch.zeros(16, 24))
    kernel.grad = torch.randn(16, 24)
    optimizer = build_optimizer(
        torch.nn.ParameterList([kernel]), TrainConfig(optimizer="muon", lr=1.0, weight_decay=0.0)
    )
    optimizer.step()
    x = kernel.grad.double() / kernel.grad.double().norm()
    for a, b, c in _COEFFICIENTS["quintic"]:
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    error = (kernel.detach() / (-0.2 * 24**0.5) - x).abs().max().item()
    assert (error < 1e-5) is not units
