"""The second level is fitted on cross-fitted predictions of the first."""

import numpy as np
import pytest

from galaxyzoo.ensemble import blends
from galaxyzoo.ensemble.least_squares import make_fold
from galaxyzoo.ensemble.selection import CANDIDATES, TWO_LEVEL, TwoLevel, cross_fit
from support.ensemble_fixtures import SMALL

FIRST = ["mean", "nnls", "ridge"]
BOTH = {name: CANDIDATES[name] for name in (*FIRST, TWO_LEVEL)}


@pytest.mark.parametrize("n_folds", [3, 4, 5])
def test_the_second_level_is_that_of_plain_inner_cross_fitting(n_folds):
    """Against fits of every level on the rows that it may see, one after the other."""
    rng = np.random.default_rng(6)
    targets, folds = rng.random((120, 2)), np.arange(120) % n_folds
    noise = rng.normal(scale=[[0.2], [0.3], [0.4]], size=(120, 3, 2))
    features = (targets[:, None] + noise).astype(np.float32)
    fits = cross_fit(BOTH, SMALL, features, targets, folds, 0)

    def said(kept: set[int], fold: int) -> np.ndarray:
        """What candidates that are fitted on `kept` say of a fold."""
        rows = [make_fold(features[folds == k], targets[folds == k]) for k in sorted(kept)]
        models = [CANDIDATES[name].fit(rows, SMALL, 0) for name in FIRST]
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
    fits = cross_fit(BOTH, SMALL, features, targets, np.arange(60) % 2, 0)
    expected = np.mean([fits.predictions(name) for name in FIRST], axis=0)
    np.testing.assert_allclose(fits.predictions(TWO_LEVEL), expected, atol=1e-7)
