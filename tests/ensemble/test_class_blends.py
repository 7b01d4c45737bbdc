"""Blends and stackers of class probabilities: brute force, scipy, finite differences, chance."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize

from galaxyzoo.ensemble import class_blends, class_stackers
from galaxyzoo.ensemble.least_squares import OofFold, make_fold
from galaxyzoo.ensemble.selection import CLASS_CANDIDATES
from galaxyzoo.tasks.metrics import log_loss
from support.class_fixtures import PLAIN, draw_probs, one_hot


def random_folds(
    seed: int, n: int = 60, n_folds: int = 3, n_runs: int = 3, skill: float = 1.0
) -> list[OofFold]:
    rng = np.random.default_rng(seed)
    targets = [one_hot(rng.choice(3, n, p=[0.5, 0.3, 0.2])) for _ in range(n_folds)]
    return [make_fold(draw_probs(rng, some, n_runs, skill), some) for some in targets]


def loss_of(weights: np.ndarray, likelihoods: np.ndarray) -> float:
    return float(-np.log(likelihoods @ weights).mean())


def likelihoods(seed: int, n: int = 80, n_runs: int = 3) -> np.ndarray:
    return class_blends.true_class_probs(random_folds(seed, n, 1, n_runs, skill=0.5))


def test_the_best_run_is_that_of_the_smallest_log_loss():
    folds = random_folds(0, skill=1.5)
    features = np.concatenate([fold.features for fold in folds])
    targets = np.concatenate([fold.targets for fold in folds])
    losses = [log_loss(features[:, run], targets) for run in range(3)]
    weights = class_blends.fit_best(folds[::-1], PLAIN, 0).weights
    assert weights[:, 0].tolist() == np.eye(3)[int(np.argmin(losses))].tolist()


def test_a_run_that_is_surest_on_average_but_once_quite_wrong_is_not_the_best():
    told = np.array([[0.99, 0.6], [0.99, 0.6], [1e-5, 0.6]])  # mean 0.66 against 0.6
    features = np.stack([told, (1 - told) / 2, (1 - told) / 2], axis=2)
    fold = make_fold(features, one_hot([0, 0, 0]))
    assert class_blends.fit_best([fold], PLAIN, 0).weights[:, 0].tolist() == [0, 1]


@pytest.mark.parametrize("seed", range(3))
def test_greedy_selection_is_caruanas_on_rows(seed):
    given = likelihoods(seed)
    drawn: list[int] = []
    history: list[float] = []
    for _ in range(12):
        tried = [
            loss_of(np.bincount([*drawn, r], minlength=3) / (len(drawn) + 1), given)
            for r in range(3)
        ]
        drawn.append(int(np.argmin(tried)))
        history.append(min(tried))
    kept = drawn[: int(np.argmin(history)) + 1]
    found = class_blends.greedy_weights(given, 12)
    np.testing.assert_allclose(found, np.bincount(kept, minlength=3) / len(kept))


@pytest.mark.parametrize("seed", range(3))
def test_mixture_weights_are_the_best_of_a_grid_and_those_of_scipy(seed):
    given = likelihoods(seed)
    found = class_blends.mixture_weights(given)
    assert found.sum() == pytest.approx(1)
    assert found.min() >= 0
    grid = [np.array([a, b, 100 - a - b]) / 100 for a in range(101) for b in range(101 - a)]
    best = min(grid, key=lambda weights: loss_of(weights, given))
    assert loss_of(found, given) <= loss_of(best, given) + 1e-6
    np.testing.assert_allclose(found, best, atol=0.02)
    scipys = minimize(
        loss_of,
        np.full(3, 1 / 3),
        given,
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        options={"ftol": 1e-14},
    )
    np.testing.assert_allclose(found, scipys.x, atol=2e-4)
    greedy = class_blends.greedy_weights(given)
    assert loss_of(found, given) <= loss_of(greedy, given) + 1e-6
    assert loss_of(greedy, given) <= loss_of(best, given) + 1e-3


def test_a_certain_mistake_of_one_run_does_not_stop_a_blend():
    features = np.array([[[1, 0, 0], [0.2, 0.3, 0.5]], [[0, 1, 0], [0.1, 0.8, 0.1]]] * 4)
    fold = make_fold(features, one_hot([2, 1] * 4))
    for name in CLASS_CANDIDATES:
        model = CLASS_CANDIDATES[name]([fold], PLAIN, 0)
        assert np.isfinite(PLAIN.project(model.predict(features))).all()
    assert class_blends.fit_mixture([fold], PLAIN, 0).weights[1, 0] > 0.4
    both = make_fold(features[:, [0, 0]], fold.targets)  # no run holds the truth possible
    for fit in (class_blends.fit_mixture, class_blends.fit_greedy):
        assert fit([both], PLAIN, 0).weights.sum(axis=0) == pytest.approx(1)


def test_the_gradient_is_that_of_finite_differences():
    fold = random_folds(1, n=30, n_folds=1)[0]
    logs, rng = class_stackers._logs(fold.features), np.random.default_rng(0)
    point = rng.normal(size=27 + 3) / 3

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        weights = values[:27].reshape(3, 3, 3)
        value, *parts = class_stackers._gradient(logs, fold.targets, weights, values[27:])
        return value, np.concatenate([part.ravel() for part in parts])

    expected = approx_fprime(point, lambda values: loss(values)[0], 1e-7)
    np.testing.assert_allclose(loss(point)[1], expected, atol=1e-5)
    model = class_stackers.LogLinear(point[:27].reshape(3, 3, 3), point[27:], 0.0, False)
    assert loss(point)[0] == pytest.approx(log_loss(model.predict(fold.features), fold.targets))


@pytest.mark.parametrize("kind", ["pool", "logistic"])
def test_a_fit_minimises_its_loss_and_penalty(kind, monkeypatch):
    """The minimum and the gradient are those of a slow plain version of the same loss."""
    folds, gradients = random_folds(2, n=40), []
    found_by = minimize

    def spy(loss, start, **options):
        point = start + np.random.default_rng(0).normal(size=len(start)) / 5
        slow = approx_fprime(point, lambda values: loss(values)[0], 1e-7)
        gradients.append((loss(point)[1], slow))
        return found_by(loss, start, **options)

    monkeypatch.setattr(class_stackers, "minimize", spy)
    fits = {"pool": class_stackers.fit_pool, "logistic": class_stackers.fit_logistic}
    model = fits[kind](folds, PLAIN, 0)
    for given, slow in gradients:
        np.testing.assert_allclose(given, slow, atol=1e-5)
    penalty = class_stackers.POOL_PENALTY if kind == "pool" else model.penalty
    rng, logs = np.random.default_rng(1), np.concatenate([np.log(f.features) for f in folds])
    targets = np.concatenate([fold.targets for fold in folds])
    mean = np.tile(np.eye(3) / 3, (3, 1, 1))

    def plain(weights: np.ndarray, bias: np.ndarray) -> float:
        scores = np.exp(np.einsum("grc,rcd->gd", logs, weights) + bias)
        change = ((weights - mean) ** 2).sum() / (3 if kind == "pool" else 1)  # one weight per run
        fit = -np.log((scores / scores.sum(axis=1, keepdims=True) * targets).sum(axis=1)).mean()
        return fit + penalty * (change + (bias**2).sum())

    best = plain(model.weights, model.bias)
    assert best < plain(mean, np.zeros(3))
    for _ in range(40):
        moved = (
            rng.normal(size=(3, 3, 3))
            if kind == "logistic"
            else rng.normal(size=(3, 1, 1)) * np.eye(3)
        )
        assert best < plain(model.weights + 0.05 * moved, model.bias + 0.05 * rng.normal(size=3))


@pytest.mark.parametrize("seed", range(3))
def test_the_logistic_stacker_is_never_worse_than_the_geometric_mean_it_starts_from(
    seed, monkeypatch
):
    folds = random_folds(seed, skill=0.3 * seed)
    features = np.concatenate([fold.features for fold in folds])
    targets = np.concatenate([fold.targets for fold in folds])
    mean = np.exp(np.log(features.astype(float)).mean(axis=1))
    mean /= mean.sum(axis=1, keepdims=True)
    for model in class_stackers._logistic_path(folds):
        assert log_loss(model.predict(features), targets) <= log_loss(mean, targets) + 1e-9
    monkeypatch.setattr(class_stackers, "PENALTIES", (1e6,))
    (model,) = class_stackers._logistic_path(folds)
    np.testing.assert_allclose(model.predict(features), mean, atol=1e-4)  # held back by 1e6


def test_the_logistic_stacker_picks_its_penalty_by_cross_fitting():
    folds = random_folds(5, n=25, skill=0.5)
    targets = np.concatenate([fold.targets for fold in folds])
    paths = [class_stackers._logistic_path([f for f in folds if f is not out]) for out in folds]
    losses = [
        log_loss(
            np.concatenate(
                [path[i].predict(f.features) for path, f in zip(paths, folds, strict=True)]
            ),
            targets,
        )
        for i in range(len(class_stackers.PENALTIES))
    ]
    expected = class_stackers.PENALTIES[int(np.argmin(losses))]
    assert class_stackers.fit_logistic(folds, PLAIN, 0).penalty == expected
    assert expected > min(class_stackers.PENALTIES)  # the weakest would win in-sample
    alone = class_stackers.fit_logistic(folds[:1], PLAIN, 0)
    assert alone.penalty == max(class_stackers.PENALTIES)  # nothing to pick by: the safest


@pytest.mark.parametrize("name", ["pool", "logistic", "lightgbm"])
def test_a_stacker_mends_what_a_blend_cannot(name):
    """Runs that swap two classes half of the time, and never say the third often enough."""
    train, test = random_folds(6, n=500, skill=1.5), random_folds(7, n=500, n_folds=1, skill=1.5)

    def spoil(fold: OofFold) -> OofFold:
        spoilt = fold.features * [1.0, 1.0, 0.05]
        return make_fold(spoilt / spoilt.sum(axis=2, keepdims=True), fold.targets)

    train, held_out = [spoil(fold) for fold in train], spoil(test[0])
    losses = [
        log_loss(fit(train, PLAIN, 0).predict(held_out.features), held_out.targets)
        for fit in (CLASS_CANDIDATES[name], CLASS_CANDIDATES["mixture"])
    ]
    assert losses[0] < losses[1] - 0.1


@pytest.mark.parametrize("name", ["pool", "logistic", "lightgbm"])
def test_a_stacker_leaves_a_mean_that_is_right_nearly_as_it_is(name):
    rng = np.random.default_rng(9)

    def fold(n: int) -> OofFold:
        probs = rng.dirichlet([0.6, 0.4, 0.3], n)
        truth = [rng.choice(3, p=row) for row in probs]
        return make_fold(np.repeat(probs[:, None], 2, axis=1), one_hot(truth))

    train, held_out = [fold(300), fold(300)], fold(600)
    predictions = CLASS_CANDIDATES[name](train, PLAIN, 0).predict(held_out.features)
    mean = log_loss(held_out.features.mean(axis=1), held_out.targets)
    assert log_loss(predictions, held_out.targets) < mean + 0.03


def test_lightgbm_repeats_itself_and_another_seed_does_not():
    folds = random_folds(8, n=150)
    features = folds[0].features
    first, again, other = (
        class_stackers.fit_lightgbm(folds, PLAIN, seed).predict(features) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert class_stackers.fit_lightgbm(folds, PLAIN, 3).predict(features[:0]).shape == (0, 3)
