"""Outputs for vote fractions: hand-worked values, the tree obeyed, gradients that do not die."""

import numpy as np
import pytest
import torch

from galaxyzoo.models.build import build_model
from galaxyzoo.models.heads import build_output, divided_shares
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.training.optim import build_optimizer
from support.small_models import small_config


def draw(seed: int, scale: float = 4.0, n: int = 50) -> torch.Tensor:
    """(n, 37) logits."""
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(n, 37, generator=generator, dtype=torch.float64)


def divide_slowly(logits: np.ndarray) -> np.ndarray:
    """The divided output for one galaxy, question by question, in plain Python."""
    values: dict[str, float] = {}
    for question in GALAXY_ZOO_2.top_down:
        lifted = [max(logits[GALAXY_ZOO_2.columns.index(c)], 0) + 0.01 for c in question.columns]
        parent = 1.0 if question.parent is None else values[question.parent]
        values |= {
            c: parent * v / sum(lifted) for c, v in zip(question.columns, lifted, strict=True)
        }
    return np.array([values[c] for c in GALAXY_ZOO_2.columns])


def test_divided_shares_by_hand() -> None:
    logits = torch.tensor([[2.99, -5.0, 0.99], [-1.0, -2.0, -3.0]], dtype=torch.float64)
    expected = [[3 / 4.01, 0.01 / 4.01, 1 / 4.01], [1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_allclose(divided_shares(logits), expected, rtol=1e-12)


def test_the_divided_output_equals_the_slow_one_and_obeys_the_tree() -> None:
    logits = draw(0)
    logits[0] = -1.0  # no answer of any question
    votes = build_output("divided")(logits).numpy()
    np.testing.assert_allclose(votes, [divide_slowly(row) for row in logits.numpy()], rtol=1e-12)
    assert GALAXY_ZOO_2.residuals(votes).max() < 1e-12
    assert votes.min() > 0
    single = build_output("divided")(1e6 * logits.float()).numpy()
    assert GALAXY_ZOO_2.residuals(single).max() < 1e-6


def test_clipped_is_exact_however_far_outside() -> None:
    logits = torch.tensor([[-1e9, -0.5, 0.0, 0.25, 1.0, 1.7, 3.3e8]])
    assert build_output("clipped")(logits).tolist() == [[0, 0, 0, 0.25, 1, 1, 1]]


def test_a_clipped_value_is_led_back_only_where_it_is_wrong() -> None:
    logits = torch.tensor([[1.7, 1.7, -0.5, -0.5, 0.4]], requires_grad=True)
    targets = torch.tensor([[1.0, 0.8, 0.0, 0.25, 0.4]])
    (build_output("clipped")(logits) - targets).square().sum().backward()
    assert logits.grad is not None
    np.testing.assert_allclose(logits.grad[0], [0, 0.4, 0, -0.5, 0], atol=1e-6)


@pytest.mark.parametrize("output", ["clipped", "divided"])
def test_no_gradient_dies_below_zero(output: str) -> None:
    logits = -draw(1).abs().float() - 0.1
    logits.requires_grad_(True)
    targets = build_output("tree")(draw(2, scale=1.0)).float()
    (build_output(output)(logits) - targets).square().sum().backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert (logits.grad != 0).all()


def test_the_divided_gradient_above_zero_is_that_of_its_own_values() -> None:
    logits = draw(3, n=4).abs() + 0.1
    assert torch.autograd.gradcheck(build_output("divided"), logits.requires_grad_(True))


@pytest.mark.parametrize("output", ["clipped", "divided"])
def test_a_network_finds_back_from_a_start_below_zero(output: str) -> None:
    torch.manual_seed(0)
    config = small_config(head={"output": output}, train={"lr": 3e-3, "weight_decay": 0.0})
    model = build_model(config, initialise=False)
    with torch.no_grad():
        last = model.head[-1]
        assert isinstance(last, torch.nn.Linear)
        last.bias.fill_(-1.0)
    images = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8)
    targets = build_output("tree")(draw(4, scale=3.0, n=8)).float()
    optimizer = build_optimizer(model, config.train)
    losses = []
    for _ in range(300):
        loss = torch.nn.functional.mse_loss(model(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
