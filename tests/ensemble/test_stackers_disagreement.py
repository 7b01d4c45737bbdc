"""The ridges on the runs' deviations: against scikit-learn on plain rows, and known cases."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from galaxyzoo.ensemble.blends import fit_nnls
from galaxyzoo.ensemble.least_squares import OofFold, make_fold, total
from galaxyzoo.ensemble.stackers import (
    DISAGREEMENT_PENALTIES,
    UNTUNED_DISAGREEMENT_PENALTY,
    as_linear,
    correct,
    fit_disagreement_ridge,
)
from support.problems import stack_folds, vote_task

GROUPS = (slice(0, 2), slice(2, 4))

EVERY = (slice(0, 4),)

TASK = vote_task(2, 2)


def draw_folds(seed: int, n: int = 60, n_runs: int = 3, noise: float = 0.3) -> list[OofFold]:
    """Folds in which runs 0 and 1 tell a's error by where they differ in b, and c's by a."""
    rng = np.random.default_rng(seed)
    folds = []
    for _ in range(3):
        truth = rng.random((n, 1, 4))
        features = truth + rng.normal(scale=0.2, size=(n, n_runs, 4))
        targets = features.mean(axis=1) + noise * rng.normal(size=(n, 4))
        apart = features[:, 1] - features[:, 0]
        targets[:, 0] += 0.5 * apart[:, 1]
        targets[:, 2] += 0.3 * apart[:, 0]
        folds.append(make_fold(features, targets))
    return folds


def deviations(x: np.ndarray) -> np.ndarray:
    """(galaxy, run, column) deviations from the mean of the runs, written out."""
    return x - x.mean(axis=1, keepdims=True)


def by_sklearn(
    train: list[OofFold],
    test: list[OofFold],
    own: tuple[float, ...],
    every: tuple[float, ...] | None = None,
) -> np.ndarray:
    """(galaxy, column) blend and corrections with a penalty per column, by scikit-learn."""
    x, y = stack_folds(train)
    x_test, _ = stack_folds(test)
    blend = fit_nnls(train, TASK)
    fitted = blend.predict(x)
    predicted = blend.predict(x_test)
    scale = len(x) * np.square(deviations(x)).mean()
    steps: list[tuple[tuple[slice, ...], tuple[float, ...]]] = [(GROUPS, own)]
    if every:
        steps.append((EVERY, every))
    for groups, penalties in steps:
        errors = y - fitted
        for group in groups:
            rows = deviations(x)[:, :, group].reshape(len(x), -1)
            test_rows = deviations(x_test)[:, :, group].reshape(len(x_test), -1)
            for column in range(group.start, group.stop):
                model = Ridge(alpha=penalties[column] * scale, fit_intercept=False)
                model.fit(rows, errors[:, column])
                fitted[:, column] += model.predict(rows)
                predicted[:, column] += model.predict(test_rows)
    return predicted


def pick_by_sklearn(folds: list[OofFold], own: tuple[float, ...] = ()) -> tuple[float, ...]:
    """The first correction's penalties; with these given, the second one's."""
    errors = np.zeros((len(DISAGREEMENT_PENALTIES), 4))
    for held_out in folds:
        others = [fold for fold in folds if fold is not held_out]
        for i, penalty in enumerate(DISAGREEMENT_PENALTIES):
            tried = (penalty,) * 4
            if own:
                predicted = by_sklearn(others, [held_out], own, tried)
            else:
                predicted = by_sklearn(others, [held_out], tried)
            errors[i] += np.square(predicted - held_out.targets).sum(axis=0)
    return tuple(np.take(DISAGREEMENT_PENALTIES, errors.argmin(axis=0)))


@pytest.mark.parametrize("own", [(0.01, 1.0, 100.0, 2.0), (5.0,) * 4])
@pytest.mark.parametrize("every", [(1.0, 0.01, 0.1, 3.0), (1e-3,) * 4])
def test_corrections_from_sums_are_those_of_sklearn(own, every):
    train = draw_folds(0)
    test = draw_folds(1)
    x, _ = stack_folds(test)
    blend = as_linear(fit_nnls(train, TASK).weights)
    first = correct(blend, total(train), GROUPS, [0.5, np.array(own)])[1]
    np.testing.assert_allclose(first.predict(x), by_sklearn(train, test, own), atol=1e-6)
    second = correct(first.weights, total(train), [slice(None)], [np.array(every)])[0]
    np.testing.assert_allclose(second.predict(x), by_sklearn(train, test, own, every), atol=1e-6)


def test_each_columns_penalties_are_picked_by_cross_fitting():
    folds = draw_folds(2, noise=0.15)
    own = pick_by_sklearn(folds)
    every = pick_by_sklearn(folds, own)
    assert len(set(own)) > 1  # else the test could not tell columns apart
    assert len(set(every)) > 1
    assert own != every
    model = fit_disagreement_ridge(folds, TASK)
    about = model.about(["x", "y", "z"], TASK)
    assert about["penalties"] == {
        "of the same question": dict(zip(TASK.columns, own, strict=True)),
        "of all": dict(zip(TASK.columns, every, strict=True)),
    }
    assert about["weights"] == fit_nnls(folds, TASK).about(["x", "y", "z"], TASK)["weights"]
    x, _ = stack_folds(folds)
    np.testing.assert_allclose(model.predict(x), by_sklearn(folds, folds, own, every), atol=1e-6)


def test_where_the_runs_agree_it_says_what_the_blend_says():
    folds = draw_folds(5)
    agreed = np.repeat(np.random.default_rng(0).random((20, 1, 4)), 3, axis=1)
    model = fit_disagreement_ridge(folds, TASK)
    x, _ = stack_folds(folds)
    np.testing.assert_allclose(model.predict(agreed), model.blend.predict(agreed), atol=1e-12)
    assert np.abs(model.predict(x) - model.blend.predict(x)).max() > 0.01


@pytest.mark.parametrize("n_copies", [1, 2, 3, 5])
def test_one_run_and_its_copies_leave_nothing_to_correct(n_copies):
    rng = np.random.default_rng(6)
    folds = []
    for _ in range(3):
        values = rng.random((50, 1, 4)).repeat(n_copies, axis=1).astype(np.float32)
        # A copy that was written out and read again differs in its last digit.
        values *= 1 + 1e-7 * rng.integers(0, 2, values.shape)
        folds.append(make_fold(values, rng.random((50, 4))))
    model = fit_disagreement_ridge(folds, TASK)
    x, _ = stack_folds(folds)
    np.testing.assert_allclose(model.predict(x), model.blend.predict(x), atol=1e-5)


def test_a_single_fold_and_no_galaxy():
    model = fit_disagreement_ridge(draw_folds(8)[:1], TASK)
    assert (model.own.penalties == UNTUNED_DISAGREEMENT_PENALTY).all()
    assert (model.whole.penalties == UNTUNED_DISAGREEMENT_PENALTY).all()
    assert model.predict(np.empty((0, 3, 4), np.float32)).shape == (0, 4)
