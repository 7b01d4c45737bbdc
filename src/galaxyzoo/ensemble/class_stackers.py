"""Stackers of class probabilities, fitted to the log-loss on the runs' log-probabilities.

As in `stacking`, each is held back towards the mean of the runs, here the geometric one.

Source: Wolpert 1992, "Stacked generalization"; the pull towards the mean is own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import lightgbm as lgb
import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from galaxyzoo.ensemble import stackers
from galaxyzoo.ensemble.least_squares import OofFold
from galaxyzoo.tasks.metrics import SMALLEST_PROBABILITY, log_loss
from galaxyzoo.tasks.registry import Task

# Squared distance from the mean of the runs, per galaxy, that costs one nat.
PENALTIES = (1e-1, 1e-2, 1e-3)  # each fit starts where the stronger penalty's ended
POOL_PENALTY = 1e-4
_STEPS = 100
BOOSTING_ROUNDS = 60
BOOSTING = stackers.BOOSTING | {
    "objective": "multiclass",
    "learning_rate": 0.05,
    "min_data_in_leaf": 40,  # a class may have a few dozen members
    "lambda_l2": 20.0,
    "feature_fraction": 0.5,
}


@dataclass(frozen=True, eq=False)
class LogLinear:
    """softmax(log-probabilities of all runs · weights + bias)."""

    weights: np.ndarray  # (run, class in, class out)
    bias: np.ndarray  # (class,)
    penalty: float
    is_pool: bool  # one weight per run, for the class with itself only

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(galaxy, run, class) probabilities -> (galaxy, class), float64, rows add up to 1."""
        logits = np.einsum("grc,rcd->gd", _logs(features), self.weights) + self.bias
        return softmax(logits, axis=1)

    def about(self, runs: Sequence[str], task: Task) -> dict[str, Any]:
        """A pool's weights and biases; of a full stacker its penalty."""
        if not self.is_pool:
            return {"penalty": self.penalty}
        exponents = dict(zip(runs, self.weights[:, 0, 0].tolist(), strict=True))
        return {
            "exponents": exponents,
            "bias": dict(zip(task.columns, self.bias.tolist(), strict=True)),
        }


def fit_pool(folds: Sequence[OofFold], task: Task, _seed: int) -> LogLinear:
    """Weighted geometric mean of the runs with a factor per class.

    Source: logarithmic opinion pool (Genest and Zidek 1986, Statistical Science 1), weights fitted.
    """
    logs, targets = _rows(folds)
    n_runs, n_classes = logs.shape[1:]

    def unpack(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weights = values[:n_runs, None, None] * np.eye(n_classes)
        return weights, values[n_runs:]

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = unpack(values)
        value, by_weight, by_bias = _gradient(logs, targets, weights, bias)
        change = values - start
        by_run = np.einsum("rcc->r", by_weight)
        return (
            value + POOL_PENALTY * float(change @ change),
            np.concatenate([by_run, by_bias]) + 2 * POOL_PENALTY * change,
        )

    start = np.concatenate([np.full(n_runs, 1 / n_runs), np.zeros(n_classes)])
    return LogLinear(*unpack(minimize(loss, start, jac=True, method="L-BFGS-B").x), 0.0, True)


def fit_logistic(folds: Sequence[OofFold], task: Task, _seed: int) -> LogLinear:
    """Multinomial logistic regression; its penalty is picked by cross-fitting inside the folds."""
    losses = np.zeros(len(PENALTIES))
    for held_out in folds if len(folds) > 1 else ():  # one fold leaves nothing to pick by
        path = _logistic_path([fold for fold in folds if fold is not held_out])
        losses += [
            log_loss(model.predict(held_out.features), held_out.targets) * len(held_out.targets)
            for model in path
        ]
    return _logistic_path(folds)[int(losses.argmin())]


def _logistic_path(folds: Sequence[OofFold]) -> list[LogLinear]:
    """One stacker per penalty."""
    logs, targets = _rows(folds)
    n_runs, n_classes = logs.shape[1:]
    size = n_runs * n_classes * n_classes
    mean = np.zeros(size + n_classes)  # the geometric mean of the runs as such a model
    mean[:size] = np.tile(np.eye(n_classes) / n_runs, (n_runs, 1, 1)).ravel()

    def loss(values: np.ndarray, penalty: float) -> tuple[float, np.ndarray]:
        weights = values[:size].reshape(n_runs, n_classes, n_classes)
        value, by_weight, by_bias = _gradient(logs, targets, weights, values[size:])
        change = values - mean
        gradient = np.concatenate([by_weight.ravel(), by_bias])
        return value + penalty * float(change @ change), gradient + 2 * penalty * change

    models, found = [], mean
    for penalty in PENALTIES:
        penalised, options = partial(loss, penalty=penalty), {"maxiter": _STEPS, "ftol": 1e-8}
        found = minimize(penalised, found, jac=True, method="L-BFGS-B", options=options).x
        weights = found[:size].reshape(n_runs, n_classes, n_classes)
        models.append(LogLinear(weights, found[size:], penalty, False))
    return models


def _gradient(
    logs: np.ndarray, targets: np.ndarray, weights: np.ndarray, bias: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Log-loss of a log-linear model, and its derivatives by weights and bias."""
    flat = logs.reshape(len(logs), -1)
    logits = flat @ weights.reshape(flat.shape[1], -1) + bias
    log_probs = log_softmax(logits, axis=1)
    misses = (np.exp(log_probs) - targets) / len(targets)
    by_weight = (flat.T @ misses).reshape(weights.shape)
    return float(-np.sum(targets * log_probs) / len(targets)), by_weight, misses.sum(axis=0)


@dataclass(frozen=True, eq=False)
class BoostedClasses:
    """Gradient-boosted trees that correct the log of the runs' mean."""

    booster: lgb.Booster

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(galaxy, run, class) probabilities -> (galaxy, class), float64, rows add up to 1."""
        if not len(features):
            return np.empty((0, features.shape[2]))
        flat = _logs(features).reshape(len(features), -1)
        corrections = np.asarray(self.booster.predict(flat, raw_score=True, num_threads=1))
        return softmax(_log_mean(features) + corrections, axis=1)

    def about(self, runs: Sequence[str], task: Task) -> dict[str, Any]:
        """The boosting settings."""
        return {"rounds": BOOSTING_ROUNDS, "settings": dict(BOOSTING)}


def fit_lightgbm(folds: Sequence[OofFold], task: Task, seed: int) -> BoostedClasses:
    """Boost what the log of the uniform mean misses; the same seed gives the same trees."""
    features = np.concatenate([fold.features for fold in folds])
    targets = np.concatenate([fold.targets for fold in folds])
    settings = BOOSTING | {"seed": seed, "num_class": len(task.columns)}
    rows = lgb.Dataset(
        _logs(features).reshape(len(features), -1),
        targets.argmax(axis=1),
        init_score=_log_mean(features),
        params=settings,
    )
    return BoostedClasses(lgb.train(settings, rows, num_boost_round=BOOSTING_ROUNDS))


def _rows(folds: Sequence[OofFold]) -> tuple[np.ndarray, np.ndarray]:
    """(galaxy, run, class) log-probabilities and (galaxy, class) targets of some folds."""
    logs = np.concatenate([_logs(fold.features) for fold in folds])
    return logs, np.concatenate([fold.targets for fold in folds])


def _logs(features: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(features.astype(np.float64), SMALLEST_PROBABILITY))


def _log_mean(features: np.ndarray) -> np.ndarray:
    """(galaxy, run, class) -> (galaxy, class) log of the mean over runs."""
    return np.log(np.maximum(features.mean(axis=1, dtype=np.float64), SMALLEST_PROBABILITY))
