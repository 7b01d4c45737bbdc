"""Choice of the ensemble to submit: candidates cross-fitted, compared and chosen among.

Everything rests on one step, fitting a candidate on all folds but a set E:
- E empty gives the model that predicts the test galaxies;
- E = {k} predicts fold k for the cross-fitted score, by which the candidate is chosen;
- E = {j, k} predicts j and k: the choice that is to know nothing of fold k compares the candidates
  on each other fold j, predicted by a meta-model fitted without j and k. One fit serves both (j, k)
  and (k, j), so K folds take K (K - 1) / 2 such fits. (The networks that predicted fold j did train
  on fold k, as in all stacking.)

Chosen is the simplest candidate whose score is within one standard error of the best: a difference
that the draw of the galaxies explains is no reason for a model that is harder to trust. The nested
score counts the choice itself: fold k is predicted by the candidate chosen without fold k.

Sources: Breiman et al. 1984, "Classification and regression trees", section 3.4.3, for the rule of
one standard error (here of the paired difference, which is smaller); Wolpert 1992, "Stacked
generalization".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from galaxyzoo.core.console import ProgressBar
from galaxyzoo.core.errors import InputError
from galaxyzoo.ensemble import blends, class_stackers, stackers
from galaxyzoo.ensemble.least_squares import OofFold, make_fold
from galaxyzoo.tasks import kinds, metrics

Fit = Callable[[Sequence[OofFold], kinds.Task], blends.MetaModel]  # folds to fit on
FoldSet = frozenset[int]
# candidate, folds left out, fold -> (galaxy, column), valid
HeldOut = dict[tuple[str, FoldSet, int], np.ndarray]
MEAN = "mean"  # every other candidate is compared with it


@dataclass(frozen=True)
class Candidate:
    """Method of combining runs."""

    fit: Fit
    about: str  # for tables
    model: type[blends.MetaModel]  # what `fit` returns: a dataclass, which `save_fitted` keeps


# To add a candidate: one function and one entry. The simplest come first, because they are chosen
# where scores are within the error: by how much is fitted (nothing; a weight per run; per run and
# question; per run and column), then trees.
CANDIDATES = {
    MEAN: Candidate(blends.fit_mean, "equal weights", blends.Blend),
    "greedy": Candidate(blends.fit_greedy, "greedy, a weight per run", blends.Blend),
    "nnls": Candidate(blends.fit_nnls, "a weight per run and question", blends.Blend),
    "disagreement_ridge": Candidate(
        stackers.fit_disagreement_ridge,
        "nnls plus ridge on disagreement",
        stackers.DisagreementRidge,
    ),
    "lightgbm": Candidate(stackers.fit_lightgbm, "boosted trees", stackers.BoostedStacker),
}
CLASS_CANDIDATES = {
    MEAN: CANDIDATES[MEAN],
    "pool": Candidate(class_stackers.fit_pool, "weighted geometric mean", class_stackers.Pool),
    "lightgbm": Candidate(
        class_stackers.fit_lightgbm_classes, "boosted trees", class_stackers.BoostedClasses
    ),
}
RULE = "the simplest within one SE of it"  # how `CrossFits.choose` chooses
NONE: FoldSet = frozenset()


@dataclass(frozen=True, eq=False)
class CrossFits:
    """Models of all candidates fitted without each fold, and predictions of that fold."""

    task: kinds.Task
    candidates: Mapping[str, Candidate]
    targets: np.ndarray  # (galaxy, column)
    folds: np.ndarray  # (galaxy,)
    by_fold: dict[int, OofFold]
    models: dict[str, blends.MetaModel]
    held_out: HeldOut

    @property
    def names(self) -> list[str]:
        """The candidates, the simplest first."""
        return list(self.models)

    @property
    def fold_numbers(self) -> list[int]:
        """The folds, ascending."""
        return np.unique(self.folds).tolist()

    def rows(self, without: FoldSet = NONE) -> np.ndarray:
        """(galaxy,) bool, galaxies outside the given folds."""
        return ~np.isin(self.folds, list(without))

    def predictions(self, name: str, without: FoldSet = NONE) -> np.ndarray:
        """Cross-fitted predictions of a candidate, as submitted.

        Returns:
            (galaxy, column) for `rows(without)`, each by a fit without its fold and `without`.
        """
        out = np.empty_like(self.targets)
        for fold in set(self.fold_numbers) - without:
            out[self.folds == fold] = self.held_out[name, without | {fold}, fold]
        return out[self.rows(without)]

    def score(self, name: str, without: FoldSet = NONE) -> float:
        """The task's score of `predictions(name, without)`."""
        return self.task.score(self.predictions(name, without), self.targets[self.rows(without)])

    def losses(self, name: str, without: FoldSet = NONE) -> np.ndarray:
        """(galaxy,) losses of `predictions(name, without)`, whose mean makes the score."""
        rows = self.rows(without)
        return self.task.per_sample_losses(self.predictions(name, without), self.targets[rows])

    def difference(self, name: str, other: str) -> metrics.Difference:
        """Difference of two candidates' cross-fitted scores on the same galaxies."""
        return self.task.difference(self.losses(name), self.losses(other))

    def best(self) -> str:
        """The candidate with the best cross-fitted score; the simplest of equals."""
        return min(self.names, key=lambda name: float(self.losses(name).mean()))

    def choose(self, without: FoldSet = NONE) -> str:
        """Choose the simplest candidate within one standard error of the best."""
        losses = {name: self.losses(name, without) for name in self.names}
        best = min(self.names, key=lambda name: float(losses[name].mean()))
        for name in self.names:
            if self.task.difference(losses[name], losses[best]).is_within_error:
                return name
        return best


def candidates_of(task: kinds.Task) -> dict[str, Candidate]:
    """The candidates for a task's kind, the simplest first."""
    return CLASS_CANDIDATES if isinstance(task, kinds.ClassTask) else CANDIDATES


def pick_candidates(names: Sequence[str], task: kinds.Task) -> dict[str, Candidate]:
    """The named candidates, or all, the simplest first; the uniform mean is always there.

    An unknown name is an error.
    """
    candidates = candidates_of(task)
    for name in names:
        if name not in candidates:
            choices = ", ".join(candidates)
            raise InputError(f"unknown candidate '{name}': choose from {choices}")
    if not names:
        return candidates
    return {name: candidates[name] for name in candidates if name == MEAN or name in names}


def exclusions(fold_numbers: Sequence[int]) -> list[FoldSet]:
    """The sets of folds to leave out, up to two at once if a fold remains to fit on."""
    sets = []
    for size in range(min(2, len(fold_numbers) - 1) + 1):
        sets += [frozenset(folds) for folds in combinations(fold_numbers, size)]
    return sets


def cross_fit(
    candidates: Mapping[str, Candidate],
    task: kinds.Task,
    features: np.ndarray,
    targets: np.ndarray,
    folds: np.ndarray,
) -> CrossFits:
    """Fit every candidate without every set of `exclusions`, in parallel, one core each.

    Args:
        candidates: by name, the simplest first.
        task: of the predictions.
        features: (galaxy, run, column) raw out-of-fold predictions of the runs.
        targets: (galaxy, column).
        folds: (galaxy,) fold of each galaxy, at least two different ones.
    Returns:
        All fits; rows in the given order.
    Examples:
        >>> from galaxyzoo.tasks.registry import get_task
        >>> targets = np.random.default_rng(0).random((9, 37))
        >>> features = np.stack([targets + 0.1, targets - 0.1], axis=1)  # errors that cancel
        >>> mean = {"mean": CANDIDATES["mean"]}
        >>> fits = cross_fit(mean, get_task("gz37"), features, targets, np.arange(9) % 3)
        >>> fits.choose()
        'mean'
    """
    fold_numbers = np.unique(folds).tolist()
    if len(fold_numbers) < 2:
        raise InputError("an ensemble needs at least two folds, as it is scored across folds")
    by_fold = {}
    for fold in fold_numbers:
        in_fold = folds == fold
        by_fold[fold] = make_fold(features[in_fold], targets[in_fold])

    # The costliest candidates first: few predictions of others are in memory yet.
    costliest_first = reversed(list(candidates))
    jobs = list(product(costliest_first, exclusions(fold_numbers)))
    calls = []
    for name, without in jobs:
        calls.append(delayed(fit_without)(candidates[name].fit, by_fold, without, task))
    # Threads share the rows, and the libraries release the interpreter while they compute; one BLAS
    # thread each.
    with threadpool_limits(1):
        results = Parallel(n_jobs=-1, prefer="threads", return_as="generator")(calls)
        fits = list(ProgressBar(results, "fitting", len(jobs), unit="fit", leave=False))

    fitted_on_all = {}
    held_out = {}
    for (name, without), fit in zip(jobs, fits, strict=True):
        if not without:
            fitted_on_all[name] = fit.model
        for fold, predictions in fit.predictions.items():
            held_out[name, without, fold] = predictions
    models = {name: fitted_on_all[name] for name in candidates}  # the simplest first
    return CrossFits(task, candidates, targets, folds, by_fold, models, held_out)


@dataclass(frozen=True, eq=False)
class PartialFit:
    """A candidate fitted on all folds but some, and its predictions of those."""

    model: blends.MetaModel
    predictions: dict[int, np.ndarray]  # fold left out -> (galaxy, column), valid


def fit_without(
    fit: Fit, by_fold: dict[int, OofFold], without: FoldSet, task: kinds.Task
) -> PartialFit:
    """Fit a candidate on all folds but some, and predict those."""
    remaining = [rows for fold, rows in by_fold.items() if fold not in without]
    model = fit(remaining, task)
    # Predictions without two folds serve the choice alone: half the memory is enough.
    precision = np.float64 if len(without) == 1 else np.float32
    predictions = {}
    for fold in sorted(without):
        valid = task.project(model.predict(by_fold[fold].features))
        predictions[fold] = valid.astype(precision, copy=False)
    return PartialFit(model, predictions)


@dataclass(frozen=True, eq=False)
class NestedChoice:
    """Choices that know nothing of the fold that they predict."""

    predictions: np.ndarray  # (galaxy, column), valid
    choices: dict[int, str]  # fold -> candidate


def nested(fits: CrossFits) -> NestedChoice | None:
    """Predict every fold with the candidate that is chosen without it, fitted without it.

    Returns:
        Predictions in the rows' order; None where fewer than three folds leave none to choose by.
    """
    if len(fits.fold_numbers) < 3:
        return None
    predictions = np.empty_like(fits.targets)
    choices = {}
    for fold in fits.fold_numbers:
        without = frozenset({fold})
        name = fits.choose(without)
        choices[fold] = name
        predictions[fits.folds == fold] = fits.held_out[name, without, fold]
    return NestedChoice(predictions, choices)
