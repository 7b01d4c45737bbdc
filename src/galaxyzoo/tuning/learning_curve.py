"""How the score falls with the number of galaxies learned from, and what more of them would bring.

RMSE(n) = sqrt(a² + b² n^-c): what no number of galaxies takes away, and what fades as a power of
their number; squared errors add up, so the two parts add up squared. The form is Hestness et al.
2017 (arXiv:1712.00409), there of the error itself.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from galaxyzoo.core.console import format_table
from galaxyzoo.core.errors import InputError
from galaxyzoo.reports.figures import BLUE, GREY, clean, new_figure, save_figure
from galaxyzoo.tasks.decision_tree import VOLUNTEERS
from galaxyzoo.tasks.registry import ClassTask
from galaxyzoo.tuning.ablation import Ablation, load_predictions

WHOLE_GALAXIES = 61_578  # of the whole competition
_DRAWS = 500
_FEWEST = 4  # points; the curve has three parameters
_POWERS = np.linspace(0.05, 2, 391)  # tried for c


@dataclass(frozen=True)
class Fit:
    """The parameters of one curve."""

    a: float
    b: float
    c: float

    def predict(self, counts: np.ndarray) -> np.ndarray:
        """(point,) RMSE after learning from so many galaxies."""
        return np.sqrt(self.a**2 + self.b**2 * counts**-self.c)


@dataclass(frozen=True)
class LearningCurve:
    """Measured scores over the number of galaxies, and the curves through them."""

    counts: np.ndarray  # (point,) galaxies learned from, ascending
    scores: np.ndarray  # (point,) RMSE
    errors: np.ndarray  # (point,) standard errors of those, over the galaxies scored
    noise: float  # RMSE that the votes' own chance makes
    whole: int  # galaxies that a fold of the whole competition learns from
    fit: Fit | None  # None where there are too few points
    draws: list[Fit]  # the same through resampled galaxies

    def interval(self, counts: np.ndarray) -> np.ndarray:
        """(2, point) ends of the interval that holds 95 % of the drawn curves."""
        curves = [fit.predict(counts) for fit in self.draws]
        return np.percentile(curves, [2.5, 97.5], axis=0)

    def explain(self) -> str:
        """The curve, and where it leads, in words."""
        if self.fit is None:
            return (
                f"{len(self.counts)} numbers of galaxies are trained: a curve needs {_FEWEST} or "
                "more."
            )
        whole = np.array([float(self.whole)])
        (there,), ((low,), (high,)) = self.fit.predict(whole), self.interval(whole)
        a, c = (_range([getattr(fit, name) for fit in self.draws]) for name in "ac")
        return (
            f"RMSE(n) = sqrt(a² + b² n^-c) with a = {self.fit.a:.4f} ({a}), b = {self.fit.b:.4f}, "
            f"c = {self.fit.c:.2f} ({c}). a is not let below {self.noise:.4f}: so much the votes "
            f"of {VOLUNTEERS} volunteers scatter by chance, which nothing can predict. "
            f"Extrapolated, {self.whole / self.counts[-1]:.1f} times beyond the largest number "
            f"measured: RMSE {there:.4f} ({low:.4f} to {high:.4f}) at {self.whole:,} galaxies, a "
            f"fold's share of the competition's {WHOLE_GALAXIES:,}. Ranges are 95 %, over the "
            "galaxies scored (bootstrap); they hold neither which galaxies were drawn to learn "
            "from, nor the seed, nor whether the curve keeps its form that far out."
        )

    def format(self, picture: str) -> str:
        """Points, picture and words as Markdown; `picture` is the PNG's name beside the page."""
        header = ["galaxies learned from", "RMSE ± SE", "curve"]
        fitted = self.fit.predict(self.counts) if self.fit else np.full(len(self.counts), np.nan)
        rows = [
            [f"{count:,.0f}", f"{score:.5f} ± {error:.5f}", f"{value:.5f}" if self.fit else "–"]
            for count, score, error, value in zip(
                self.counts, self.scores, self.errors, fitted, strict=True
            )
        ]
        parts = [format_table(header, rows, left=0), self.explain()]
        return "\n\n".join([*parts, f"![Learning curve]({picture})"] if self.fit else parts)


def measure(ablation: Ablation) -> LearningCurve:
    """The curve through the trained variants of a study, whatever else differs between them.

    Raises:
        InputError: the task is not scored by RMSE, or an out-of-fold table is broken.
    """
    catalog, task, study = ablation.catalog, ablation.task, ablation.study
    if isinstance(task, ClassTask):
        raise InputError(
            f"learning_curve is for vote fractions, whose score is the RMSE, not for {task.name}"
        )
    targets, chosen = catalog.targets(task.name), np.isin(catalog.folds, ablation.folds)
    predictions = load_predictions(ablation)
    variants = {variant.name: variant for variant in study.variants}
    everything = np.mean([(catalog.folds != fold).sum() for fold in ablation.folds])
    counts = [variants[name].config.train.galaxies or everything for name in predictions]
    squares = [np.square(each - targets[chosen]).mean(axis=1) for each in predictions.values()]
    noise = float(np.sqrt(np.mean(targets * (1 - targets)) / VOLUNTEERS))
    whole = round(WHOLE_GALAXIES * (1 - 1 / catalog.n_folds))
    return draw_through(np.array(counts, float), np.array(squares), noise, whole)


def draw_through(
    counts: np.ndarray, squares: np.ndarray, noise: float, whole: int, seed: int = 0
) -> LearningCurve:
    """The curve through measured points, and those through resampled galaxies.

    Args:
        counts: (point,) galaxies learned from.
        squares: (point, galaxy) squared errors, mean over columns, of the same galaxies.
        noise: RMSE below which nothing can come.
        whole: galaxies to extrapolate to.
        seed: of the resampling.
    """
    order = np.argsort(counts, kind="stable")
    counts, squares = counts[order], squares[order]
    scores = np.sqrt(squares.mean(axis=1)) if len(counts) else np.empty(0)
    spread = squares.std(axis=1, ddof=1) / np.sqrt(squares.shape[-1]) if len(counts) else scores
    if len(np.unique(counts)) < _FEWEST:
        return LearningCurve(counts, scores, spread / (2 * scores), noise, whole, None, [])
    rng, n = np.random.default_rng(seed), squares.shape[1]
    draws = [
        fit_curve(counts, squares @ rng.multinomial(n, np.full(n, 1 / n)) / n, noise)
        for _ in range(_DRAWS)
    ]
    fit = fit_curve(counts, np.square(scores), noise)
    return LearningCurve(counts, scores, spread / (2 * scores), noise, whole, fit, draws)


def fit_curve(counts: np.ndarray, mses: np.ndarray, lowest: float) -> Fit:
    """Fit a² + b² n^-c to mean squared errors by least squares of their relative differences.

    For a given c that is a straight line, whose best is known; c is the best of a fine grid.

    Args:
        counts: (point,) galaxies.
        mses: (point,) mean squared errors.
        lowest: a is at least that; b is at least 0.
    """
    x = (counts / counts[0]) ** -_POWERS[:, None]  # (c, point)
    weights = 1 / np.square(mses)
    middle = np.average(x, axis=1, weights=weights)[:, None]
    mean = np.average(mses, weights=weights)
    slope = ((x - middle) * (mses - mean)) @ weights / (np.square(x - middle) @ weights)
    slope = np.maximum(slope, 0)
    level = mean - slope * middle[:, 0]
    # Where the best line lies too low, the best one allowed begins at the bound.
    steepest = np.maximum((x * (mses - lowest**2)) @ weights / (np.square(x) @ weights), 0)
    slope = np.where(level < lowest**2, steepest, slope)
    level = np.maximum(level, lowest**2)
    losses = np.square(level[:, None] + slope[:, None] * x - mses) @ weights
    best = int(np.argmin(losses))
    scale = slope[best] * counts[0] ** _POWERS[best]
    return Fit(float(np.sqrt(level[best])), float(np.sqrt(scale)), float(_POWERS[best]))


def draw(path: Path, curve: LearningCurve) -> Path:
    """Draw the points and, dashed beyond them, the fitted curve with its interval; a PNG."""
    assert curve.fit is not None
    figure = new_figure(7, 4.2)
    axis = figure.subplots()
    inside = np.geomspace(curve.counts[0], curve.counts[-1], 100)
    beyond = np.geomspace(curve.counts[-1], max(curve.whole, curve.counts[-1]), 100)
    axis.plot(inside, curve.fit.predict(inside), color=BLUE, lw=2)
    axis.plot(beyond, curve.fit.predict(beyond), color=BLUE, lw=2, ls="--", label="extrapolated")
    every = np.concatenate([inside, beyond])
    axis.fill_between(every, *curve.interval(every), color=BLUE, alpha=0.15, lw=0, label="95 %")
    axis.errorbar(curve.counts, curve.scores, curve.errors, fmt="o", color=BLUE, label="measured")
    axis.axhline(curve.noise, color=GREY, lw=1, ls=":", label="chance in the votes")
    axis.set_xscale("log")
    ticks = np.unique([*curve.counts, curve.whole])
    axis.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    axis.minorticks_off()
    axis.set_xlabel("galaxies learned from")
    axis.set_ylabel("out-of-fold RMSE")
    clean(axis)
    axis.grid(alpha=0.25)
    axis.legend(frameon=False)
    return save_figure(figure, path)


def _range(values: list[float]) -> str:
    low, high = np.percentile(values, [2.5, 97.5])
    return f"{low:.3g} to {high:.3g}"
