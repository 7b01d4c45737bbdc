"""Blends and stackers on arbitrary runs: copies, constants, wild values."""

import warnings

import numpy as np
from hypothesis import given

from galaxyzoo.ensemble import stackers
from galaxyzoo.ensemble.blends import Blend
from galaxyzoo.ensemble.least_squares import OofFold, make_fold
from galaxyzoo.ensemble.selection import CLASS_CANDIDATES
from support.fuzz_fixtures import cases
from support.problems import PLAIN, SMALL, fit_weights, stack_folds
from support.strategies import oof_folds

FEW = cases(40, 1000)


def turned(folds: list[OofFold]) -> list[OofFold]:
    """The same with the runs in the opposite order."""
    return [make_fold(fold.features[:, ::-1], fold.targets) for fold in folds]


def squared(predictions: np.ndarray, targets: np.ndarray) -> float:
    return float(np.square(predictions - targets).sum())


def size_of(features: np.ndarray, targets: np.ndarray) -> float:
    """What squared errors are held against: the squares of all that is given."""
    return float(np.square(features).sum() + np.square(targets).sum())


@FEW
@given(oof_folds())
def test_blends_of_votes_keep_their_promises(folds):
    features, targets = stack_folds(folds)
    size = size_of(features, targets)
    best = min(squared(features[:, run], targets) for run in range(features.shape[1]))
    for name in ("mean", "greedy", "nnls"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            weights = fit_weights(folds, name, SMALL)
        assert np.isfinite(weights).all()
        assert weights.min() >= 0
        if name != "nnls":
            np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-9)
        error = squared(Blend(weights).predict(features), targets)
        if name != "mean":
            assert error <= best + 1e-6 * size
        other = Blend(fit_weights(turned(folds), name, SMALL)).predict(features[:, ::-1])
        assert abs(squared(other, targets) - error) <= 1e-6 * size


@FEW
@given(oof_folds())
def test_the_disagreement_ridge_bears_any_runs(folds):
    features, targets = stack_folds(folds)
    size = size_of(features, targets)
    model = stackers.fit_disagreement_ridge(folds, SMALL)
    assert np.isfinite(model.whole.weights).all()
    error = squared(model.predict(features), targets)
    assert error <= squared(model.blend.predict(features), targets) + 1e-6 * size
    other = stackers.fit_disagreement_ridge(turned(folds), SMALL)
    if (other.whole.penalties == model.whole.penalties).all():
        values = other.predict(features[:, ::-1])
        assert abs(squared(values, targets) - error) <= 1e-5 * size


def mean_loss(probs: np.ndarray, targets: np.ndarray) -> float:
    return float(-np.log(np.maximum((probs * targets).sum(axis=1), 1e-6)).mean())


@FEW
@given(oof_folds(probabilities=True))
def test_a_pool_keeps_its_promises(folds):
    features, targets = stack_folds(folds)
    logs = np.log(features).mean(axis=1)
    geometric = np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True)
    probs = CLASS_CANDIDATES["pool"].fit(folds, PLAIN).predict(features)
    assert np.isfinite(probs).all()
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-9)
    assert mean_loss(probs, targets) <= mean_loss(geometric, targets) + 1e-6
