"""Sums of products: against the rows that they are sums of."""

import numpy as np

from galaxyzoo.ensemble.least_squares import LeastSquares, OofFold, make_fold, total


def random_fold(seed: int, n: int = 40) -> OofFold:
    rng = np.random.default_rng(seed)
    return make_fold(rng.normal(size=(n, 3, 2)), rng.random((n, 2)))


def check_equal(found: LeastSquares, expected: LeastSquares) -> None:
    for name in ("gram", "cross", "squares", "count"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-9)


def test_sums_of_folds_add_up_to_those_of_all_rows():
    one = random_fold(0)
    two = random_fold(1, n=25)
    features = np.concatenate([one.features, two.features])
    targets = np.concatenate([one.targets, two.targets])
    check_equal(total([one, two]), make_fold(features, targets).sums)


def test_squared_error_is_that_of_the_rows():
    fold = random_fold(2)
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(6, 2))
    predictions = fold.features.reshape(len(fold.features), -1).astype(float) @ weights
    expected = np.square(predictions - fold.targets).sum(axis=0)
    np.testing.assert_allclose(fold.sums.squared_error(weights), expected, rtol=1e-10)


def test_a_fold_without_a_run_is_that_of_the_other_runs():
    fold = random_fold(9)
    expected = make_fold(fold.features[:, [0, 2]], fold.targets)
    found = fold.without_run(1)
    np.testing.assert_array_equal(found.features, expected.features)
    check_equal(found.sums, expected.sums)
