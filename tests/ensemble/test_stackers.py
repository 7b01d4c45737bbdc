"""Stackers against scikit-learn, fresh boosters, and cases whose answer is known."""

import lightgbm as lgb
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from galaxyzoo.ensemble import blends, stackers
from galaxyzoo.ensemble.least_squares import OofFold, make_fold, total
from support.ensemble_fixtures import SMALL, stack_folds


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


def rows(folds: list[OofFold]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(galaxy, feature), (galaxy, column) targets, (galaxy, column) uniform mean."""
    features, targets = stack_folds(folds)
    return features.reshape(len(features), -1), targets, features.mean(axis=1)


def sklearn_ridge(train: list[OofFold], test: list[OofFold], penalty: float) -> np.ndarray:
    """(galaxy, column) the same stacker by scikit-learn, whose penalty is not per galaxy."""
    x, y, mean = rows(train)
    model = make_pipeline(StandardScaler(), Ridge(alpha=penalty * len(x))).fit(x, y - mean)
    x, _, mean = rows(test)
    return mean + model.predict(x)


@pytest.mark.parametrize("penalty", [1e-5, 0.1, 10.0])
def test_ridge_from_sums_is_that_of_sklearn(penalty):
    train, test = linear_folds(0), linear_folds(1)
    ours = stackers.ridge_path(total(train), [penalty])[0].predict(
        np.concatenate([f.features for f in test])
    )
    np.testing.assert_allclose(ours, sklearn_ridge(train, test, penalty), atol=1e-6)


def test_ridge_picks_each_columns_penalty_by_cross_fitting():
    folds = linear_folds(2, n=12, noise=0.8)
    errors = np.zeros((len(stackers.PENALTIES), 2))
    for held_out in folds:
        others = [f for f in folds if f is not held_out]
        for i, penalty in enumerate(stackers.PENALTIES):
            predictions = sklearn_ridge(others, [held_out], penalty)
            errors[i] += np.square(predictions - held_out.targets).sum(axis=0)
    expected = np.take(stackers.PENALTIES, errors.argmin(axis=0))
    assert expected[0] != expected[1]  # else the test could not tell columns apart
    stacker = stackers.fit_ridge(folds, SMALL, 0)
    np.testing.assert_array_equal(stacker.penalties, expected)
    for column, penalty in enumerate(expected):
        ours = stacker.predict(folds[0].features)[:, column]
        np.testing.assert_allclose(
            ours, sklearn_ridge(folds, folds[:1], penalty)[:, column], atol=1e-6
        )


def test_ridge_held_back_strongly_is_the_mean_with_its_bias_removed():
    folds = linear_folds(3)
    x, y, mean = rows(folds)
    ours = stackers.ridge_path(total(folds), [1e9])[0].predict(x)
    np.testing.assert_allclose(ours, mean + (y - mean).mean(axis=0), atol=1e-6)


def test_ridge_fits_a_single_fold():
    stacker = stackers.fit_ridge(linear_folds(4, n_folds=1), SMALL, 0)
    assert (stacker.penalties == stackers.UNTUNED_PENALTY).all()


@pytest.mark.parametrize("fit", [stackers.fit_ridge, stackers.fit_lightgbm])
def test_a_stacker_uses_other_columns_and_a_blend_cannot(fit):
    train, test = linear_folds(5, n=400, noise=0.05), linear_folds(6, n=400, noise=0.05)
    features, (_, targets, _) = np.concatenate([f.features for f in test]), rows(test)
    stacked = fit(train, SMALL, 0).predict(features)
    blended = blends.fit_nnls(train, SMALL, 0).predict(features)
    errors = [np.square(p[:, 0] - targets[:, 0]).mean() for p in (stacked, blended)]
    assert errors[0] < 0.8 * errors[1]


@pytest.mark.parametrize("fit", [stackers.fit_ridge, stackers.fit_lightgbm])
def test_no_galaxy_is_predicted_as_none(fit):
    model = fit(linear_folds(9, n=30), SMALL, 0)
    assert model.predict(np.empty((0, 2, 2), np.float32)).shape == (0, 2)


@pytest.mark.parametrize(("n_runs", "fraction"), [(2, 0.3), (3, 0.3), (20, 64 / 740)])
def test_trees_of_many_runs_have_no_more_features_than_those_of_a_few(n_runs, fraction):
    assert stackers.capped(n_runs * 37)["feature_fraction"] == fraction


def test_ridge_has_the_weights_that_made_the_targets():
    folds = linear_folds(7, n=500, noise=0.0)
    weights = stackers.fit_ridge(folds, SMALL, 0).weights
    np.testing.assert_allclose(weights, [[0.5, 0], [0, 0.5], [0.5, 0], [0.5, 0.5]], atol=1e-3)


def test_lightgbm_learns_what_is_not_linear():
    rng = np.random.default_rng(0)

    def fold() -> OofFold:
        features = rng.random((800, 2, 2))
        bump = 0.3 * (np.abs(features[:, 0, 1] - 0.5) < 0.25)
        return make_fold(features, features.mean(axis=1) + bump[:, None])

    train, test = [fold(), fold()], fold()
    errors = [
        np.square(fit(train, SMALL, 0).predict(test.features) - test.targets).mean()
        for fit in (stackers.fit_lightgbm, stackers.fit_ridge)
    ]
    assert errors[0] < 0.3 * errors[1]


def test_lightgbm_with_swapped_labels_is_that_with_fresh_data_and_repeats_itself():
    folds = linear_folds(8, n=200)
    x, y, mean = rows(folds)
    settings = stackers.BOOSTING | {"seed": 5}
    fresh = [
        lgb.train(
            settings,
            lgb.Dataset(x.astype(np.float32), y[:, c] - mean[:, c]),
            stackers.BOOSTING_ROUNDS,
        )
        for c in range(2)
    ]
    expected = mean + np.column_stack([booster.predict(x.astype(np.float32)) for booster in fresh])
    for _ in range(2):
        ours = stackers.fit_lightgbm(folds, SMALL, 5).predict(
            x.astype(np.float32).reshape(-1, 2, 2)
        )
        np.testing.assert_array_equal(ours, expected)
    assert (stackers.fit_lightgbm(folds, SMALL, 7).predict(x.reshape(-1, 2, 2)) != expected).any()
