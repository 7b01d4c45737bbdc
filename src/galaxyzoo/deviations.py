"""A blend, and ridges on where the runs disagree: of the same question, then of all.

What all runs say alike, the blend has already; a stacker that may bend that too fits mostly noise.
So the features here are the runs' deviations from their mean. Each ridge corrects what is before it
and is held back towards it: the first corrects the blend by non-negative least squares per question
and knows the deviations of that question's answers, the second corrects the first and knows all,
because that one network sees more of a bar than the others do says something of the spiral arms.

Deviations are sums of features, so `Moments` are enough, and the result is one linear model.

Source: ridge regression towards a first guess, as in `stacking`; deviations as features are own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from galaxyzoo.blending import ALL_COLUMNS, Blend, fit_nnls
from galaxyzoo.moments import Moments, OofFold, total
from galaxyzoo.stacking import LinearStacker, Penalty, pick_penalties, solve_ridge
from galaxyzoo.tasks import Task

# Per galaxy, for deviations of variance 1 on the whole; the largest leaves little but what is
# corrected.
PENALTIES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0)
UNTUNED_PENALTY = 20.0  # where a single fold leaves nothing to pick the penalty by
# Mean square of deviations over that of predictions: below it runs are copies that rounding parts.
SMALLEST_SHARE = 1e-6


@dataclass(frozen=True, eq=False)
class DeviationStacker:
    """A blend and its two corrections, as one linear model."""

    blend: Blend
    own: LinearStacker  # blend and first correction
    whole: LinearStacker  # the second, too

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(galaxy, run, column) -> (galaxy, column), float64."""
        return self.whole.predict(features)

    def about(self, runs: Sequence[str], task: Task) -> dict[str, Any]:
        """The blend's weights and the penalties of each column's corrections."""
        penalties = {
            "of the same question": self.own.about(runs, task)["penalties"],
            "of all": self.whole.about(runs, task)["penalties"],
        }
        return {**self.blend.about(runs, task), "penalties": penalties}


def fit_deviations(folds: Sequence[OofFold], task: Task, seed: int) -> DeviationStacker:
    """Fit the blend, then both corrections; penalties are picked by cross-fitting inside the folds.

    Args:
        folds: what to fit on; a single fold is corrected with `UNTUNED_PENALTY`.
        task: whose questions share the blend's weights.
        seed: for nothing; no part draws.
    """

    def correct_own(some: Sequence[OofFold], penalties: Sequence[Penalty]) -> list[LinearStacker]:
        blend = as_linear(fit_nnls(some, task, seed).weights)
        return correct(blend, total(some), task.groups, penalties)

    own = pick_penalties(folds, correct_own, PENALTIES, UNTUNED_PENALTY)

    def correct_all(some: Sequence[OofFold], penalties: Sequence[Penalty]) -> list[LinearStacker]:
        first = correct_own(some, [own])[0].weights
        return correct(first, total(some), [ALL_COLUMNS], penalties)

    every = pick_penalties(folds, correct_all, PENALTIES, UNTUNED_PENALTY)
    blend, moments = fit_nnls(folds, task, seed), total(folds)
    first = correct(as_linear(blend.weights), moments, task.groups, [own])[0]
    whole = correct(first.weights, moments, [ALL_COLUMNS], [every])[0]
    return DeviationStacker(blend, first, whole)


def as_linear(weights: np.ndarray) -> np.ndarray:
    """A blend's (run, column) weights as those of a linear model, (feature, column)."""
    n_columns = weights.shape[1]
    return (weights[:, :, None] * np.eye(n_columns)).reshape(-1, n_columns)


def correct(
    first: np.ndarray, moments: Moments, groups: Sequence[slice], penalties: Sequence[Penalty]
) -> list[LinearStacker]:
    """A linear model with the ridge on top of it, once per penalty.

    Args:
        first: (feature, column) weights, fitted on the same galaxies. They are so few, or held back
            so far, that what they miss of these is what they miss of others.
        moments: sums over the galaxies to fit on.
        groups: columns that are corrected by their own deviations alone.
        penalties: per galaxy, where deviations have variance 1 on the whole.
    """
    n_columns = len(moments.targets)
    gram = moments.gram / moments.count
    missed = _deviate(moments.cross / moments.count - gram @ first, n_columns)
    spread = _deviate(_deviate(gram, n_columns).T, n_columns)
    scale = max(np.trace(spread), SMALLEST_SHARE * np.trace(gram), np.finfo(float).tiny)
    scale /= len(spread)
    weights = [first.copy() for _ in penalties]
    by_column = [np.broadcast_to(penalty, n_columns) for penalty in penalties]
    for group in groups:
        rows = np.arange(len(first)).reshape(-1, n_columns)[:, group].ravel()
        solved = solve_ridge(
            spread[np.ix_(rows, rows)] / scale,
            missed[rows, group] / scale,
            [penalty[group] for penalty in by_column],
        )
        for found, correction in zip(weights, solved, strict=True):
            found[rows, group] += _deviate(correction, correction.shape[1])
    return [
        LinearStacker(found, np.zeros(n_columns), penalty)
        for found, penalty in zip(weights, by_column, strict=True)
    ]


def _deviate(rows: np.ndarray, n_columns: int) -> np.ndarray:
    """Rows of features (runs outermost) less the mean over runs of the same column's rows."""
    by_run = rows.reshape(-1, n_columns, rows.shape[1])
    return (by_run - by_run.mean(axis=0)).reshape(rows.shape)
