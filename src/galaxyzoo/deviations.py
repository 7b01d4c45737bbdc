"""A blend, and a ridge on where the runs disagree, whatever the question.

What all runs say alike, the blend has already; a stacker that may bend that too fits mostly noise.
So the features here are the runs' deviations from their mean, of all columns: that one network sees
more of a bar than the others do says something of the spiral arms. The ridge corrects the blend by
non-negative least squares per question and is held back towards it.

Deviations are sums of features, so `Moments` are enough, and the result is one linear model.

Source: ridge regression towards a first guess, as in `stacking`; deviations as features are own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from galaxyzoo.blending import Blend, fit_nnls
from galaxyzoo.moments import Moments, OofFold, total
from galaxyzoo.stacking import LinearStacker, pick_penalties
from galaxyzoo.tasks import Task

# Per galaxy, for deviations of variance 1 on the whole; the largest leaves little but the blend.
PENALTIES = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0)
UNTUNED_PENALTY = 20.0  # where a single fold leaves nothing to pick the penalty by
# Mean square of deviations over that of predictions: below it runs are copies that rounding parts.
SMALLEST_SHARE = 1e-9


@dataclass(frozen=True, eq=False)
class DeviationStacker:
    """A blend and its correction, as one linear model."""

    blend: Blend
    whole: LinearStacker  # blend and correction

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(galaxy, run, column) -> (galaxy, column), float64."""
        return self.whole.predict(features)

    def about(self, runs: Sequence[str], task: Task) -> dict[str, Any]:
        """The blend's weights and the penalty of each column's correction."""
        return {**self.blend.about(runs, task), **self.whole.about(runs, task)}


def fit_deviations(folds: Sequence[OofFold], task: Task, seed: int) -> DeviationStacker:
    """Fit the blend, then correct it; penalties are picked by cross-fitting inside the folds.

    Args:
        folds: what to fit on; a single fold is corrected with `UNTUNED_PENALTY`.
        task: whose questions share the blend's weights.
        seed: for nothing; neither part draws.
    """

    def fit(some: Sequence[OofFold], penalties: Sequence[float]) -> list[LinearStacker]:
        return correct(fit_nnls(some, task, seed), total(some), penalties)

    whole = pick_penalties(folds, fit, PENALTIES, UNTUNED_PENALTY)
    return DeviationStacker(fit_nnls(folds, task, seed), whole)


def correct(blend: Blend, moments: Moments, penalties: Sequence[float]) -> list[LinearStacker]:
    """A blend with the ridge on top of it, once per penalty, from one eigendecomposition.

    Args:
        blend: fitted on the same galaxies; it has so few weights that what it misses of them is
            what it misses of others.
        moments: sums over the galaxies to fit on.
        penalties: per galaxy, where deviations have variance 1 on the whole.
    """
    n_columns = len(moments.targets)
    # (feature, column) the blend as a linear model
    prior = (blend.weights[:, :, None] * np.eye(n_columns)).reshape(-1, n_columns)
    gram = moments.gram / moments.count
    missed = _deviate(moments.cross / moments.count - gram @ prior, n_columns)
    spread = _deviate(_deviate(gram, n_columns).T, n_columns)
    scale = max(np.trace(spread), SMALLEST_SHARE * np.trace(gram), np.finfo(float).tiny)
    scale /= len(spread)
    values, vectors = np.linalg.eigh(spread / scale)
    turned = vectors.T @ missed / scale
    stackers = []
    for penalty in penalties:
        correction = (vectors / (np.maximum(values, 0) + penalty)) @ turned
        weights = prior + _deviate(correction, n_columns)
        stackers.append(LinearStacker(weights, np.zeros(n_columns), np.full(n_columns, penalty)))
    return stackers


def _deviate(rows: np.ndarray, n_columns: int) -> np.ndarray:
    """Rows of features (runs outermost) less the mean over runs of the same column's rows."""
    by_run = rows.reshape(-1, n_columns, rows.shape[1])
    return (by_run - by_run.mean(axis=0)).reshape(rows.shape)
