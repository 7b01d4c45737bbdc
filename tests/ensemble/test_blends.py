"""Blends against plain versions on rows, hand-worked values, and known best blends."""

import numpy as np
import pytest
from scipy.optimize import nnls

from galaxyzoo.ensemble import blends, least_squares
from galaxyzoo.tasks.registry import TASKS
from support.ensemble_fixtures import SMALL, vote_task


def random_fold(
    seed: int, n: int = 40, n_runs: int = 3, n_columns: int = 2
) -> least_squares.OofFold:
    rng = np.random.default_rng(seed)
    targets = rng.random((n, n_columns))
    noise = rng.normal(scale=0.2 + 0.1 * np.arange(n_runs)[:, None], size=(n, n_runs, n_columns))
    return least_squares.make_fold(targets[:, None, :] + noise, targets)


def plain_greedy(features: np.ndarray, targets: np.ndarray, steps: int) -> np.ndarray:
    """Caruana's selection word by word: at each step average the rows of all runs drawn so far."""
    drawn: list[int] = []
    history = []
    for _ in range(steps):
        tried = [features[:, [*drawn, run]].mean(axis=1) for run in range(features.shape[1])]
        errors = [np.square(mean - targets).sum() for mean in tried]
        drawn.append(int(np.argmin(errors)))
        history.append(min(errors))
    kept = drawn[: int(np.argmin(history)) + 1]
    return np.bincount(kept, minlength=features.shape[1]) / len(kept)


def test_moments_of_folds_add_up_to_those_of_all_rows():
    one, two = random_fold(0), random_fold(1, n=25)
    rows = np.concatenate([one.features, two.features]), np.concatenate([one.targets, two.targets])
    whole, added = least_squares.make_fold(*rows).moments, least_squares.total([one, two])
    for name in ("gram", "cross", "squares", "features", "targets", "count"):
        np.testing.assert_allclose(getattr(added, name), getattr(whole, name), rtol=1e-12)


def test_squared_error_from_moments_is_that_of_the_rows():
    fold, rng = random_fold(2), np.random.default_rng(0)
    weights, intercept = rng.normal(size=(6, 2)), rng.normal(size=2)
    predictions = fold.features.reshape(len(fold.features), -1).astype(float) @ weights + intercept
    expected = np.square(predictions - fold.targets).sum(axis=0)
    np.testing.assert_allclose(fold.moments.squared_error(weights, intercept), expected, rtol=1e-10)


@pytest.mark.parametrize(
    ("steps", "weights"), [(1, (1, 0)), (2, (1, 0)), (3, (2 / 3, 1 / 3)), (5, (0.8, 0.2))]
)
def test_greedy_selection_worked_by_hand(steps, weights):
    # Targets (0, 0), run a (1, 0), run b (0, 2). Drawn a, a, b, a, a: errors 1, 1, 8/9, 13/16, 4/5.
    gram, cross = np.array([[1.0, 0.0], [0.0, 4.0]]), np.zeros(2)
    np.testing.assert_allclose(blends.greedy_weights(gram, cross, steps), weights)


@pytest.mark.parametrize("seed", range(5))
def test_greedy_selection_from_moments_is_that_on_rows(seed):
    fold = random_fold(seed)
    found = blends.fit_greedy([fold], SMALL, 0).weights
    expected = plain_greedy(fold.features.astype(float), fold.targets, blends.GREEDY_STEPS)
    np.testing.assert_allclose(found, np.repeat(expected[:, None], 2, axis=1))


def test_blocks_of_a_fold_add_up_to_its_moments():
    fold = random_fold(6, n=130)
    gram, cross = fold.blocks
    assert len(gram) == least_squares.BLOCKS
    whole = fold.moments.by_run(slice(None))
    np.testing.assert_allclose(gram.sum(axis=0), whole[0], rtol=1e-10)
    np.testing.assert_allclose(cross.sum(axis=0), whole[1], rtol=1e-10)
    assert len(random_fold(6, n=7).blocks[0]) == 7


def test_bags_are_greedy_selections_on_drawn_galaxies():
    folds = [random_fold(7), random_fold(8)]  # 40 galaxies each, so a block is a galaxy
    features = np.concatenate([f.features for f in folds]).astype(float)
    targets = np.concatenate([f.targets for f in folds])
    drawn = np.random.default_rng(3).multinomial(80, np.full(80, 1 / 80), size=blends.BAGS)
    expected = np.mean(
        [
            plain_greedy(
                np.repeat(features, times, axis=0),
                np.repeat(targets, times, axis=0),
                blends.GREEDY_STEPS,
            )
            for times in drawn
        ],
        axis=0,
    )
    found = blends.fit_bagged(folds, SMALL, 3).weights
    np.testing.assert_allclose(found, np.repeat(expected[:, None], 2, axis=1), atol=1e-12)
    assert (blends.fit_bagged(folds, SMALL, 4).weights != found).any()


def test_moments_without_a_run_are_those_of_the_other_runs():
    fold = random_fold(9)
    expected = least_squares.make_fold(fold.features[:, [0, 2]], fold.targets)
    found = fold.without_run(1)
    np.testing.assert_array_equal(found.features, expected.features)
    for name in ("gram", "cross", "squares", "features", "targets", "count"):
        values = getattr(found.moments, name), getattr(expected.moments, name)
        np.testing.assert_allclose(*values, rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_shared_nnls_from_moments_is_that_on_rows(seed):
    fold = random_fold(seed)
    rows = fold.features.astype(float).transpose(0, 2, 1).reshape(-1, 3)
    expected = nnls(rows, fold.targets.ravel())[0]
    found = blends.fit_nnls_shared([fold], SMALL, 0).weights
    np.testing.assert_allclose(found, np.repeat(expected[:, None], 2, axis=1), atol=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_nnls_from_moments_is_that_on_rows_per_group(seed):
    fold = random_fold(seed, n_columns=5)
    groups = (slice(0, 2), slice(2, 5))
    task = vote_task(2, 3)
    found = blends.fit_nnls([fold], task, 0).weights
    for group in groups:
        rows = fold.features[:, :, group].astype(float).transpose(0, 2, 1).reshape(-1, 3)
        expected = nnls(rows, fold.targets[:, group].ravel())[0][:, None]
        np.testing.assert_allclose(found[:, group] - expected, 0, atol=1e-8)


def test_nnls_leaves_out_a_run_that_would_get_a_negative_weight():
    rng = np.random.default_rng(0)
    good, bad = rng.random(50), rng.random(50)
    fold = least_squares.make_fold(
        np.stack([good, bad], axis=1)[:, :, None], (good - 0.2 * bad)[:, None]
    )
    weights = blends.nnls_weights(*fold.moments.by_run(slice(None)))
    assert weights[1] == 0
    assert weights[0] > 0.5


@pytest.mark.parametrize("copies", [2, 5])
def test_nnls_bears_copies_of_one_run(copies):
    fold = random_fold(0, n_runs=1)
    many = least_squares.make_fold(np.repeat(fold.features, copies, axis=1), fold.targets)
    alone = blends.fit_nnls([fold], SMALL, 0).predict(fold.features)
    np.testing.assert_allclose(
        blends.fit_nnls([many], SMALL, 0).predict(many.features), alone, atol=1e-6
    )


def test_nnls_bears_a_run_of_tiny_numbers_beside_one_of_large_ones():
    """Neither is lost to rounding: the blend is at least as good as the better one alone."""
    features = np.array([[[330.9, -1302.2], [9.1e-10, 4.5e-10], [0.0, 0.0]]])
    targets = np.array([[0.5, 0.95]])
    for turn in (1, -1):
        fold = least_squares.make_fold(features[:, ::turn], targets)
        found = blends.fit_nnls([fold], SMALL, 0).predict(fold.features)
        assert np.square(found - targets).sum() < np.square(targets).sum()


@pytest.mark.parametrize("fit", [blends.fit_greedy, blends.fit_nnls])
def test_the_blend_that_made_the_targets_is_found(fit):
    rng = np.random.default_rng(0)
    features = rng.random((200, 3, 2))
    fold = least_squares.make_fold(features, np.einsum("grc,r->gc", features, [0.7, 0.3, 0.0]))
    np.testing.assert_allclose(
        fit([fold], SMALL, 0).weights, np.array([[0.7, 0.7], [0.3, 0.3], [0.0, 0.0]]), atol=1e-5
    )


def test_best_run_is_not_the_one_that_says_little():
    # Errors 1/4 and 1/16 of the targets' squares: halved targets against targets with a quarter
    # added.
    targets = np.array([[1.0, 0.5], [0.25, 0.75]])
    fold = least_squares.make_fold(np.stack([0.5 * targets, 1.25 * targets], axis=1), targets)
    weights = blends.fit_best([fold], SMALL, 0).weights
    np.testing.assert_array_equal(weights, np.array([[0, 0], [1, 1]]))


def test_best_is_the_run_with_the_smallest_error_and_mean_is_the_mean():
    fold = random_fold(4)
    errors = np.square(fold.features - fold.targets[:, None]).sum(axis=(0, 2))
    best = blends.fit_best([fold], SMALL, 0).predict(fold.features)
    np.testing.assert_array_equal(best, fold.features[:, errors.argmin()])
    mean = blends.fit_mean([fold], SMALL, 0).predict(fold.features)
    np.testing.assert_allclose(mean, fold.features.mean(axis=1), atol=1e-6)


def test_card_says_one_weight_per_run_where_columns_share_it():
    shared = blends.Blend(np.array([[0.25, 0.25], [0.75, 0.75]])).about(["x", "y"], SMALL)
    assert shared == {"weights": {"x": 0.25, "y": 0.75}}
    apart = blends.Blend(np.array([[0.5, 0.25], [0.5, 0.75]])).about(["x", "y"], SMALL)
    assert apart == {"weights": {"x": {"a": 0.5, "b": 0.25}, "y": {"a": 0.5, "b": 0.75}}}


def test_groups_of_the_competition_are_its_eleven_questions():
    groups = TASKS["gz37"].groups
    assert [g.stop - g.start for g in groups] == [3, 2, 2, 2, 4, 2, 3, 7, 3, 3, 6]
    assert np.concatenate([np.arange(37)[g] for g in groups]).tolist() == list(range(37))
