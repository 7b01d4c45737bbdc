"""Stackers of classes: meta-models of class probabilities, fitted to the log-loss.

They see logs of the runs' probabilities and are regularized toward the geometric or the uniform
mean of the runs.

- `pool` weighs the runs in a geometric mean, and the classes by a factor each.
- `lightgbm` corrects the log of the uniform mean by boosted trees on all log-probabilities.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import log_softmax, softmax

from galaxyzoo.ensemble.least_squares import OofFold
from galaxyzoo.ensemble.stackers import BOOSTING, flatten, mean_of_runs
from galaxyzoo.tasks import metrics
from galaxyzoo.tasks.kinds import Task

if TYPE_CHECKING:
    from lightgbm import Booster

POOL_PENALTY = 1e-4  # nats per squared distance from the geometric mean, per galaxy
_BOOSTING_ROUNDS = 60
_BOOSTING = BOOSTING | {
    "objective": "multiclass",
    "learning_rate": 0.05,
    "min_data_in_leaf": 40,  # a class may have a few dozen members
    "lambda_l2": 20.0,
    "feature_fraction": 0.5,
}


@dataclass(frozen=True, eq=False)
class Pool:
    """Weighted geometric mean of the runs with a factor per class: softmax(Σ w·log p + bias)."""

    weights: np.ndarray  # (run,)
    bias: np.ndarray  # (class,)

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(galaxy, run, class) probabilities -> (galaxy, class), float64, rows add up to 1."""
        logits = np.einsum("grc,r->gc", _logs(features), self.weights) + self.bias
        return softmax(logits, axis=1)

    def about(self, runs: Sequence[str], task: Task) -> dict[str, Any]:
        """The runs' exponents and the classes' biases."""
        return {
            "exponents": dict(zip(runs, self.weights.tolist(), strict=True)),
            "bias": dict(zip(task.columns, self.bias.tolist(), strict=True)),
        }


def fit_pool(folds: Sequence[OofFold], task: Task) -> Pool:
    """Fit a pool by penalized maximum likelihood, starting from the geometric mean of the runs.

    Source: logarithmic opinion pool (Genest and Zidek 1986, Statistical Science 1), weights fitted.
    """
    logs = np.concatenate([_logs(fold.features) for fold in folds])  # (galaxy, run, class)
    targets = np.concatenate([fold.targets for fold in folds])
    n_runs, n_classes = logs.shape[1:]
    inputs = flatten(logs)
    start = np.concatenate([np.full(n_runs, 1 / n_runs), np.zeros(n_classes)])

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        """Penalized log-loss and its gradient, for weights and biases in one array."""
        bias = values[n_runs:]
        weights = values[:n_runs, None, None] * np.eye(n_classes)  # (run, class in, class out)
        logits = inputs @ weights.reshape(-1, n_classes) + bias
        log_probs = log_softmax(logits, axis=1)
        log_loss = float(-np.sum(targets * log_probs) / len(targets))

        misses = (np.exp(log_probs) - targets) / len(targets)
        by_weight = (inputs.T @ misses).reshape(weights.shape)
        gradient = np.concatenate([np.einsum("rcc->r", by_weight), misses.sum(axis=0)])

        change = values - start
        penalty = POOL_PENALTY * float(change @ change)
        return log_loss + penalty, gradient + 2 * POOL_PENALTY * change

    from scipy.optimize import minimize  # here: it takes half a second to import

    fitted = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return Pool(fitted[:n_runs], fitted[n_runs:])


@dataclass(frozen=True, eq=False)
class BoostedClasses:
    """Gradient-boosted trees that correct the log of the runs' mean."""

    booster: "Booster"

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(galaxy, run, class) probabilities -> (galaxy, class), float64, rows add up to 1."""
        if not len(features):
            return np.empty((0, features.shape[2]))
        inputs = flatten(_logs(features))
        corrections = self.booster.predict(inputs, raw_score=True, num_threads=1)
        return softmax(_log_mean(features) + np.asarray(corrections), axis=1)

    def about(self, runs: Sequence[str], task: Task) -> dict[str, Any]:
        """The boosting settings."""
        return {"rounds": _BOOSTING_ROUNDS, "settings": dict(_BOOSTING)}


def fit_lightgbm_classes(folds: Sequence[OofFold], task: Task) -> BoostedClasses:
    """Boost a correction to the log of the uniform mean."""
    import lightgbm as lgb  # here: it brings scikit-learn, over a second of imports

    features = np.concatenate([fold.features for fold in folds])
    targets = np.concatenate([fold.targets for fold in folds])
    settings = _BOOSTING | {"num_class": len(task.columns)}
    inputs = flatten(_logs(features))
    classes = targets.argmax(axis=1)
    rows = lgb.Dataset(inputs, classes, init_score=_log_mean(features), params=settings)
    return BoostedClasses(lgb.train(settings, rows, num_boost_round=_BOOSTING_ROUNDS))


def _logs(features: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(features.astype(np.float64), metrics.MIN_PROBABILITY))


def _log_mean(features: np.ndarray) -> np.ndarray:
    """(galaxy, run, class) -> (galaxy, class) log of the mean over runs."""
    return np.log(np.maximum(mean_of_runs(features), metrics.MIN_PROBABILITY))
