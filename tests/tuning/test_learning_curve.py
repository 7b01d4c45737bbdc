"""Learning curves: fits against curves that are known, bounds, and what is said of them."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.optimize import minimize

from galaxyzoo.reports.figures import save_figure
from galaxyzoo.tuning import learning_curve
from galaxyzoo.tuning.learning_curve import LearningCurve, draw, draw_through, fit_curve

COUNTS = np.array([375.0, 750.0, 1500.0, 3000.0, 4800.0])


def mses(a: float, b: float, c: float) -> np.ndarray:
    return a**2 + b**2 * COUNTS**-c


@pytest.mark.parametrize(("a", "b", "c"), [(0.07, 0.5, 0.5), (0.04, 1.2, 0.8), (0.05, 0.1, 0.25)])
def test_a_curve_without_noise_is_found(a: float, b: float, c: float) -> None:
    fit = fit_curve(COUNTS, mses(a, b, c), lowest=0.038)
    assert (fit.a, fit.b, fit.c) == pytest.approx((a, b, c), rel=1e-6)
    assert fit.predict(np.array([100.0])) == pytest.approx([np.sqrt(a**2 + b**2 * 100**-c)])


def assert_best(mses: np.ndarray) -> None:
    """The fit is as good as what a search over all three parameters finds within the bounds."""

    def loss(values: np.ndarray) -> float:
        level, part, c = values
        return float(np.sum(((level + part * (COUNTS / 375) ** -c) / mses - 1) ** 2))

    fit = fit_curve(COUNTS, mses, lowest=0.038)
    bounds = [(0.038**2, 1), (0, 1), (0.05, 2)]
    found = [
        minimize(loss, [0.003, 0.02, c], bounds=bounds, method="L-BFGS-B", tol=1e-15).fun
        for c in (0.2, 0.5, 1, 1.5)
    ]
    ours = loss(np.array([fit.a**2, fit.b**2 * 375**-fit.c, fit.c]))
    assert ours <= min(found) * 1.01 + 1e-9
    assert fit.a >= 0.038


@pytest.mark.parametrize("seed", range(4))
def test_noisy_points_are_fitted_as_by_a_search_over_all_three(seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert_best(mses(0.06, 0.6, 0.5) * (1 + rng.normal(0, 0.02, len(COUNTS))))


@pytest.mark.parametrize("b", [0.2, 0.25, 0.4, 1.0])
def test_points_that_go_below_the_bound_are_fitted_as_by_that_search(b: float) -> None:
    assert_best(mses(0.0, b, 0.5))


def test_bounds_hold() -> None:
    # A pure power of n would go on to 0; its curve begins at the bound.
    low = fit_curve(COUNTS, mses(0.0, 1.0, 0.5), lowest=0.038)
    assert low.a == 0.038
    # More galaxies make it worse: the best that may be is flat, at the mean by relative weights.
    rising = np.array([0.010, 0.011, 0.012, 0.013, 0.014])
    flat = fit_curve(COUNTS, rising, lowest=0.038)
    assert flat.b == 0
    assert flat.a**2 == pytest.approx(np.sum(1 / rising) / np.sum(1 / rising**2))


def made_up(galaxies: int = 300, counts: np.ndarray = COUNTS, seed: int = 0) -> LearningCurve:
    """Squared errors of galaxies that are easy or hard alike for every number learned from."""
    rng = np.random.default_rng(seed)
    hard = rng.gamma(3, 1 / 3, galaxies)
    order = rng.permutation(len(counts))
    squares = (0.06**2 + 0.6**2 * counts**-0.5)[:, None] * hard
    return draw_through(counts[order], squares[order], 0.038, 49_262)


def test_points_are_in_order_with_their_errors() -> None:
    curve = made_up()
    hard = np.random.default_rng(0).gamma(3, 1 / 3, 300)
    expected = (0.06**2 + 0.6**2 * COUNTS**-0.5) * hard.mean()
    assert curve.counts.tolist() == COUNTS.tolist()
    np.testing.assert_allclose(curve.scores, np.sqrt(expected))
    # d sqrt(m) = dm / (2 sqrt(m))
    mean_error = expected / hard.mean() * hard.std(ddof=1) / np.sqrt(300)
    np.testing.assert_allclose(curve.errors, mean_error / (2 * np.sqrt(expected)))


def test_the_interval_is_as_wide_as_other_samples_of_galaxies_differ() -> None:
    whole = np.array([49_262.0])
    others = [made_up(seed=s).fit.predict(whole)[0] for s in range(40)]  # type: ignore[union-attr]
    (low,), (high,) = made_up().interval(whole)
    assert high - low == pytest.approx(4 * np.std(others), rel=0.5)
    truth = np.sqrt(0.06**2 + 0.6**2 * 49_262**-0.5)
    assert low < truth < high


def test_what_is_said_calls_it_an_extrapolation(tmp_path: Path) -> None:
    curve = made_up()
    text = curve.format("curve.png")
    assert curve.fit is not None
    there = curve.fit.predict(np.array([49_262.0]))[0]
    assert f"Extrapolated, 10.3 times beyond the largest number measured: RMSE {there:.4f}" in text
    assert "a is not let below 0.0380" in text
    assert "![Learning curve](curve.png)" in text
    assert f"| 375 | {curve.scores[0]:.5f} ± {curve.errors[0]:.5f} |" in text
    picture = draw(tmp_path / "curve.png", curve).read_bytes()
    assert picture[:4] == b"\x89PNG"


def test_the_picture_names_its_numbers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    drawn: list[Figure] = []

    def keep(figure: Figure, path: Path) -> Path:
        drawn.append(figure)
        return save_figure(figure, path)

    monkeypatch.setattr(learning_curve, "save_figure", keep)
    draw(tmp_path / "curve.png", made_up())
    (axis,) = drawn[0].axes
    names = [label.get_text() for label in axis.get_xticklabels()]
    assert names == ["375", "750", "1,500", "3,000", "4,800", "49,262"]


def test_three_points_make_no_curve_and_none_no_error() -> None:
    few = made_up(counts=COUNTS[:3])
    assert few.fit is None
    assert "3 numbers of galaxies are trained: a curve needs 4 or more" in few.format("x.png")
    assert "x.png" not in few.format("x.png")
    none = draw_through(np.empty(0), np.empty((0,)), 0.038, 49_262)
    assert "0 numbers of galaxies" in none.format("x.png")
