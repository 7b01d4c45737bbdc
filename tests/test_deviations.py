"""The ridge on the runs' deviations: against scikit-learn on plain rows, and known cases."""

import numpy as np
import pytest
from ensemble_fixtures import SMALL
from sklearn.linear_model import Ridge

from galaxyzoo import deviations
from galaxyzoo.blending import fit_nnls
from galaxyzoo.deviations import PENALTIES, UNTUNED_PENALTY, correct, fit_deviations
from galaxyzoo.moments import OofFold, make_fold, total


def draw_folds(seed: int, n: int = 60, n_runs: int = 3, noise: float = 0.3) -> list[OofFold]:
    """Folds in which runs 0 and 1, where they differ in column b, tell column a's error."""
    rng = np.random.default_rng(seed)
    folds = []
    for _ in range(3):
        truth = rng.random((n, 1, 2))
        features = truth + rng.normal(scale=0.2, size=(n, n_runs, 2))
        targets = features.mean(axis=1) + noise * rng.normal(size=(n, 2))
        targets[:, 0] += 0.5 * (features[:, 1, 1] - features[:, 0, 1])
        folds.append(make_fold(features, targets))
    return folds


def rows(folds: list[OofFold]) -> tuple[np.ndarray, np.ndarray]:
    """(galaxy, run, column) features, (galaxy, column) targets."""
    return (
        np.concatenate([fold.features for fold in folds]).astype(float),
        np.concatenate([fold.targets for fold in folds]),
    )


def sklearn_correction(train: list[OofFold], test: list[OofFold], penalty: float) -> np.ndarray:
    """(galaxy, column) the same by scikit-learn on deviations that are written out."""
    x, y = rows(train)
    blend = fit_nnls(train, SMALL, 0)
    apart = (x - x.mean(axis=1, keepdims=True)).reshape(len(x), -1)
    scale = np.square(apart).mean()
    model = Ridge(alpha=penalty * len(x) * scale, fit_intercept=False)
    model.fit(apart, y - blend.predict(x))
    x, _ = rows(test)
    apart = (x - x.mean(axis=1, keepdims=True)).reshape(len(x), -1)
    return blend.predict(x) + model.predict(apart)


@pytest.mark.parametrize("penalty", [0.01, 1.0, 100.0])
def test_the_correction_from_moments_is_that_of_sklearn(penalty):
    train, test = draw_folds(0), draw_folds(1)
    stacker = correct(fit_nnls(train, SMALL, 0), total(train), [penalty])[0]
    x, _ = rows(test)
    np.testing.assert_allclose(
        stacker.predict(x), sklearn_correction(train, test, penalty), atol=1e-6
    )


def test_each_columns_penalty_is_picked_by_cross_fitting():
    folds = draw_folds(2, noise=0.15)
    errors = np.zeros((len(PENALTIES), 2))
    for held_out in folds:
        others = [fold for fold in folds if fold is not held_out]
        for i, penalty in enumerate(PENALTIES):
            predictions = sklearn_correction(others, [held_out], penalty)
            errors[i] += np.square(predictions - held_out.targets).sum(axis=0)
    expected = np.take(PENALTIES, errors.argmin(axis=0))
    assert expected[0] != expected[1]  # else the test could not tell columns apart
    model = fit_deviations(folds, SMALL, 0)
    about = model.about(["x", "y", "z"], SMALL)
    assert about["penalties"] == dict(zip(SMALL.columns, expected, strict=True))
    assert about["weights"] == fit_nnls(folds, SMALL, 0).about(["x", "y", "z"], SMALL)["weights"]
    x, _ = rows(folds[:1])
    for column, penalty in enumerate(expected):
        plain = sklearn_correction(folds, folds[:1], penalty)[:, column]
        np.testing.assert_allclose(model.predict(x)[:, column], plain, atol=1e-6)


def test_it_learns_from_other_columns_where_a_blend_cannot():
    train, (x, y) = draw_folds(3, n=400, noise=0.02), rows(draw_folds(4, n=400, noise=0.02))
    errors = [
        np.square(fit(train, SMALL, 0).predict(x)[:, 0] - y[:, 0]).mean()
        for fit in (fit_deviations, fit_nnls)
    ]
    assert errors[0] < 0.3 * errors[1]


def test_where_the_runs_agree_it_says_what_the_blend_says():
    folds = draw_folds(5)
    agreed = np.repeat(np.random.default_rng(0).random((20, 1, 2)), 3, axis=1)
    model = fit_deviations(folds, SMALL, 0)
    blended = fit_nnls(folds, SMALL, 0).predict(agreed)
    np.testing.assert_allclose(model.predict(agreed), blended, atol=1e-12)
    x, _ = rows(folds)
    assert np.abs(model.predict(x) - fit_nnls(folds, SMALL, 0).predict(x)).max() > 0.01


@pytest.mark.parametrize("n_copies", [1, 2, 3, 5])
def test_one_run_and_its_copies_leave_nothing_to_correct(n_copies):
    rng = np.random.default_rng(6)
    folds = []
    for _ in range(3):
        values = rng.random((50, 1, 2)).repeat(n_copies, axis=1).astype(np.float32)
        # A copy that was written out and read again differs in its last digit.
        values *= 1 + 1e-7 * rng.integers(0, 2, values.shape)
        folds.append(make_fold(values, rng.random((50, 2))))
    x, _ = rows(folds)
    blended = fit_nnls(folds, SMALL, 0).predict(x)
    np.testing.assert_allclose(fit_deviations(folds, SMALL, 0).predict(x), blended, atol=1e-5)


def test_held_back_strongly_it_is_the_blend():
    folds = draw_folds(7)
    x, _ = rows(folds)
    blend = fit_nnls(folds, SMALL, 0)
    stacker = correct(blend, total(folds), [1e9])[0]
    np.testing.assert_allclose(stacker.predict(x), blend.predict(x), atol=1e-6)


def test_a_single_fold_and_no_galaxy():
    model = fit_deviations(draw_folds(8)[:1], SMALL, 0)
    assert (model.whole.penalties == UNTUNED_PENALTY).all()
    assert model.predict(np.empty((0, 3, 2), np.float32)).shape == (0, 2)


def test_predictions_that_are_all_zero_stay_zero(monkeypatch):
    monkeypatch.setattr(deviations, "PENALTIES", (1e-9, 1.0))
    folds = [make_fold(np.zeros((20, 3, 2)), np.full((20, 2), 0.5)) for _ in range(3)]
    assert not fit_deviations(folds, SMALL, 0).predict(np.zeros((4, 3, 2))).any()
