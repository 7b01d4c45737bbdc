"""The second level: a blend of the other candidates' predictions, weighted per question.

What it is fitted on was said by candidates that saw neither the galaxy nor the folds that the
second level itself is scored on, so nothing leaks from one level to the other.

Source: Wolpert 1992, "Stacked generalization"; benanne/kaggle-galaxies blends its blends likewise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from galaxyzoo.blending import Blend, MetaModel, fit_nnls, uniform_weights
from galaxyzoo.moments import OofFold
from galaxyzoo.tasks import Task


@dataclass(frozen=True, eq=False)
class TwoLevel:
    """Candidates, and a blend of what they would submit."""

    first: Mapping[str, MetaModel]
    blend: Blend
    task: Task

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(galaxy, run, column) -> (galaxy, column), float64."""
        said = [self.task.make_valid(model.predict(features)) for model in self.first.values()]
        return self.blend.predict(np.stack(said, axis=1))

    def about(self, runs: Sequence[str], task: Task) -> dict[str, Any]:
        """The candidates' weights, and what each is made of."""
        first = {name: model.about(runs, task) for name, model in self.first.items()}
        return {**self.blend.about(list(self.first), task), "candidates": first}


def fit_second_level(folds: Sequence[OofFold], n_candidates: int, task: Task, seed: int) -> Blend:
    """Non-negative least squares per question; the uniform mean where there is nothing to fit on.

    Args:
        folds: features (galaxy, candidate, column): valid predictions of the candidates, each
            fitted without the galaxy's fold and without all that the blend must not see.
        n_candidates: number of candidates.
        task: the task.
        seed: for nothing; blends draw none.
    """
    if not folds:
        return Blend(uniform_weights(n_candidates, len(task.columns)))
    return fit_nnls(folds, task, seed)
