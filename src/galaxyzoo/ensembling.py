"""Which ensemble to submit: candidates fitted without each set of folds, compared, chosen.

Everything rests on one step, fitting a candidate on all folds but a set E:
- E empty gives the model that predicts the test galaxies;
- E = {k} predicts fold k for the cross-fitted score, by which the candidate is chosen;
- E = {j, k} predicts j and k: leaving k out of the whole choice, the candidates are compared on the
  folds j != k by meta-models that saw neither (the networks behind the rows of fold j did train on
  fold k, as in all stacking). A pair has no order, so K (K - 1) / 2 fits serve all K outer folds.

The nested score counts the choice itself: fold k is predicted by the candidate chosen without fold
k.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from galaxyzoo import class_blending, class_stacking
from galaxyzoo.blending import MetaModel, fit_best, fit_greedy, fit_mean, fit_nnls
from galaxyzoo.errors import InputError
from galaxyzoo.moments import OofFold, make_fold
from galaxyzoo.stacking import fit_lightgbm, fit_ridge
from galaxyzoo.tasks import Task

Fit = Callable[[Sequence[OofFold], Task, int], MetaModel]  # (folds to fit on, task, seed)
FoldSet = frozenset[int]

MEAN = "mean"  # what every other candidate is held against
# To add a candidate: one function and one entry. The first wins ties.
CANDIDATES: dict[str, Fit] = {
    MEAN: fit_mean,
    "best": fit_best,
    "greedy": fit_greedy,
    "nnls": fit_nnls,
    "ridge": fit_ridge,
    "lightgbm": fit_lightgbm,
}
CLASS_CANDIDATES: dict[str, Fit] = {
    MEAN: fit_mean,
    "best": class_blending.fit_best,
    "greedy": class_blending.fit_greedy,
    "mixture": class_blending.fit_mixture,
    "pool": class_stacking.fit_pool,
    "logistic": class_stacking.fit_logistic,
    "lightgbm": class_stacking.fit_lightgbm,
}
NONE: FoldSet = frozenset()


@dataclass(frozen=True, eq=False)
class CrossFits:
    """All candidates: models fitted on every fold, and what other fits say of folds left out."""

    task: Task
    targets: np.ndarray  # (galaxy, column)
    folds: np.ndarray  # (galaxy,)
    models: dict[str, MetaModel]
    # candidate, folds left out, fold -> (galaxy, column), valid
    held_out: dict[tuple[str, FoldSet, int], np.ndarray]

    @property
    def names(self) -> list[str]:
        """The candidates, the uniform mean first."""
        return list(self.models)

    @property
    def fold_numbers(self) -> list[int]:
        """The folds, ascending."""
        return np.unique(self.folds).tolist()

    def rows(self, without: FoldSet = NONE) -> np.ndarray:
        """(galaxy,) bool, galaxies outside the given folds."""
        return ~np.isin(self.folds, list(without))

    def predictions(self, name: str, without: FoldSet = NONE) -> np.ndarray:
        """Cross-fitted predictions of a candidate, as submitted; `without` is unseen throughout.

        Returns:
            (galaxy, column) for `rows(without)`, each from a fit that saw neither its fold nor
            `without`.
        """
        out = np.empty_like(self.targets)
        for fold in set(self.fold_numbers) - without:
            out[self.folds == fold] = self.held_out[name, without | {fold}, fold]
        return out[self.rows(without)]

    def score(self, name: str, without: FoldSet = NONE) -> float:
        """The task's score of `predictions(name, without)`."""
        return self.task.score(self.predictions(name, without), self.targets[self.rows(without)])

    def choose(self, without: FoldSet = NONE) -> str:
        """The candidate with the best cross-fitted score; `without` has no say in it."""
        sign = 1.0 if self.task.lower_is_better else -1.0
        return min(self.names, key=lambda name: sign * self.score(name, without))


def candidates_of(task: Task) -> dict[str, Fit]:
    """The candidates for a task's kind."""
    return CLASS_CANDIDATES if task.is_classes else CANDIDATES


def pick_candidates(names: Sequence[str], task: Task) -> list[str]:
    """The named candidates, or all, in the registry's order; the uniform mean is always there.

    Raises:
        InputError: a name is unknown.
    """
    known = candidates_of(task)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(f"unknown candidate '{unknown[0]}': known are {', '.join(known)}")
    return [name for name in known if name == MEAN or name in names or not names]


def exclusions(fold_numbers: Sequence[int]) -> list[FoldSet]:
    """The sets of folds to leave out: none, each one, each two if a fold remains to fit on."""
    largest = min(2, len(fold_numbers) - 1)
    return [
        frozenset(folds)
        for size in range(largest + 1)
        for folds in combinations(fold_numbers, size)
    ]


def cross_fit(
    names: Sequence[str],
    task: Task,
    features: np.ndarray,
    targets: np.ndarray,
    folds: np.ndarray,
    seed: int,
) -> CrossFits:
    """Fit every candidate without every set of `exclusions`, side by side, one core each.

    Args:
        names: candidates, keys of `candidates_of(task)`.
        task: the task.
        features: (galaxy, run, column) raw out-of-fold predictions of the runs.
        targets: (galaxy, column).
        folds: (galaxy,) fold of each galaxy.
        seed: for candidates that draw random numbers.
    Returns:
        All fits; rows in the given order.
    Raises:
        InputError: there are fewer than two folds.
    """
    numbers = np.unique(folds).tolist()
    if len(numbers) < 2:
        raise InputError(
            "an ensemble is scored across folds: it needs at least two; train with more folds"
        )
    by_fold = {k: make_fold(features[folds == k], targets[folds == k]) for k in numbers}
    jobs = [(name, without) for name in names for without in exclusions(numbers)]
    calls = (
        delayed(fit_without)(candidates_of(task)[name], by_fold, without, task, seed)
        for name, without in jobs
    )
    # Threads share the rows, and the libraries let go of the interpreter while they work; one BLAS
    # thread each.
    with threadpool_limits(1):
        results = Parallel(n_jobs=-1, prefer="threads", return_as="generator")(calls)
        fits = list(tqdm(results, "fitting", len(jobs), unit="fit", disable=None, leave=False))
    pairs = list(zip(jobs, fits, strict=True))
    models = {name: model for (name, without), (model, _) in pairs if not without}
    held_out = {(*job, fold): values for job, (_, parts) in pairs for fold, values in parts.items()}
    return CrossFits(task, targets, folds, models, held_out)


def fit_without(
    fit: Fit, by_fold: dict[int, OofFold], without: FoldSet, task: Task, seed: int
) -> tuple[MetaModel, dict[int, np.ndarray]]:
    """Fit a candidate on all folds but some, and let it predict those.

    Returns:
        The model, and for each fold left out its (galaxy, column) predictions as they would be
        submitted.
    """
    model = fit([rows for fold, rows in by_fold.items() if fold not in without], task, seed)
    return model, {
        fold: task.make_valid(model.predict(by_fold[fold].features)) for fold in sorted(without)
    }


def nested(fits: CrossFits) -> tuple[np.ndarray, dict[int, str]] | None:
    """Predict every fold with the candidate that is chosen without it, fitted without it.

    Returns:
        (galaxy, column) predictions in the rows' order, and the choice made for each fold; None
        where fewer than three folds leave none to choose by.
    """
    if len(fits.fold_numbers) < 3:
        return None
    choices = {fold: fits.choose(without=frozenset({fold})) for fold in fits.fold_numbers}
    out = np.empty_like(fits.targets)
    for fold, name in choices.items():
        out[fits.folds == fold] = fits.held_out[name, frozenset({fold}), fold]
    return out, choices
