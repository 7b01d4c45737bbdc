"""The neural stacker: its gradients, what it learns, where it stops, and that it repeats itself."""

import numpy as np
import pytest

from galaxyzoo.ensemble import neural, stackers
from galaxyzoo.ensemble.least_squares import OofFold, make_fold
from galaxyzoo.ensemble.neural import fit_neural, forward, gradients
from support.ensemble_fixtures import SMALL


def draw_fold(rng: np.random.Generator, n: int = 1500, bump: float = 0.3) -> OofFold:
    """The mean of two runs, plus what no linear model knows."""
    features = rng.random((n, 2, 2))
    missed = bump * (np.abs(features[:, [0], [1]] - 0.5) < 0.25)
    return make_fold(features, features.mean(axis=1) + missed)


def test_gradients_are_those_of_small_steps():
    rng = np.random.default_rng(0)
    layers = [rng.normal(size=shape) for shape in ((3, 4), (4,), (4, 2), (2,))]
    inputs, wanted = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))

    def loss() -> float:
        return float(np.square(forward(layers, inputs)[1] - wanted).sum() / 14)

    for layer, gradient in zip(layers, gradients(layers, inputs, wanted), strict=True):
        for place in np.ndindex(layer.shape):
            before = layer[place]
            layer[place] = before + 1e-6
            above = loss()
            layer[place] = before - 1e-6
            below = loss()
            layer[place] = before
            assert gradient[place] == pytest.approx((above - below) / 2e-6, abs=1e-6)


def test_it_learns_what_is_not_linear():
    rng = np.random.default_rng(1)
    train, test = [draw_fold(rng), draw_fold(rng)], draw_fold(rng)
    errors = [
        np.square(fit(train, SMALL, 0).predict(test.features) - test.targets).mean()
        for fit in (fit_neural, stackers.fit_ridge)
    ]
    assert errors[0] < 0.6 * errors[1]


def test_where_nothing_is_to_be_learned_little_more_than_the_mean_is_left():
    rng = np.random.default_rng(2)
    features, noise = rng.random((400, 3, 2)), rng.normal(scale=0.1, size=(400, 2))
    model = fit_neural([make_fold(features, features.mean(axis=1) + noise)], SMALL, 0)
    assert min(model.steps) < 100
    moved = model.predict(features) - features.mean(axis=1)
    assert np.sqrt(np.square(moved).mean()) < 0.05


def test_the_same_seed_gives_the_same_networks_and_another_one_others():
    fold = draw_fold(np.random.default_rng(3), n=200)
    first, again, other = (fit_neural([fold], SMALL, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.predict(fold.features), again.predict(fold.features))
    assert (first.predict(fold.features) != other.predict(fold.features)).any()


@pytest.mark.parametrize("n", [1, 2, 6])
def test_a_few_galaxies_and_features_that_never_change_stop_nothing(n):
    features = np.full((n, 2, 2), 0.5)
    model = fit_neural([make_fold(features, np.full((n, 2), 0.25))], SMALL, 0)
    assert np.isfinite(model.predict(features)).all()
    assert model.predict(features[:0]).shape == (0, 2)


def test_galaxies_kept_back_are_not_learned_from(monkeypatch):
    """Each network sees its own four fifths, all of them everything."""
    fold = draw_fold(np.random.default_rng(4), n=100)
    seen: list[set[int]] = []
    original = neural._descend

    def watched(layers, inputs, wanted, rows, rng):
        seen.append(set(rows.tolist()))
        return original(layers, inputs, wanted, rows, rng)

    monkeypatch.setattr(neural, "_descend", watched)
    fit_neural([fold], SMALL, 0)
    assert [len(rows) for rows in seen] == [80] * neural.MEMBERS
    assert set.union(*seen) == set(range(100))
    assert not set.intersection(*seen)
