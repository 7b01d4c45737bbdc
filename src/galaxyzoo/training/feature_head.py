"""Fit a linear classifier to a network's features: few labels, seconds.

L2-regularized logistic regression on standardized features. Its strength is chosen by
cross-validated log-loss where each class has enough labels; standardization becomes part of the
weights, so that a head is one linear layer of a network.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from galaxyzoo.tasks.metrics import log_loss, mean_recall

_STRENGTHS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)  # inverse regularization strengths, `C`
_DEFAULT = 0.003  # for too few labels to choose by
_CHOICE_FOLDS = 3  # of the choice; a class needs as many labels
_TOLERANCE = 1e-3  # of the gradient; a tenth of it moves no probability by 0.001
_COUNTS, _DRAWS = (10, 20, 50, 100, 200, 500, 1000, 2000), 3  # of a learning curve
_NEVER = -1e4  # logit of a class without labels: its probability is exactly 0


@dataclass(frozen=True)
class Head:
    """A linear layer of logits."""

    weights: np.ndarray  # (class, feature) float64
    bias: np.ndarray  # (class,) float64

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """(n, feature) -> (n, class) probabilities, float64."""
        return softmax(features @ self.weights.T + self.bias, axis=1)


def fit_head(features: np.ndarray, labels: np.ndarray, n_classes: int) -> Head:
    """Fit a head.

    Args:
        features: (n, feature) float32.
        labels: (n,) class numbers, 0 to n_classes - 1.
        n_classes: number of classes; one without labels gets probability 0.
    """
    mean, sd = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    sd[sd == 0] = 1.0
    # The penalty does not change under rotation: coordinates along the singular vectors are at most
    # n, and the solution is the same.
    standardized = (features - mean) / sd
    axes = np.linalg.svd(standardized, full_matrices=False)[2]  # (axis, feature)
    points = standardized @ axes.T
    present, numbers = np.unique(labels, return_inverse=True)
    weights = np.zeros((n_classes, features.shape[1]))
    bias = np.full(n_classes, _NEVER)
    (rotated,) = _fit(points, numbers, [_choose_strength(points, numbers)])
    weights[present], bias[present] = rotated.weights @ axes / sd, rotated.bias
    bias[present] -= weights[present] @ mean
    return Head(weights, bias)


def cross_fit_head(features: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """(n, class) out-of-fold probabilities: each row's head is fitted on the other folds.

    Args:
        features: (n, feature) float32.
        labels: (n,) class numbers from 0.
        folds: (n,) fold numbers, at least two different ones.
    """
    n_classes = int(labels.max()) + 1
    probs = np.empty((len(labels), n_classes))
    for fold in np.unique(folds):
        rows = folds == fold
        head = fit_head(features[~rows], labels[~rows], n_classes)
        probs[rows] = head.predict_proba(features[rows])
    return probs


def learning_curve(
    features: np.ndarray, labels: np.ndarray, held_out: np.ndarray, held_labels: np.ndarray
) -> list[dict[str, float]]:
    """Score heads fitted with some of the labels, drawn at random, on held-out galaxies.

    Args:
        features: (n, feature) float32.
        labels: (n,) class numbers from 0.
        held_out: (m, feature) float32.
        held_labels: (m,) class numbers.
    Returns:
        Number of `labels` and scores of each draw; the last one has all of them.
    """
    rng, rows = np.random.default_rng(0), []
    n_classes = int(max(labels.max(), held_labels.max())) + 1
    counts = [count for count in _COUNTS for _ in range(_DRAWS) if count < len(labels)]
    for count in [*counts, len(labels)]:
        drawn = rng.choice(len(labels), count, replace=False)
        probs = fit_head(features[drawn], labels[drawn], n_classes).predict_proba(held_out)
        decided = probs.argmax(axis=1)
        scores = {
            "accuracy": float((decided == held_labels).mean()),
            "balanced accuracy": mean_recall(held_labels, decided),
            "log-loss": log_loss(probs, np.eye(n_classes)[held_labels]),
        }
        rows.append({"labels": count, **scores})
    return rows


def _choose_strength(points: np.ndarray, labels: np.ndarray) -> float:
    """The `C` of the least cross-validated log-loss."""
    from sklearn.model_selection import StratifiedKFold  # here: scikit-learn takes seconds

    if len(np.unique(labels)) < 2 or np.bincount(labels).min() < _CHOICE_FOLDS:
        return _DEFAULT
    losses = np.zeros(len(_STRENGTHS))
    splitter = StratifiedKFold(_CHOICE_FOLDS, shuffle=True, random_state=0)
    for train, val in splitter.split(points, labels):
        for i, head in enumerate(_fit(points[train], labels[train], _STRENGTHS)):
            losses[i] += log_loss(
                head.predict_proba(points[val]), np.eye(labels.max() + 1)[labels[val]]
            ) * len(val)
    return _STRENGTHS[losses.argmin()]


def _fit(points: np.ndarray, labels: np.ndarray, strengths: Sequence[float]) -> Iterator[Head]:
    """Fit heads of rising strengths, each from the one before; every class has labels."""
    from sklearn.linear_model import LogisticRegression  # here, as above

    if not labels.any():  # a single class
        yield from [Head(np.zeros((1, points.shape[1])), np.zeros(1))] * len(strengths)
        return
    model = LogisticRegression(warm_start=True, max_iter=1000, tol=_TOLERANCE)
    for strength in strengths:
        model.set_params(C=strength).fit(points, labels)
        weights, bias = model.coef_, model.intercept_
        if len(bias) == 1:  # of two classes: logits of the second against the first
            weights, bias = np.vstack([-weights, weights]) / 2, np.append(-bias, bias) / 2
        yield Head(weights, bias)
