"""How far test galaxies differ from training ones, and what that would do to a score.

A classifier that tells the two apart does no better than chance (AUC 0.5) where they are drawn
alike. Its odds are the weights by which training galaxies stand for the test galaxies.

Sources: Lopez-Paz and Oquab 2017 (ICLR), "Revisiting classifier two-sample tests"; Shimodaira 2000
(J. Stat. Plan. Inference 90, 227) for the weights; DeLong et al. 1988 (Biometrics 44, 837) for the
standard error of an AUC; Kong 1992 (University of Chicago, report 348) for the effective size.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata
from sklearn.base import ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

LARGEST_WEIGHT = 20.0  # of one galaxy, against a mean of about 1; the smallest is its inverse
BOOSTED, LOGISTIC = "boosted trees", "logistic regression"
CLASSIFIERS: Mapping[str, Callable[[], ClassifierMixin]] = {
    BOOSTED: lambda: HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.05, max_leaf_nodes=15, min_samples_leaf=50, random_state=0
    ),
    LOGISTIC: lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000)),
}


@dataclass(frozen=True, eq=False)
class Sides:
    """Training and test galaxies with what is known of both."""

    features: np.ndarray  # (row, feature), training galaxies first
    names: list[str]  # of the features
    is_test: np.ndarray  # (row,) bool
    # (row,) cross-fitting part: the fold whose networks made the row's features. Dealt apart from
    # the networks, all training galaxies that show one network's ways would be in one part, and the
    # classifier of that part would take these ways for a test galaxy's.
    parts: np.ndarray


def deal(folds: np.ndarray, n_test: int, seed: int = 0) -> np.ndarray:
    """(test galaxy,) one fold each at random, as frequent as among the training galaxies' folds."""
    rng = np.random.default_rng(seed)
    return rng.permutation(np.resize(rng.permutation(folds), n_test))


def cross_predict(sides: Sides, classifier: Callable[[], ClassifierMixin]) -> np.ndarray:
    """(row,) probability of being a test galaxy, by a classifier that saw no row of its part."""
    splits = LeaveOneGroupOut().split(sides.features, groups=sides.parts)
    return cross_val_predict(
        classifier(), sides.features, sides.is_test, cv=splits, method="predict_proba"
    )[:, 1]


def auc(values: np.ndarray, is_test: np.ndarray) -> tuple[float, float]:
    """How often a test galaxy's value is above a training galaxy's; and its standard error.

    Args:
        values: (row,); equal ones count half.
        is_test: (row,) bool.
    Source: DeLong et al. 1988, by ranks as in Sun and Xu 2014 (IEEE Signal Proc. Lett. 21, 1389).
    """
    test, train = values[is_test], values[~is_test]
    ranks = rankdata(np.concatenate([test, train]))
    above = (ranks[: len(test)] - rankdata(test)) / len(train)  # part of training values below
    below = 1 - (ranks[len(test) :] - rankdata(train)) / len(test)
    error = np.sqrt(above.var(ddof=1) / len(test) + below.var(ddof=1) / len(train))
    return float(above.mean()), float(error)


def auc_in_parts(values: np.ndarray, sides: Sides) -> tuple[float, float]:
    """Mean of the parts' AUCs, as each has a classifier of its own; and its standard error."""
    found = [
        auc(values[own], sides.is_test[own])
        for own in (sides.parts == part for part in np.unique(sides.parts))
    ]
    means, errors = np.array(found).T
    return float(means.mean()), float(np.sqrt(np.square(errors).sum()) / len(errors))


def rank_features(sides: Sides) -> list[tuple[str, float, float]]:
    """Name, AUC of the feature alone and its standard error, the most telling one first."""
    rows = [
        (name, *auc_in_parts(values, sides))
        for name, values in zip(sides.names, sides.features.T, strict=True)
    ]
    return sorted(rows, key=lambda row: -abs(row[1] - 0.5))


def loss_over_chance(probs: np.ndarray, sides: Sides) -> float:
    """Log-loss of the probabilities minus that of knowing only how many rows are test galaxies'.

    Below 0 the classifier knows more than that, above it only believes to.
    """
    share = np.full(len(probs), sides.is_test.mean())
    return float(log_loss(sides.is_test, probs) - log_loss(sides.is_test, share))


def importance_weights(probs: np.ndarray, sides: Sides) -> np.ndarray:
    """(training galaxy,) odds of being a test galaxy, over those of any galaxy, cut, mean 1."""
    train = probs[~sides.is_test]
    odds = train / np.maximum(1 - train, 1e-12) * (~sides.is_test).sum() / sides.is_test.sum()
    weights = np.clip(odds, 1 / LARGEST_WEIGHT, LARGEST_WEIGHT)
    return weights / weights.mean()


def effective_size(weights: np.ndarray) -> float:
    """How many galaxies of equal weight would scatter as little as these."""
    return float(weights.sum() ** 2 / np.square(weights).sum())


def reweight(losses: np.ndarray, weights: np.ndarray, is_root: bool) -> dict[str, float]:
    """A score of the training galaxies as it would be on the test galaxies, beside the plain one.

    Args:
        losses: (galaxy,) whose mean, or the root of it, is the score.
        weights: (galaxy,) >= 0.
        is_root: whether the score is the root of the mean.
    Returns:
        `plain` and `reweighted`, their `difference`, each with its standard error (`…_se`) over
        galaxies, by linearisation; the weights count as known.
    """
    weights = weights / weights.mean()
    influence, scores = {}, {}
    for name, w in (("plain", np.ones_like(losses)), ("reweighted", weights)):
        mean = float((w * losses).mean())
        slope = 0.5 / np.sqrt(mean) if is_root and mean > 0 else 1.0
        scores[name] = float(np.sqrt(mean)) if is_root else mean
        influence[name] = slope * w * (losses - mean)
    scores["difference"] = scores["reweighted"] - scores["plain"]
    influence["difference"] = influence["reweighted"] - influence["plain"]
    errors = {f"{k}_se": float(v.std(ddof=1) / np.sqrt(len(v))) for k, v in influence.items()}
    return {**scores, **errors}
