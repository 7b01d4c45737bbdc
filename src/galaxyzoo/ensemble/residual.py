"""A second look at what the blend misses: boosted trees on its predictions and on all the runs'.

Trees that start from the uniform mean first have to find the good runs; these start where least
squares has already weighted them, and what is left is small, so they are held back strongly.

Source: boosting as fits to residuals (Friedman 2001, Annals of Statistics 29); the use here is own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np

from galaxyzoo.ensemble.blends import Blend, fit_nnls
from galaxyzoo.ensemble.least_squares import OofFold
from galaxyzoo.ensemble.stackers import BOOSTING, boost, capped, flatten, run_boosters
from galaxyzoo.tasks.registry import Task

ROUNDS = 40
SETTINGS = BOOSTING | {
    "learning_rate": 0.05,
    "min_data_in_leaf": 200,
    "lambda_l2": 200.0,
}


@dataclass(frozen=True, eq=False)
class ResidualStacker:
    """A blend, and trees that correct it, one set per column."""

    blend: Blend
    boosters: tuple[lgb.Booster, ...]

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(galaxy, run, column) -> (galaxy, column), float64."""
        blended = self.blend.predict(features)
        return blended + run_boosters(self.boosters, second_features(features, blended))

    def about(self, runs: Sequence[str], task: Task) -> dict[str, Any]:
        """The blend's weights and the boosting settings."""
        settings = capped(SETTINGS, (len(runs) + 2) * len(task.columns))
        return {**self.blend.about(runs, task), "rounds": ROUNDS, "settings": settings}


def fit_residual(folds: Sequence[OofFold], task: Task, seed: int) -> ResidualStacker:
    """Fit the blend, then boost what it misses of galaxies that it was not fitted on.

    Inside the given folds each is blended with weights of the others; a single fold is blended with
    its own.
    """
    parts = []
    for fold in folds:
        others = [other for other in folds if other is not fold] or [fold]
        parts.append(fit_nnls(others, task, seed).predict(fold.features))
    blended = np.concatenate(parts)
    misses = np.concatenate([fold.targets for fold in folds]) - blended
    features = second_features(np.concatenate([fold.features for fold in folds]), blended)
    boosters = boost(features, misses, SETTINGS | {"seed": seed}, ROUNDS)
    return ResidualStacker(fit_nnls(folds, task, seed), boosters)


def second_features(features: np.ndarray, blended: np.ndarray) -> np.ndarray:
    """What the trees split by: the blend, every run, and how far the runs are apart.

    All columns are there for each, so the trees of a question know what is said of its parents.

    Args:
        features: (galaxy, run, column) predictions of the runs.
        blended: (galaxy, column) the blend's.
    Returns:
        (galaxy, feature) float32: columns of the blend, of the runs, and of their standard
        deviations.
    """
    parts = (blended, flatten(features), features.std(axis=1))
    return np.concatenate(parts, axis=1, dtype=np.float32, casting="same_kind")
