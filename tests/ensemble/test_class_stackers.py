"""Stackers of class probabilities: a slow plain loss, known cases, and what a blend cannot do."""

import numpy as np
import pytest

from galaxyzoo.ensemble.class_stackers import POOL_PENALTY, Pool, fit_pool
from galaxyzoo.ensemble.least_squares import OofFold, make_fold
from galaxyzoo.ensemble.selection import CLASS_CANDIDATES
from galaxyzoo.tasks.metrics import log_loss
from support.problems import PLAIN, draw_probs, one_hot, stack_folds

STACKERS = ["pool", "lightgbm"]


def random_folds(seed: int, n: int = 60, n_folds: int = 3, skill: float = 1.0) -> list[OofFold]:
    rng = np.random.default_rng(seed)
    targets = [one_hot(rng.choice(3, n, p=[0.5, 0.3, 0.2])) for _ in range(n_folds)]
    return [make_fold(draw_probs(rng, some, 3, skill), some) for some in targets]


def test_a_pool_is_the_weighted_geometric_mean_with_a_factor_per_class():
    features, _ = stack_folds(random_folds(1))
    weights = np.array([0.5, 0.2, -0.1])
    bias = np.array([0.3, -0.3, 0.0])
    raw = np.prod(features ** weights[:, None], axis=1) * np.exp(bias)
    expected = raw / raw.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(Pool(weights, bias).predict(features), expected, rtol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_the_pool_minimizes_its_loss_and_penalty(seed):
    """No step away from it makes a slow plain version of the loss smaller."""
    folds = random_folds(seed, n=40)
    features, targets = stack_folds(folds)

    def plain(weights: np.ndarray, bias: np.ndarray) -> float:
        raw = np.prod(features ** weights[:, None], axis=1) * np.exp(bias)
        probs = raw / raw.sum(axis=1, keepdims=True)
        loss = -np.log(probs[targets == 1]).mean()
        penalty = np.sum((weights - 1 / 3) ** 2) + np.sum(bias**2)
        return loss + POOL_PENALTY * penalty

    rng = np.random.default_rng(1)
    model = fit_pool(folds, PLAIN)
    best = plain(model.weights, model.bias)
    assert best < plain(np.full(3, 1 / 3), np.zeros(3))
    for size in (0.01, 0.05):
        for _ in range(40):
            weights_step, bias_step = size * rng.normal(size=(2, 3))
            assert best < plain(model.weights + weights_step, model.bias + bias_step)


@pytest.mark.parametrize("name", STACKERS)
def test_a_stacker_mends_what_a_blend_cannot(name):
    """Runs that give one of the classes a twentieth of its probability."""

    def spoil(fold: OofFold) -> OofFold:
        spoilt = fold.features * [1.0, 1.0, 0.05]
        return make_fold(spoilt / spoilt.sum(axis=2, keepdims=True), fold.targets)

    train = [spoil(fold) for fold in random_folds(6, n=500, skill=1.5)]
    held_out = spoil(random_folds(7, n=500, n_folds=1, skill=1.5)[0])

    def loss(candidate: str) -> float:
        model = CLASS_CANDIDATES[candidate].fit(train, PLAIN)
        return log_loss(model.predict(held_out.features), held_out.targets)

    assert loss(name) < loss("mean") - 0.1


@pytest.mark.parametrize("name", CLASS_CANDIDATES)
def test_a_certain_mistake_of_one_run_stops_no_candidate(name):
    features = np.array([[[1, 0, 0], [0.2, 0.3, 0.5]], [[0, 1, 0], [0.1, 0.8, 0.1]]] * 4)
    for runs in ([0, 1], [0, 0]):  # in the second, the truth is impossible for all runs
        fold = make_fold(features[:, runs], one_hot([2, 1] * 4))
        model = CLASS_CANDIDATES[name].fit([fold], PLAIN)
        assert np.isfinite(PLAIN.project(model.predict(fold.features))).all()
