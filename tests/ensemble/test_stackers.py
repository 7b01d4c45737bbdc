"""Boosted trees against fresh boosters, and cases whose answer is known."""

import lightgbm as lgb
import numpy as np
import pytest

from galaxyzoo.ensemble import stackers
from galaxyzoo.ensemble.least_squares import OofFold, make_fold
from support.problems import SMALL, stack_folds


def linear_folds(seed: int, n: int = 60, n_folds: int = 3, noise: float = 0.3) -> list[OofFold]:
    """Folds in which column a's error is told by run 1's column b."""
    rng = np.random.default_rng(seed)
    folds = []
    for _ in range(n_folds):
        features = rng.random((n, 2, 2))
        targets = features.mean(axis=1) + noise * rng.normal(size=(n, 2))
        targets[:, 0] += 0.5 * features[:, 1, 1]
        folds.append(make_fold(features, targets))
    return folds


@pytest.mark.parametrize("fit", [stackers.fit_disagreement_ridge, stackers.fit_lightgbm])
def test_no_galaxy_is_predicted_as_none(fit):
    model = fit(linear_folds(9, n=30), SMALL)
    assert model.predict(np.empty((0, 2, 2), np.float32)).shape == (0, 2)


@pytest.mark.parametrize(("n_runs", "fraction"), [(2, 0.3), (3, 0.3), (20, 64 / 740)])
def test_trees_of_many_runs_have_no_more_features_than_those_of_a_few(n_runs, fraction):
    assert stackers.capped(n_runs * 37)["feature_fraction"] == fraction


def test_lightgbm_with_swapped_labels_is_that_with_fresh_data_and_repeats_itself():
    folds = linear_folds(8, n=200)
    features, targets = stack_folds(folds)
    rows = features.reshape(len(features), -1).astype(np.float32)
    expected = features.mean(axis=1)
    errors = targets - expected
    for column in range(2):
        data = lgb.Dataset(rows, errors[:, column])
        booster = lgb.train(stackers.BOOSTING, data, stackers.BOOSTING_ROUNDS)
        expected[:, column] += booster.predict(rows)
    for _ in range(2):
        ours = stackers.fit_lightgbm(folds, SMALL).predict(features.astype(np.float32))
        np.testing.assert_array_equal(ours, expected)
