"""Fit a linear layer to a network's features: few labels, seconds.

L2-regularized logistic regression on standardized features. The strength is cross-validated where
there are enough labels; standardization becomes part of the weights, so that a head is one linear
layer of a network.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax
from threadpoolctl import threadpool_limits

from galaxyzoo.tasks.metrics import log_loss

_STRENGTHS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)  # inverse regularization strengths, `C`
_DEFAULT = 0.003  # for too few labels to choose by
_CHOICE_FOLDS = 3  # of the choice; a class needs as many labels
_TOLERANCE = 1e-3  # of the gradient; a tenth of it moves no probability by 0.001
_NEVER = -1e4  # logit of a class without labels: its probability is exactly 0


@dataclass(frozen=True)
class Head:
    """A linear layer."""

    weights: np.ndarray  # (column, feature) float64
    bias: np.ndarray  # (column,) float64

    def logits(self, features: np.ndarray) -> np.ndarray:
        """(n, feature) -> (n, column) float64, before the output of its kind."""
        return features @ self.weights.T + self.bias

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """(n, feature) -> (n, class) probabilities, float64."""
        return softmax(self.logits(features), axis=1)


@threadpool_limits.wrap(limits=1, user_api="blas")  # many small steps: threads cost five times more
def fit_head(features: np.ndarray, targets: np.ndarray) -> Head:
    """Fit a head.

    Args:
        features: (n, feature) float32.
        targets: (n, class) one-hot; a class without labels gets probability 0.
    """
    mean, sd = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    sd[sd == 0] = 1.0
    # The penalty does not change under rotation: coordinates along the singular vectors are at most
    # n, and the solution is the same.
    standardized = (features - mean) / sd
    axes = np.linalg.svd(standardized, full_matrices=False)[2]  # (axis, feature)
    points = standardized @ axes.T
    (head,) = _fit(points, targets, [_choose_strength(points, targets)])
    weights = head.weights @ axes / sd
    return Head(weights, head.bias - weights @ mean)


def _choose_strength(points: np.ndarray, targets: np.ndarray) -> float:
    """The `C` of the least cross-validated log-loss."""
    from sklearn.model_selection import StratifiedKFold  # here: scikit-learn takes seconds

    labels = targets.argmax(axis=1)
    counts = np.bincount(labels)
    if (counts > 0).sum() < 2 or counts[counts > 0].min() < _CHOICE_FOLDS:
        return _DEFAULT
    splitter = StratifiedKFold(_CHOICE_FOLDS, shuffle=True, random_state=0)
    losses = np.zeros(len(_STRENGTHS))
    for train, val in splitter.split(points, labels):
        for i, head in enumerate(_fit(points[train], targets[train], _STRENGTHS)):
            losses[i] += log_loss(head.predict_proba(points[val]), targets[val]) * len(val)
    return _STRENGTHS[losses.argmin()]


def _fit(points: np.ndarray, targets: np.ndarray, strengths: Sequence[float]) -> Iterator[Head]:
    """Fit heads of rising strengths, each from the one before."""
    from sklearn.linear_model import LogisticRegression  # here, as above

    labels = targets.argmax(axis=1)
    present = np.unique(labels)
    weights, bias = np.zeros((targets.shape[1], points.shape[1])), np.zeros(targets.shape[1])
    bias[np.setdiff1d(np.arange(len(bias)), present)] = _NEVER
    model = LogisticRegression(warm_start=True, max_iter=1000, tol=_TOLERANCE)
    for strength in strengths:
        if len(present) > 1:
            model.set_params(C=strength).fit(points, labels)
            weights[present], bias[present] = model.coef_, model.intercept_
            if len(present) == 2:  # logits of the second against the first
                weights[present[0]], bias[present[0]] = -weights[present[1]], -bias[present[1]]
                weights[present] /= 2
                bias[present] /= 2
        yield Head(weights.copy(), bias.copy())
