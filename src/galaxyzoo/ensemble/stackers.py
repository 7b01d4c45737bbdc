"""Stackers of votes: meta-models that predict each column from all columns of all runs.

Each is regularized toward the uniform mean of the runs, or toward a blend, not toward zero, and is
fitted to the squared error of raw predictions. `class_stackers` has those of classes.

- `lightgbm` corrects the mean by boosted trees on all predictions.
- `disagreement_ridge` corrects the blend by non-negative least squares, twice, by the runs'
  deviations from their mean: a stacker that may also bend what all runs agree on fits mostly noise.
  The first ridge has the deviations of the same question's answers, the second those of all: where
  one run predicts more of a bar than the others, the spiral arms can be affected.

Deviations are sums of features, so sums of products are enough, and the result is one linear model.

Sources: Wolpert 1992, "Stacked generalization"; corrections to a mean or blend, and deviations as
features, are own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from galaxyzoo.ensemble.blends import Blend, fit_nnls
from galaxyzoo.ensemble.least_squares import ALL_COLUMNS, LeastSquares, OofFold, total
from galaxyzoo.tasks.kinds import Task

if TYPE_CHECKING:
    from lightgbm import Booster

Penalty = float | np.ndarray  # of all columns, or of each, (column,)
BOOSTING_ROUNDS = 40
FEATURES_PER_TREE = 64  # at most, which six runs of the competition's task reach
BOOSTING: dict[str, str | float] = {
    "objective": "regression",
    "learning_rate": 0.12,
    "num_leaves": 4,  # what the runs miss is mostly the noise of the votes
    "min_data_in_leaf": 100,
    "lambda_l2": 50.0,
    "feature_fraction": 0.3,  # runs are near copies of each other, so part of them is enough
    "max_bin": 63,
    "deterministic": True,
    "seed": 0,
    # The same trees as row-wise, up to 4 times as fast where each has few of the features.
    "force_col_wise": True,
    "num_threads": 1,  # fits run in parallel instead; see selection.cross_fit
    "verbosity": -1,
}

# Per galaxy, for deviations of variance 1 on the whole; the largest corrects next to nothing.
DISAGREEMENT_PENALTIES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0)
UNTUNED_DISAGREEMENT_PENALTY = 20.0  # where a single fold leaves nothing to pick the penalty by
# Mean square of deviations over that of predictions: below it runs differ by rounding alone.
MIN_SHARE = 1e-6


@dataclass(frozen=True, eq=False)
class LinearStacker:
    """A linear model on all runs' predictions of all columns."""

    weights: np.ndarray  # (feature, column), features are (run, column) pairs, runs outermost
    penalties: np.ndarray  # (column,) the penalty each column was fitted with

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(galaxy, run, column) -> (galaxy, column), float64."""
        return flatten(features) @ self.weights

    def penalties_by_column(self, task: Task) -> dict[str, float]:
        """Column -> its penalty."""
        return dict(zip(task.columns, self.penalties.tolist(), strict=True))


def pick_penalties(
    folds: Sequence[OofFold],
    fit: Callable[[Sequence[OofFold], Sequence[Penalty]], list[LinearStacker]],
) -> np.ndarray:
    """Choose one of `DISAGREEMENT_PENALTIES` for each column by its error on held-out folds.

    Args:
        folds: what will be fitted on; a single one has `UNTUNED_DISAGREEMENT_PENALTY`.
        fit: (folds, penalties) -> one stacker per penalty.
    Returns:
        (column,) penalties.
    """
    if len(folds) == 1:
        return np.full(folds[0].targets.shape[1], UNTUNED_DISAGREEMENT_PENALTY)
    errors = np.zeros((len(DISAGREEMENT_PENALTIES), folds[0].targets.shape[1]))
    for held_out in folds:
        remaining = [fold for fold in folds if fold is not held_out]
        models = fit(remaining, DISAGREEMENT_PENALTIES)
        for i, model in enumerate(models):
            errors[i] += held_out.sums.squared_error(model.weights)
    return np.take(DISAGREEMENT_PENALTIES, errors.argmin(axis=0))


def solve_ridge(
    gram: np.ndarray, cross: np.ndarray, penalties: Sequence[Penalty]
) -> list[np.ndarray]:
    """Ridge weights for each penalty, from one eigendecomposition.

    Args:
        gram: (feature, feature) mean products of two features.
        cross: (feature, column) mean products of features with targets.
        penalties: of all columns or of each.
    Returns:
        (feature, column) weights per penalty.
    """
    eigenvalues, vectors = np.linalg.eigh(gram)
    eigenvalues = np.maximum(eigenvalues, 0)[:, None]  # less than zero by rounding alone
    rotated = vectors.T @ cross
    return [vectors @ (rotated / (eigenvalues + penalty)) for penalty in penalties]


@dataclass(frozen=True, eq=False)
class BoostedStacker:
    """Gradient-boosted trees that correct the uniform mean, one set per column."""

    boosters: "tuple[Booster, ...]"

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(galaxy, run, column) -> (galaxy, column), float64."""
        mean = mean_of_runs(features)
        if not len(features):
            return mean
        inputs = flatten(features)
        corrections = [booster.predict(inputs, num_threads=1) for booster in self.boosters]
        return mean + np.column_stack(corrections)

    def about(self, runs: Sequence[str], task: Task) -> dict[str, Any]:
        """The boosting settings."""
        return {"rounds": BOOSTING_ROUNDS, "settings": capped(len(runs) * len(task.columns))}


def fit_lightgbm(folds: Sequence[OofFold], _task: Task) -> BoostedStacker:
    """Boost each column's difference from the uniform mean.

    Every tree may split by every column of every run, those of other questions too.
    """
    import lightgbm as lgb  # here: it brings scikit-learn, over a second of imports

    features = np.concatenate([fold.features for fold in folds])
    targets = np.concatenate([fold.targets for fold in folds])
    misses = targets - mean_of_runs(features)
    inputs = flatten(features)
    settings = capped(inputs.shape[1])
    # Binning the features costs as much as boosting a column, so it is done once and the labels are
    # swapped.
    rows = lgb.Dataset(inputs, params=settings, free_raw_data=False).construct()
    boosters = []
    for column in range(misses.shape[1]):
        rows.set_label(misses[:, column])
        boosters.append(lgb.train(settings, rows, num_boost_round=BOOSTING_ROUNDS))
    return BoostedStacker(tuple(boosters))


def capped(n_features: int) -> dict[str, str | float]:
    """Boosting settings by which no tree has more than `FEATURES_PER_TREE` features.

    The time of a fit would otherwise grow with the runs, which are near copies of each other.
    """
    fraction = min(float(BOOSTING["feature_fraction"]), FEATURES_PER_TREE / n_features)
    return BOOSTING | {"feature_fraction": fraction}


def flatten(features: np.ndarray) -> np.ndarray:
    """(galaxy, run, column) -> (galaxy, feature), runs outermost."""
    return features.reshape(len(features), np.prod(features.shape[1:], dtype=int))


def mean_of_runs(features: np.ndarray) -> np.ndarray:
    """(galaxy, run, column) -> (galaxy, column) mean over runs in float64."""
    return features.mean(axis=1, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class DisagreementRidge:
    """A blend and its two corrections, as one linear model."""

    blend: Blend
    own: LinearStacker  # blend and first correction
    whole: LinearStacker  # blend and both corrections

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(galaxy, run, column) -> (galaxy, column), float64."""
        return self.whole.predict(features)

    def about(self, runs: Sequence[str], task: Task) -> dict[str, Any]:
        """The blend's weights and the penalties of each column's corrections."""
        penalties = {
            "of the same question": self.own.penalties_by_column(task),
            "of all": self.whole.penalties_by_column(task),
        }
        return {**self.blend.about(runs, task), "penalties": penalties}


def fit_disagreement_ridge(folds: Sequence[OofFold], task: Task) -> DisagreementRidge:
    """Fit the blend, then both corrections; penalties are picked by cross-fitting inside the folds.

    A single fold is corrected with `UNTUNED_DISAGREEMENT_PENALTY`.
    """

    def correct_by_question(
        rows: Sequence[OofFold], penalties: Sequence[Penalty]
    ) -> list[LinearStacker]:
        blend = as_linear(fit_nnls(rows, task).weights)
        return correct(blend, total(rows), task.groups, penalties)

    question_penalties = pick_penalties(folds, correct_by_question)

    def correct_by_all(
        rows: Sequence[OofFold], penalties: Sequence[Penalty]
    ) -> list[LinearStacker]:
        [first] = correct_by_question(rows, [question_penalties])
        return correct(first.weights, total(rows), [ALL_COLUMNS], penalties)

    penalties = pick_penalties(folds, correct_by_all)
    [first] = correct_by_question(folds, [question_penalties])
    [whole] = correct_by_all(folds, [penalties])
    return DisagreementRidge(fit_nnls(folds, task), first, whole)


def as_linear(weights: np.ndarray) -> np.ndarray:
    """A blend's (run, column) weights as those of a linear model, (feature, column)."""
    n_columns = weights.shape[1]
    return (weights[:, :, None] * np.eye(n_columns)).reshape(-1, n_columns)


def correct(
    first: np.ndarray, sums: LeastSquares, groups: Sequence[slice], penalties: Sequence[Penalty]
) -> list[LinearStacker]:
    """Add ridge corrections to a linear model, once per penalty.

    Args:
        first: (feature, column) weights, fitted on the same galaxies. They are so few, or so
            regularized, that their errors on these galaxies are those on others.
        sums: of the galaxies to fit on.
        groups: columns that are corrected by their own deviations alone.
        penalties: per galaxy, where deviations have variance 1 on the whole.
    """
    n_columns = len(sums.squares)
    gram = sums.gram / sums.count
    errors = sums.cross / sums.count - gram @ first  # (feature, column) products with the errors
    cross = _deviate(errors, n_columns)
    spread = _deviate(_deviate(gram, n_columns).T, n_columns)  # products of two deviations
    total = max(np.trace(spread), MIN_SHARE * np.trace(gram), np.finfo(float).tiny)
    variance = total / len(spread)  # of a deviation, in the mean

    stackers = []
    for penalty in penalties:
        stackers.append(LinearStacker(first.copy(), np.broadcast_to(penalty, n_columns)))
    features = np.arange(len(first)).reshape(-1, n_columns)  # (run, column)
    for group in groups:
        rows = features[:, group].ravel()
        group_spread = spread[np.ix_(rows, rows)] / variance
        group_penalties = [stacker.penalties[group] for stacker in stackers]
        corrections = solve_ridge(group_spread, cross[rows, group] / variance, group_penalties)
        for stacker, correction in zip(stackers, corrections, strict=True):
            stacker.weights[rows, group] += _deviate(correction, correction.shape[1])
    return stackers


def _deviate(rows: np.ndarray, n_columns: int) -> np.ndarray:
    """Rows of features (runs outermost) less the mean over runs of the same column's rows."""
    by_run = rows.reshape(-1, n_columns, rows.shape[1])
    return (by_run - by_run.mean(axis=0)).reshape(rows.shape)
