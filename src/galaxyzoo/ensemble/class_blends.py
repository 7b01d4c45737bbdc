"""Blends of class probabilities: each run has a weight, fixed or fitted to the log-loss.

A weight is the same for all classes, so blended rows still add up to one.
"""

from collections.abc import Sequence

import numpy as np

from galaxyzoo.ensemble.blends import Blend, shared_weights
from galaxyzoo.ensemble.least_squares import OofFold
from galaxyzoo.tasks.metrics import SMALLEST_PROBABILITY
from galaxyzoo.tasks.registry import Task

GREEDY_STEPS = 50  # runs drawn at most; the finest weight is then 1/50
_EM_STEPS = 2000
_EM_TOLERANCE = 1e-6  # smallest change of a weight that is worth another step


def fit_best(folds: Sequence[OofFold], task: Task, _seed: int) -> Blend:
    """The one run with the smallest log-loss; the first by name among equals."""
    likelihoods = true_class_probs(folds)
    chosen = np.log(likelihoods).mean(axis=0).argmax()
    return shared_weights(np.eye(likelihoods.shape[1])[chosen], task)


def fit_greedy(folds: Sequence[OofFold], task: Task, _seed: int) -> Blend:
    """Greedy selection with replacement, by log-loss.

    Source: Caruana et al. 2004 (ICML), "Ensemble selection from libraries of models", without its
        bagging.
    """
    return shared_weights(greedy_weights(true_class_probs(folds)), task)


def greedy_weights(likelihoods: np.ndarray, steps: int = GREEDY_STEPS) -> np.ndarray:
    """Draw, again and again, the run that helps the mean's log-loss most; keep the best mean.

    Args:
        likelihoods: (galaxy, run) probability that each run gives the true class.
        steps: runs to draw.
    Returns:
        (run,) weights, multiples of 1/n that sum to one; the shortest draw and first run win ties.
    """
    counts = np.zeros(likelihoods.shape[1])
    best, best_score, total = counts, -np.inf, np.zeros(len(likelihoods))
    for n in range(1, steps + 1):
        scores = np.log((total[:, None] + likelihoods) / n).mean(axis=0)
        drawn = int(scores.argmax())
        counts[drawn] += 1
        total = total + likelihoods[:, drawn]
        if scores[drawn] > best_score + 1e-12:
            best, best_score = counts / n, scores[drawn]
    return best


def fit_mixture(folds: Sequence[OofFold], task: Task, _seed: int) -> Blend:
    """Weights, non-negative with sum one, that minimise the log-loss of the blend."""
    return shared_weights(mixture_weights(true_class_probs(folds)), task)


def mixture_weights(likelihoods: np.ndarray) -> np.ndarray:
    """Maximum-likelihood weights of a mixture of given distributions; the problem is convex.

    Args:
        likelihoods: (galaxy, run) probability that each run gives the true class, above 0.
    Returns:
        (run,) weights >= 0 that sum to one.
    Source: expectation maximisation (Dempster et al. 1977, JRSS B 39), with fixed components.
    """
    weights = np.full(likelihoods.shape[1], 1 / likelihoods.shape[1])
    for _ in range(_EM_STEPS):
        shares = likelihoods * weights / (likelihoods @ weights)[:, None]
        updated = shares.mean(axis=0)
        if np.abs(updated - weights).max() < _EM_TOLERANCE:
            return updated
        weights = updated
    return weights


def true_class_probs(folds: Sequence[OofFold]) -> np.ndarray:
    """(galaxy, run) float64 probability of the true class, at least `SMALLEST_PROBABILITY`."""
    parts = [np.einsum("grc,gc->gr", fold.features, fold.targets) for fold in folds]
    return np.maximum(np.concatenate(parts), SMALLEST_PROBABILITY)
