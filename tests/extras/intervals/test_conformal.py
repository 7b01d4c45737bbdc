"""Conformal limits by hand, their coverage on drawn galaxies, and no leak from a fold."""

import numpy as np
import pytest
from scipy.stats import binom

from galaxyzoo.extras.intervals.conformal import MIN_GALAXIES, Column, bin_edges, find_limits

N_FOLDS = 5


def draw(seed: int, n: int = 4000) -> tuple[Column, np.ndarray]:
    """Fractions that err by an amount given by the second feature, and (galaxy,) that amount."""
    rng = np.random.default_rng(seed)
    predictions = rng.uniform(0.02, 0.98, n)
    amounts = rng.choice([0.01, 0.1], n)
    targets = np.clip(predictions + amounts * rng.standard_t(4, n), 0, 1)
    features = np.stack([np.ones(n), amounts], axis=1)
    return Column(predictions, features, targets, rng.permutation(n) % N_FOLDS), amounts


def held(column: Column, bounds: np.ndarray) -> np.ndarray:
    return (bounds[..., 0] <= column.targets) & (column.targets <= bounds[..., 1])


def test_limits_by_hand():
    """Nine errors make ten places for a new one, of which 0.8 leaves out one at either end."""
    errors = np.array([-4, -3, -2, -1, 0, 1, 2, 3, 4]) / 20
    predictions = np.full(9, 0.5)
    limits = find_limits(predictions, np.full(9, 0.05), predictions + errors, 0.8)
    assert limits == pytest.approx((-4, 4))
    errors = np.arange(-9, 10) / 40  # twenty places: 0.75 leaves out five, 0.7 six
    predictions = np.full(19, 0.5)
    limits = find_limits(predictions, np.ones(19), predictions + errors, 0.75)
    assert limits == pytest.approx((-8 / 40, 7 / 40))
    limits = find_limits(predictions, np.ones(19), predictions + errors, 0.7)
    assert limits == pytest.approx((-7 / 40, 7 / 40))


@pytest.mark.parametrize("n", [19, 39, 199])
@pytest.mark.parametrize("level", [0.5, 0.6, 0.8, 0.9])
def test_limits_are_those_of_crepes(n, level):
    """Of its predictive systems, where as many places are left out below as above."""
    crepes = pytest.importorskip("crepes")
    rng = np.random.default_rng(n)
    predictions = rng.uniform(0.3, 0.7, n)
    scales = rng.uniform(0.005, 0.02, n)
    targets = predictions + scales * rng.normal(size=n)
    system = crepes.ConformalPredictiveSystem().fit(targets - predictions, sigmas=scales)
    tail = round(50 * (1 - level))  # percent; its `confidence` computes one that floats make less
    expected = system.predict_percentiles(
        np.zeros(1), np.ones(1), lower_percentiles=tail, higher_percentiles=100 - tail
    )
    assert find_limits(predictions, scales, targets, level) == pytest.approx(tuple(expected[0]))


def test_too_few_galaxies_for_a_level_make_an_end_or_both_infinite():
    """0.1 of nine places is none, of ten it is one, whatever 1 - 0.9 is in floats."""
    values = np.linspace(0.4, 0.6, 8)
    assert find_limits(np.full(8, 0.5), np.ones(8), values, 0.9) == (-np.inf, np.inf)
    values = np.linspace(0.4, 0.6, 9)
    assert find_limits(np.full(9, 0.5), np.ones(9), values, 0.9) == pytest.approx((-np.inf, 0.1))


def test_an_end_that_cannot_be_missed_leaves_its_misses_to_the_other():
    """Half of the targets are 0: no interval that begins there can be missed below."""
    targets = np.concatenate([np.zeros(50), np.arange(1, 50) / 100])
    predictions = np.full(99, 0.1)
    scales = np.full(99, 0.2)
    low, high = find_limits(predictions, scales, targets, 0.8)
    assert predictions[0] + low * scales[0] <= 1e-12
    assert predictions[0] + high * scales[0] == pytest.approx(0.30)  # 20 of 100 places, all above
    flipped = find_limits(1 - predictions, scales, 1 - targets, 0.8)
    assert flipped == pytest.approx((-high, -low))


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
def test_new_galaxies_are_held_as_often_as_promised(level):
    column, _ = draw(1)
    other, amounts = draw(2, 20_000)
    bounds = column.calibrate([level]).intervals(other.predictions, other.features)[0]
    inside = held(other, bounds)
    # Coverage of one calibration scatters by about sqrt(level (1 - level) / 4,000).
    error = np.sqrt(level * (1 - level) * (1 / 4000 + 1 / 20_000))
    assert abs(inside.mean() - level) < 4 * error
    for amount in (0.01, 0.1):  # and of either kind, as the scale tells them apart
        assert abs(inside[amounts == amount].mean() - level) < 0.035
    assert (bounds[:, 0] <= other.predictions).all()
    assert (bounds[:, 1] >= other.predictions).all()


def test_coverage_over_many_small_calibrations_is_no_less_than_promised():
    """The finite-sample guarantee, where one place too few or too many shows."""
    rng = np.random.default_rng(5)
    level = 0.8
    tries = 4000
    hits = 0
    for _ in range(tries):
        targets = rng.uniform(size=10)
        low, high = find_limits(np.full(9, 0.5), np.ones(9), targets[:9], level)
        hits += 0.5 + low <= targets[9] <= 0.5 + high
    assert binom.cdf(hits, tries, level) > 0.001
    assert binom.sf(hits, tries, level) > 0.001  # eight of ten places: 0.8 exactly


def test_bins_allow_for_the_side_to_which_errors_go():
    """Below 0.5 everything is overestimated, above it underestimated, by 0.1 at most."""
    rng = np.random.default_rng(4)
    predictions = rng.uniform(0.2, 0.8, 4000)
    targets = predictions + np.where(predictions < 0.5, -1, 1) * rng.uniform(0, 0.1, 4000)
    column = Column(predictions, np.ones((4000, 1)), targets, np.arange(4000) % 5)
    bounds = column.cross_intervals([0.8])[0]
    inside = held(column, bounds)
    for part in (predictions < 0.49, predictions > 0.51):
        assert abs(inside[part].mean() - 0.9) < 0.03  # the end at the prediction leaves out none
    assert np.median(bounds[:, 1] - bounds[:, 0]) < 0.095  # one for all would be 0.16 wide


def test_a_folds_targets_do_not_change_its_intervals():
    column, _ = draw(6, 1500)
    clean = column.cross_intervals([0.5, 0.9])
    for fold in range(N_FOLDS):
        rows = column.folds == fold
        targets = column.targets.copy()
        targets[rows] = 1 - targets[rows]
        changed = Column(column.predictions, column.features, targets, column.folds)
        after = changed.cross_intervals([0.5, 0.9])
        assert after[:, rows].tobytes() == clean[:, rows].tobytes()
        assert not np.array_equal(after[:, ~rows], clean[:, ~rows])


def test_a_galaxys_scale_is_fitted_without_its_target():
    column, _ = draw(7, 500)
    clean = column.held_out_scales(frozenset({2}))
    assert np.isnan(clean[column.folds == 2]).all()
    targets = np.where(np.isin(column.folds, [1, 2]), 1 - column.targets, column.targets)
    changed = Column(column.predictions, column.features, targets, column.folds)
    after = changed.held_out_scales(frozenset({2}))
    assert np.array_equal(after[column.folds == 1], clean[column.folds == 1])
    assert not np.array_equal(after[column.folds == 0], clean[column.folds == 0])


def test_bins_are_large_enough_and_keep_equal_predictions_together():
    rng = np.random.default_rng(8)
    values = np.concatenate([np.zeros(1500), [1e-9], rng.uniform(0.1, 1, 499), np.ones(30)])
    edges = bin_edges(values)
    counts = np.bincount(np.searchsorted(edges, values, "right"))
    assert counts.min() >= MIN_GALAXIES
    assert counts[0] >= 1500
    assert len(bin_edges(rng.uniform(size=10 * MIN_GALAXIES))) == 9
    assert len(bin_edges(values[:300])) == 0


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_a_column_that_was_constant_makes_no_points(value, spread):
    """As for an answer that no volunteer gave: nothing is known of galaxies that differ."""
    n = 3000
    predictions = np.clip(value + spread * np.random.default_rng(0).random(n), 0, 1)
    column = Column(predictions, np.ones((n, 1)), np.full(n, value), np.arange(n) % N_FOLDS)
    new = np.array([0.0, 0.25, 0.7, 1.0])
    bounds = column.calibrate([0.5, 0.9]).intervals(new, np.ones((4, 1)))
    assert bounds.tolist() == [[[0.0, 1.0]] * 4] * 2
    assert np.ptp(column.cross_intervals([0.9]), axis=-1).min() == 1.0
