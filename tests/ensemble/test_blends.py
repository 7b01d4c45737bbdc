"""Blends against plain versions on rows, hand-worked values, and known best blends."""

import numpy as np
import pytest
from scipy.optimize import nnls

from galaxyzoo.ensemble import blends
from galaxyzoo.ensemble.least_squares import OofFold, make_fold
from support.problems import SMALL, vote_task


def random_fold(seed: int, n: int = 40, n_runs: int = 3, n_columns: int = 2) -> OofFold:
    rng = np.random.default_rng(seed)
    targets = rng.random((n, n_columns))
    noise = rng.normal(scale=0.2 + 0.1 * np.arange(n_runs)[:, None], size=(n, n_runs, n_columns))
    return make_fold(targets[:, None, :] + noise, targets)


def plain_greedy(fold: OofFold, steps: int) -> np.ndarray:
    """Caruana's selection as described: at each step average the rows of all runs drawn so far."""
    n_runs = fold.features.shape[1]
    drawn: list[int] = []
    history: list[float] = []
    for _ in range(steps):
        losses = []
        for run in range(n_runs):
            mean = fold.features[:, [*drawn, run]].astype(float).mean(axis=1)
            losses.append(np.square(mean - fold.targets).sum())
        drawn.append(int(np.argmin(losses)))
        history.append(float(min(losses)))
    kept = drawn[: int(np.argmin(history)) + 1]
    return np.bincount(kept, minlength=n_runs) / len(kept)


@pytest.mark.parametrize(
    ("steps", "weights"), [(1, (1, 0)), (2, (1, 0)), (3, (2 / 3, 1 / 3)), (5, (0.8, 0.2))]
)
def test_greedy_selection_worked_by_hand(steps, weights):
    # Targets (0, 0), run a (1, 0), run b (0, 2). Drawn a, a, b, a, a: errors 1, 1, 8/9, 13/16, 4/5.
    fold = make_fold(np.array([[[1.0, 0.0], [0.0, 2.0]]]), np.zeros((1, 2)))
    found = blends.fit_greedy([fold], SMALL, steps).weights
    np.testing.assert_allclose(found, np.array(weights)[:, None] * np.ones(2))


@pytest.mark.parametrize("seed", range(3))
def test_greedy_selection_is_that_on_rows(seed):
    fold = random_fold(seed)
    for steps in (1, 12, 60):
        found = blends.fit_greedy([fold], SMALL, steps).weights
        np.testing.assert_allclose(found, plain_greedy(fold, steps)[:, None] * np.ones(2))


@pytest.mark.parametrize("seed", range(5))
def test_nnls_from_sums_is_that_on_rows_per_group(seed):
    fold = random_fold(seed, n_columns=5)
    groups = (slice(0, 2), slice(2, 5))
    task = vote_task(2, 3)
    found = blends.fit_nnls([fold], task).weights
    for group in groups:
        rows = fold.features[:, :, group].astype(float).transpose(0, 2, 1).reshape(-1, 3)
        expected = nnls(rows, fold.targets[:, group].ravel())[0][:, None]
        np.testing.assert_allclose(found[:, group] - expected, 0, atol=1e-8)


def test_nnls_bears_a_run_of_tiny_numbers_beside_one_of_large_ones():
    """Neither is lost to rounding: the blend is at least as good as the better one alone."""
    features = np.array([[[330.9, -1302.2], [9.1e-10, 4.5e-10], [0.0, 0.0]]])
    targets = np.array([[0.5, 0.95]])
    for turn in (1, -1):
        fold = make_fold(features[:, ::turn], targets)
        found = blends.fit_nnls([fold], SMALL).predict(fold.features)
        assert np.square(found - targets).sum() < np.square(targets).sum()


def test_the_card_has_one_weight_per_run_where_columns_share_it():
    shared = blends.Blend(np.array([[0.25, 0.25], [0.75, 0.75]])).about(["x", "y"], SMALL)
    assert shared == {"weights": {"x": 0.25, "y": 0.75}}
    apart = blends.Blend(np.array([[0.5, 0.25], [0.5, 0.75]])).about(["x", "y"], SMALL)
    assert apart == {"weights": {"x": {"a": 0.5, "b": 0.25}, "y": {"a": 0.5, "b": 0.75}}}
