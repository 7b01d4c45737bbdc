"""Stackers above a blend: what they add to it, and that the second level is fitted cross-fitted."""

import numpy as np
import pytest

from galaxyzoo.ensemble import blends, residual
from galaxyzoo.ensemble.least_squares import OofFold, make_fold
from galaxyzoo.ensemble.residual import fit_residual
from galaxyzoo.ensemble.selection import CANDIDATES, TWO_LEVEL, TwoLevel, cross_fit
from support.ensemble_fixtures import SMALL

FIRST = ["mean", "nnls", "ridge"]


def draw_folds(seed: int, n: int = 1000, bump: float = 0.3) -> list[OofFold]:
    """Two runs, one of them twice too small, and what no weights can mend: a bump in the middle."""
    rng = np.random.default_rng(seed)
    folds = []
    for _ in range(3):
        truth = rng.random((n, 2))
        features = np.stack([truth + rng.normal(scale=0.05, size=(n, 2)), 0.5 * truth], axis=1)
        targets = truth + bump * (np.abs(truth[:, [0]] - 0.5) < 0.25)
        folds.append(make_fold(features, targets))
    return folds


def test_what_the_blend_misses_is_learned():
    folds, (test, *_) = draw_folds(0), draw_folds(1)
    errors = [
        np.square(fit(folds, SMALL, 0).predict(test.features) - test.targets).mean()
        for fit in (fit_residual, blends.fit_nnls)
    ]
    assert errors[0] < 0.5 * errors[1]


def test_where_the_blend_misses_nothing_it_stays_as_it_is():
    folds, (test, *_) = draw_folds(2, bump=0.0), draw_folds(3, bump=0.0)
    model = fit_residual(folds, SMALL, 0)
    blended = blends.fit_nnls(folds, SMALL, 0).predict(test.features)
    np.testing.assert_allclose(model.predict(test.features), blended, atol=0.01)


def test_trees_are_fitted_on_galaxies_that_the_blend_did_not_see(monkeypatch):
    folds, seen = draw_folds(4, n=50), []

    class Spy:
        def __init__(self, fitted):
            self.fitted = fitted

        def predict(self, features):
            seen.append(not any(fold.features is features for fold in self.fitted))
            return features.mean(axis=1)

    monkeypatch.setattr(residual, "fit_nnls", lambda fitted, *_: Spy(fitted))
    fit_residual(folds, SMALL, 0)
    assert seen == [True, True, True]
    fit_residual(folds[:1], SMALL, 0)
    assert seen[3:] == [False]  # a single fold has no others


def test_features_of_the_second_look_are_blend_runs_and_spread():
    fold = draw_folds(5, n=10)[0]
    blended = fold.features.mean(axis=1)
    found = residual.second_features(fold.features, blended)
    expected = [blended, fold.features[:, 0], fold.features[:, 1], fold.features.std(axis=1)]
    np.testing.assert_allclose(found, np.concatenate(expected, axis=1), atol=1e-7)
    assert found.dtype == np.float32


@pytest.mark.parametrize("n_folds", [3, 4, 5])
def test_the_second_level_is_that_of_plain_inner_cross_fitting(n_folds):
    """Against fits of every level on the rows that it may see, one after the other."""
    rng = np.random.default_rng(6)
    targets, folds = rng.random((120, 2)), np.arange(120) % n_folds
    noise = rng.normal(scale=[[0.2], [0.3], [0.4]], size=(120, 3, 2))
    features = (targets[:, None] + noise).astype(np.float32)
    fits = cross_fit([*FIRST, TWO_LEVEL], SMALL, features, targets, folds, 0)

    def said(kept: set[int], fold: int) -> np.ndarray:
        """What candidates that are fitted on `kept` say of a fold."""
        rows = [make_fold(features[folds == k], targets[folds == k]) for k in sorted(kept)]
        models = [CANDIDATES[name](rows, SMALL, 0) for name in FIRST]
        values = features[folds == fold]
        return np.stack([SMALL.project(model.predict(values)) for model in models], axis=1)

    everything = set(range(n_folds))
    for without in ({0}, {1, 2}):
        inside = everything - without
        level = (
            [make_fold(said(inside - {k}, k), targets[folds == k]) for k in sorted(inside)]
            if (len(inside) > 1)
            else []
        )
        for fold in without:
            first = said(inside, fold)
            plain = blends.fit_nnls(level, SMALL, 0).predict(first) if level else first.mean(axis=1)
            found = fits.held_out[TWO_LEVEL, frozenset(without), fold]
            np.testing.assert_allclose(found, SMALL.project(plain), atol=1e-6)
    model = fits.models[TWO_LEVEL]
    assert isinstance(model, TwoLevel)
    weights = model.about(["x", "y", "z"], SMALL)["weights"]
    assert list(weights) == FIRST
    values = model.predict(features)
    first = np.stack([SMALL.project(fits.models[n].predict(features)) for n in FIRST], axis=1)
    np.testing.assert_allclose(values, model.blend.predict(first), atol=1e-12)


def test_two_folds_leave_the_second_level_the_mean_of_the_first():
    rng = np.random.default_rng(7)
    targets, features = rng.random((60, 2)), rng.random((60, 2, 2)).astype(np.float32)
    fits = cross_fit([*FIRST, TWO_LEVEL], SMALL, features, targets, np.arange(60) % 2, 0)
    expected = np.mean([fits.predictions(name) for name in FIRST], axis=0)
    np.testing.assert_allclose(fits.predictions(TWO_LEVEL), expected, atol=1e-7)
