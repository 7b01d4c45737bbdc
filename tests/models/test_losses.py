"""Losses against torch's, slow plain versions, and what each lets a network learn."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from galaxyzoo.models.heads import TreeOutput, build_output
from galaxyzoo.models.losses import cross_entropy, tree_divergence
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.registry import TASKS


def draw_tree(seed: int, n: int = 6) -> torch.Tensor:
    """(B, 37) vote fractions that obey the tree."""
    generator = torch.Generator().manual_seed(seed)
    return TreeOutput()(torch.randn(n, 37, generator=generator, dtype=torch.float64))


def draw(seed: int, n: int = 20, n_classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, class) logits and (B,) class numbers."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(n, n_classes, generator=generator, dtype=torch.float64)
    return logits, torch.randint(0, n_classes, (n,), generator=generator)


def one_hot(numbers: torch.Tensor) -> torch.Tensor:
    return functional.one_hot(numbers, 4).double()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, [0.2, 1.0, 3.0, 0.7]])
def test_cross_entropy_of_hard_classes_is_that_of_torch(weights, smoothing):
    logits, numbers = draw(0)
    class_weights = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    ours = cross_entropy(logits.softmax(1), one_hot(numbers), class_weights, smoothing)
    if class_weights is None:
        expected = functional.cross_entropy(logits, numbers, label_smoothing=smoothing)
    else:
        # torch's weights weigh the classes of a smoothed target one by one; ours the galaxy.
        losses = functional.cross_entropy(
            logits, numbers, label_smoothing=smoothing, reduction="none"
        )
        of_galaxy = class_weights[numbers]
        expected = (losses * of_galaxy).sum() / of_galaxy.sum()
        if not smoothing:
            torchs = functional.cross_entropy(logits, numbers, class_weights)
            torch.testing.assert_close(expected, torchs)
    torch.testing.assert_close(ours, expected)


def test_cross_entropy_of_soft_classes_is_that_of_torch_and_of_a_slow_plain_one():
    logits, _ = draw(1)
    targets = draw(2)[0].softmax(1)
    ours = cross_entropy(logits.softmax(1), targets)
    torch.testing.assert_close(ours, functional.cross_entropy(logits, targets))
    class_weights = np.array([0.2, 1.0, 3.0, 0.7])
    total = 0.0
    norm = 0.0
    for probs, target in zip(logits.softmax(1).numpy(), targets.numpy(), strict=True):
        weight = np.sum(class_weights * target)
        smoothed = 0.9 * target + 0.1 / 4
        total -= weight * np.sum(smoothed * np.log(probs))
        norm += weight
    ours = cross_entropy(logits.softmax(1), targets, torch.from_numpy(class_weights), 0.1)
    assert ours.item() == pytest.approx(total / norm, rel=1e-12)


def test_a_probability_of_zero_costs_much_but_no_infinity():
    probs = torch.tensor([[1.0, 0.0]], requires_grad=True)
    loss = cross_entropy(probs, torch.tensor([[0.0, 1.0]]))
    loss.backward()
    assert 20 < loss.item() < 100
    assert probs.grad is not None
    assert torch.isfinite(probs.grad).all()


def divergence_slowly(votes: np.ndarray, targets: np.ndarray) -> float:
    """Question by question and answer by answer: asked share · sum s · log(s / t)."""
    total = 0.0
    for given, predicted in zip(targets, votes, strict=True):
        for question in GALAXY_ZOO_2.questions:
            parent = GALAXY_ZOO_2.parent_index(question)
            asked = 1.0 if parent is None else given[parent]
            predicted_asked = 1.0 if parent is None else predicted[parent]
            for column in question.columns:
                i = GALAXY_ZOO_2.columns.index(column)
                if given[i] > 0:
                    share = given[i] / asked
                    predicted_share = predicted[i] / predicted_asked
                    total += asked * share * np.log(share / predicted_share)
    return total / len(targets)


@pytest.mark.parametrize("zeros", [False, True])
def test_tree_divergence_is_the_slow_one(zeros):
    votes = draw_tree(0)
    targets = draw_tree(1)
    if zeros:  # nobody said "smooth", so nobody was asked how round it is
        targets[0, [0, *range(15, 18)]] = 0
    ours = tree_divergence(votes, targets)
    assert ours.item() == pytest.approx(divergence_slowly(votes.numpy(), targets.numpy()), rel=1e-9)
    assert ours.item() > 0.1


@pytest.mark.parametrize("certain", [False, True])
def test_gradients_are_finite_where_votes_are_zero(certain):
    logits = torch.randn(4, 37, generator=torch.Generator().manual_seed(0))
    if certain:
        logits[:, ::3] = 200.0  # softmax gives exact zeros beside them
    logits.requires_grad_(True)
    targets = torch.zeros(4, 37)
    targets[:, GALAXY_ZOO_2.columns.index("Class1.3")] = 1.0  # all say "star or artifact"
    targets[:, GALAXY_ZOO_2.columns.index("Class6.2")] = 1.0
    tree_divergence(build_output("tree", TASKS["gz37"])(logits), targets).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert certain or logits.grad.abs().sum() > 0
