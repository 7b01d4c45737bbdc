"""Fit a linear layer to a network's features: few labels, seconds.

L2-regularized logistic regression on standardized features. The strength is cross-validated where
there are enough labels; standardization becomes part of the weights, so that a head is one linear
layer of a network.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from galaxyzoo.models.linear import Head, singular_axes
from galaxyzoo.tasks.metrics import log_loss

_STRENGTHS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)  # inverse regularization strengths, `C`
_DEFAULT = 0.003  # for too few labels to choose by
_CHOICE_FOLDS = 3  # of the choice; a class needs as many labels
_TOLERANCE = 1e-3  # of the gradient; a tenth of it moves no probability by 0.001
_NEVER = -1e4  # logit of a class without labels: its probability is exactly 0


@threadpool_limits.wrap(limits=1, user_api="blas")  # many small steps: threads cost five times more
def fit_head(features: np.ndarray, targets: np.ndarray) -> Head:
    """Fit a head.

    Args:
        features: (n, feature) float32.
        targets: (n, class) one-hot; a class without labels gets probability 0.
    """
    mean = features.mean(axis=0, dtype=np.float64)
    sd = features.std(axis=0, dtype=np.float64)
    sd[sd == 0] = 1.0
    standardized = (features - mean) / sd
    axes = singular_axes(standardized)
    points = standardized @ axes.T
    strength = _choose_strength(points, targets)
    [head] = _fit(points, targets, [strength])
    weights = head.weights @ axes / sd
    return Head(weights, head.bias - weights @ mean)


def _choose_strength(points: np.ndarray, targets: np.ndarray) -> float:
    """The `C` of the least cross-validated log-loss."""
    from sklearn.model_selection import StratifiedKFold  # here: scikit-learn takes seconds

    labels = targets.argmax(axis=1)
    counts = np.bincount(labels)
    counts = counts[counts > 0]
    if len(counts) < 2 or counts.min() < _CHOICE_FOLDS:
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
    n_classes = targets.shape[1]
    model = LogisticRegression(warm_start=True, max_iter=1000, tol=_TOLERANCE)
    for strength in strengths:
        weights = np.zeros((n_classes, points.shape[1]))
        bias = np.full(n_classes, _NEVER)
        bias[present] = 0
        if len(present) > 1:
            model.set_params(C=strength).fit(points, labels)
            coefficients = model.coef_
            intercept = model.intercept_
            if len(present) == 2:  # logits of the second against the first
                coefficients = np.concatenate([-coefficients, coefficients]) / 2
                intercept = np.concatenate([-intercept, intercept]) / 2
            weights[present] = coefficients
            bias[present] = intercept
        yield Head(weights, bias)
