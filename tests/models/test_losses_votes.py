"""The loss `votes`: against scipy and a slow plain version, and that its widths are learned."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import dirichlet_multinomial

from galaxyzoo.config.schema import Config
from galaxyzoo.inference.artifacts import WEIGHTS, load_weights
from galaxyzoo.models.build import build_model
from galaxyzoo.models.heads import TreeOutput
from galaxyzoo.models.losses import _log_probability, first_log_concentrations, vote_likelihood
from galaxyzoo.models.pretrained import fill_network
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.training.fold import train_fold
from galaxyzoo.training.trainer import Trainer
from support.slow_tree import draw_tree
from support.small_models import small_config
from support.training_fixtures import Killed, fold_data, kill_after

# Columns of each question and of its parent answer, counted by hand; question 6 is asked of all.
PARENTS = {1: None, 2: 1, 3: 4, 4: 4, 5: 4, 6: None, 7: 0, 8: 13, 9: 3, 10: 7, 11: 7}

SIZES = [3, 2, 2, 2, 4, 2, 3, 7, 3, 3, 6]


def config(**train: object) -> Config:
    return small_config(loss="votes", train={"epochs": 2, "batch_size": 8, "lr": 3e-3, **train})


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
    expected = [dirichlet_multinomial.logpmf(n, a, 43) for n, a in zip(counts, alphas, strict=True)]
    ours = _log_probability(torch.from_numpy(counts).double(), torch.from_numpy(alphas))
    np.testing.assert_allclose(ours, expected, rtol=1e-10)


def test_nobody_asked_has_probability_one() -> None:
    alphas = torch.tensor([[0.3, 2.0]], dtype=torch.float64)
    assert _log_probability(torch.zeros(1, 2, dtype=torch.float64), alphas).item() == 0


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
def test_gradients_are_finite_where_votes_are_zero(certain: bool) -> None:
    logits = torch.randn(4, 37, generator=torch.Generator().manual_seed(0))
    if certain:
        logits[:, ::3] = 200.0  # softmax gives exact zeros beside them
    logits.requires_grad_(True)
    logs = first_log_concentrations().requires_grad_(True)
    targets = torch.zeros(4, 37)
    targets[:, GALAXY_ZOO_2.columns.index("Class1.3")] = 1.0  # all say "star or artifact"
    targets[:, GALAXY_ZOO_2.columns.index("Class6.2")] = 1.0
    vote_likelihood(TreeOutput(GALAXY_ZOO_2)(logits), targets, logs).backward()
    for tensor in (logits, logs):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
    assert certain or (logits.grad is not None and logits.grad.abs().sum() > 0)


def test_concentrations_are_trained_averaged_and_saved_with_the_network(tmp_path: Path) -> None:
    data, first = fold_data(), first_log_concentrations()
    train_fold(config(), data, tmp_path / "whole", "whole")
    saved = load_weights(tmp_path / "whole" / WEIGHTS)["log_concentrations"]
    assert (saved != first).all()
    trainer = Trainer(config(), data)
    trainer.model.load_state_dict({**trainer.model.state_dict(), "log_concentrations": saved})
    assert trainer.ema is not None
    assert torch.equal(trainer.ema.module.loss_parameters[0], first)  # a tensor of its own
    with pytest.MonkeyPatch.context() as patch:
        kill_after(patch, 5)  # in the second of two epochs
        with pytest.raises(Killed):
            train_fold(config(), data, tmp_path / "killed", "killed")
    train_fold(config(), data, tmp_path / "killed", "killed")
    assert (tmp_path / "killed" / WEIGHTS).read_bytes() == (
        tmp_path / "whole" / WEIGHTS
    ).read_bytes()


def test_concentrations_train_beside_a_frozen_backbone() -> None:
    trainer = Trainer(config(head_epochs=1, epochs=2), fold_data())
    trainer.model.freeze(head_only=True)
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
