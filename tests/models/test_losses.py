"""Losses against torch's and scipy's, slow plain versions, and what each lets a network learn."""

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from torch.nn import functional

from galaxyzoo.config.schema import Config
from galaxyzoo.inference.artifacts import WEIGHTS, load_weights
from galaxyzoo.models.build import build_model
from galaxyzoo.models.heads import build_output
from galaxyzoo.models.losses import (
    build_loss,
    cross_entropy,
    dirichlet_multinomial,
    first_log_concentrations,
    tree_divergence,
    vote_likelihood,
)
from galaxyzoo.models.pretrained import fill_network
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.registry import TASKS
from galaxyzoo.training.fold import train_fold
from galaxyzoo.training.trainer import Trainer
from support.class_fixtures import class_config, class_fold
from support.slow_tree import draw_tree
from support.small_models import small_config
from support.training_fixtures import assert_a_kill_changes_nothing, fold_data

# Columns of each question and of its parent answer, counted by hand; question 6 is asked of all.
PARENTS = {1: None, 2: 1, 3: 4, 4: 4, 5: 4, 6: None, 7: 0, 8: 13, 9: 3, 10: 7, 11: 7}

SIZES = [3, 2, 2, 2, 4, 2, 3, 7, 3, 3, 6]


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
    (logits, _), targets = draw(1), draw(2)[0].softmax(1)
    ours = cross_entropy(logits.softmax(1), targets)
    torch.testing.assert_close(ours, functional.cross_entropy(logits, targets))
    weights, total, norm = [0.2, 1.0, 3.0, 0.7], 0.0, 0.0
    for probs, target in zip(logits.softmax(1).tolist(), targets.tolist(), strict=True):
        weight = sum(w * t for w, t in zip(weights, target, strict=True))
        spread = [0.9 * t + 0.1 / 4 for t in target]
        total -= weight * sum(s * np.log(p) for s, p in zip(spread, probs, strict=True))
        norm += weight
    class_weights = torch.tensor(weights, dtype=torch.float64)
    ours = cross_entropy(logits.softmax(1), targets, class_weights, 0.1)
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
            asked, said = (1.0, 1.0) if parent is None else (given[parent], predicted[parent])
            for column in question.columns:
                i = GALAXY_ZOO_2.columns.index(column)
                if given[i] > 0:
                    total += (
                        asked
                        * (given[i] / asked)
                        * np.log(given[i] / asked / (predicted[i] / said))
                    )
    return total / len(targets)


@pytest.mark.parametrize("zeros", [False, True])
def test_tree_divergence_is_the_slow_one(zeros):
    votes, targets = draw_tree(0), draw_tree(1)
    if zeros:  # nobody said "smooth", so nobody was asked how round it is
        targets[0, [0, *range(15, 18)]] = 0
    ours = tree_divergence(votes, targets)
    assert ours.item() == pytest.approx(divergence_slowly(votes.numpy(), targets.numpy()), rel=1e-9)
    assert ours.item() > 0.1


def test_tree_divergence_is_zero_at_the_truth_and_nowhere_less():
    targets = draw_tree(2)
    assert tree_divergence(targets, targets).item() == pytest.approx(0, abs=1e-12)
    for seed in range(5):
        near = 0.95 * targets + 0.05 * draw_tree(10 + seed)  # the tree's sums are kept
        assert tree_divergence(near, targets).item() > 0


def likelihood_slowly(votes: np.ndarray, targets: np.ndarray, logs: np.ndarray) -> float:
    """Question by question and answer by answer, in plain Python."""
    total = 0.0
    for given, predicted in zip(targets, votes, strict=True):
        first = 0
        for number, size in enumerate(SIZES, start=1):
            parent, concentration = PARENTS[number], math.exp(logs[number - 1])
            said = 1.0 if parent is None else predicted[parent]
            asked = 0.0
            for column in range(first, first + size):
                count = 43 * given[column]
                alpha = concentration * predicted[column] / said
                asked += count
                total += math.lgamma(count + alpha) - math.lgamma(alpha) - math.lgamma(count + 1)
            total += math.lgamma(asked + 1)
            total += math.lgamma(concentration) - math.lgamma(asked + concentration)
            first += size
    return -total / len(targets)


def test_whole_counts_have_the_probability_that_scipy_gives_them() -> None:
    rng = np.random.default_rng(0)
    alphas = rng.gamma(2.0, 2.0, (30, 4))
    counts = np.stack([rng.multinomial(43, a / a.sum()) for a in alphas])
    expected = scipy.stats.dirichlet_multinomial.logpmf(counts, alphas, 43)
    ours = dirichlet_multinomial(torch.from_numpy(counts).double(), torch.from_numpy(alphas))
    np.testing.assert_allclose(ours, expected, rtol=1e-10)


def test_nobody_asked_has_probability_one() -> None:
    alphas = torch.tensor([[0.3, 2.0]], dtype=torch.float64)
    assert dirichlet_multinomial(torch.zeros(1, 2, dtype=torch.float64), alphas).item() == 0


@pytest.mark.parametrize("zeros", [False, True])
def test_the_likelihood_is_the_slow_one(zeros: bool) -> None:
    votes, targets = draw_tree(0), draw_tree(1)
    logs = torch.linspace(-1.0, 4.0, 11, dtype=torch.float64)
    if zeros:  # nobody said "smooth", so nobody was asked how round it is
        targets[0, [0, *range(15, 18)]] = 0
    ours = vote_likelihood(votes, targets, logs)
    expected = likelihood_slowly(votes.numpy(), targets.numpy(), logs.numpy())
    assert ours.item() == pytest.approx(expected, rel=1e-6)


def test_concentrations_of_a_crowd_are_found() -> None:
    rng, truth = np.random.default_rng(0), np.geomspace(2, 40, 11)
    votes = draw_tree(2, n=3000)
    targets = np.zeros(votes.shape)
    for question, concentration in zip(GALAXY_ZOO_2.top_down, truth, strict=True):
        span, parent = GALAXY_ZOO_2.span(question), GALAXY_ZOO_2.parent_index(question)
        asked = 43 * np.ones(3000) if parent is None else 43 * targets[:, parent]
        shares = votes[:, span].numpy() / votes[:, span].numpy().sum(axis=1, keepdims=True)
        for i in range(3000):
            drawn = rng.dirichlet(concentration * shares[i])
            targets[i, span] = rng.multinomial(round(asked[i]), drawn) / 43
    order = [GALAXY_ZOO_2.questions.index(q) for q in GALAXY_ZOO_2.top_down]
    logs = first_log_concentrations().double().requires_grad_(True)
    optimizer = torch.optim.LBFGS([logs], max_iter=40)

    def evaluate() -> torch.Tensor:
        optimizer.zero_grad()
        loss = vote_likelihood(votes, torch.from_numpy(targets), logs)
        loss.backward()
        return loss

    optimizer.step(evaluate)
    np.testing.assert_allclose(logs.detach()[order].exp(), truth, rtol=0.2)


@pytest.mark.parametrize("certain", [False, True])
@pytest.mark.parametrize("loss", ["kl", "votes"])
def test_gradients_are_finite_where_votes_are_zero(loss: str, certain: bool) -> None:
    logits = torch.randn(4, 37, generator=torch.Generator().manual_seed(0))
    if certain:
        logits[:, ::3] = 200.0  # softmax gives exact zeros beside them
    logits.requires_grad_(True)
    logs = first_log_concentrations().requires_grad_(True)
    targets = torch.zeros(4, 37)
    targets[:, GALAXY_ZOO_2.columns.index("Class1.3")] = 1.0  # all say "star or artifact"
    targets[:, GALAXY_ZOO_2.columns.index("Class6.2")] = 1.0
    more = (logs,) if loss == "votes" else ()
    build_loss(small_config(loss=loss))(
        build_output("tree", TASKS["gz37"])(logits), targets, *more
    ).backward()
    for tensor in (logits, *more):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
    assert certain or (logits.grad is not None and logits.grad.abs().sum() > 0)


LOSSES = [
    ("gz37", "mse"),
    ("gz37", "kl"),
    ("gz37", "votes"),
    ("zoo5", "mse"),
    ("zoo5", "cross_entropy"),
]


@pytest.mark.parametrize(("task", "loss"), [*LOSSES, ("zoo5", "soft_cross_entropy")])
def test_every_loss_trains(task, loss):
    if task == "gz37":
        config, data = small_config(loss=loss, train={"batch_size": 8}), fold_data()
    else:
        config, data = class_config(loss=loss), class_fold()
    trainer = Trainer(config, data)
    batch = next(iter(trainer.batches()))
    losses = [trainer.step(4, batch) for _ in range(12)]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


def test_losses_by_name_with_weights_and_smoothing():
    logits, numbers = draw(3)
    probs, targets = logits.softmax(1), one_hot(numbers)
    weights = torch.tensor([0.2, 1.0, 3.0, 0.7], dtype=torch.float64)
    config = class_config(train={"label_smoothing": 0.2})
    given = build_loss(config, weights)(probs, targets)
    torch.testing.assert_close(given, cross_entropy(probs, targets, weights, 0.2))
    mse = build_loss(small_config(loss="mse"))(probs, targets)
    torch.testing.assert_close(mse, (probs - targets).square().mean())
    votes = draw_tree(4)
    kl = build_loss(small_config(loss="kl"))(votes, draw_tree(5))
    torch.testing.assert_close(kl, tree_divergence(votes, draw_tree(5)))


def votes_config(**train: object) -> Config:
    return small_config(loss="votes", train={"epochs": 2, "batch_size": 8, "lr": 3e-3, **train})


def test_concentrations_are_trained_averaged_and_saved_with_the_network(tmp_path: Path) -> None:
    data, first = fold_data(), first_log_concentrations()
    train_fold(votes_config(), data, tmp_path / "whole", "whole")
    saved = load_weights(tmp_path / "whole" / WEIGHTS)["log_concentrations"]
    assert (saved != first).all()
    trainer = Trainer(votes_config(), data)
    trainer.model.load_state_dict({**trainer.model.state_dict(), "log_concentrations": saved})
    assert trainer.ema is not None
    assert torch.equal(trainer.ema.module.loss_parameters[0], first)  # a tensor of its own
    assert_a_kill_changes_nothing(tmp_path, votes_config(), data, steps=5)  # in the second epoch


def test_concentrations_train_beside_a_frozen_backbone() -> None:
    trainer = Trainer(votes_config(freeze="backbone"), fold_data())
    trainer.step(0, next(iter(trainer.batches())))
    assert trainer.model.log_concentrations is not None
    assert (trainer.model.log_concentrations != first_log_concentrations()).all()


@pytest.mark.parametrize("losses", [("votes", "mse"), ("mse", "votes")])
def test_a_start_may_have_another_loss(losses: tuple[str, str]) -> None:
    first, second = (build_model(small_config(loss=loss)) for loss in losses)
    fill_network(second, first.state_dict(), "start")
    ours, theirs = second.backbone.state_dict(), first.backbone.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    if second.log_concentrations is not None:
        assert torch.equal(second.log_concentrations, first_log_concentrations())
