"""Heads fitted to a few labels of a survey's galaxies.

A head works on the survey's features and predictions, standardized by all of its galaxies. Labels
are no random draw, so a head of labels alone finds rare classes everywhere: random galaxies without
a label are fitted to as well, each with a small weight and as being of every class by its share.
Copies of a galaxy, and galaxies of one group, are fitted to or scored together, never one by the
other.

Source of the shares: expectation maximization, Saerens et al. 2002 (Neural Comput. 14, 21).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

from galaxyzoo.data.folds import connect, join_groups
from galaxyzoo.extras.labels.scores import Scores, score_labels
from galaxyzoo.models.linear import Head, singular_axes

_FOLDS = 5  # of the scores, and of the choice of a strength
_STRENGTHS = tuple(10.0 ** np.arange(-2.5, 0.1, 0.5))  # inverse regularization strengths, `C`
_FIRST_STRENGTH = 0.1  # of the head that tells the shares
_DRAWN = 150  # galaxies without a label that a head is fitted to
_WEIGHT = 0.1  # of each of these; a label's is 1
_SURVEYED = 5000  # random galaxies that tell the shares
# Root mean square lengths of a galaxy's features and of its predictions, however many there are
_FEATURES_LENGTH = 8.0
_PREDICTIONS_LENGTH = 16.0
_LEAST = 0.02  # added to predictions before the logarithm
# Root mean square difference of standardized features below which galaxies are copies. No two of
# 500 galaxies had less than 0.25; copies with noise of 3 gray levels had at most 0.11.
_NEAR = 0.14
_GALAXIES = 2048  # computed at once
_BLOCKS = 10  # of features, whose moments are computed one after another


@dataclass(frozen=True, eq=False)
class LabelSet:
    """Labels of a survey's galaxies."""

    rows: np.ndarray  # (label,) of the galaxies
    classes: np.ndarray  # (label,) class numbers
    groups: np.ndarray  # (label,) group numbers, as of `Heads.unite`
    n_classes: int

    def select(self, mask: np.ndarray) -> "LabelSet":
        """The labels of a (label,) mask."""
        return LabelSet(self.rows[mask], self.classes[mask], self.groups[mask], self.n_classes)


@dataclass(frozen=True, eq=False)
class Heads:
    """Heads for the galaxies of a survey."""

    features: np.ndarray  # (galaxy, feature), in half precision or more
    predictions: np.ndarray  # (galaxy, column), 0 to 1

    @cached_property
    def _moments(self) -> np.ndarray:
        """(2, feature) float32: mean and standard deviation over all galaxies."""
        blocks = np.array_split(self.features, _BLOCKS, axis=1)
        return np.hstack([_moments(_single(block)) for block in blocks])

    @cached_property
    def _logs(self) -> np.ndarray:
        """(galaxy, column) float64 logarithms of the predictions, standardized."""
        logs = np.log(self.predictions.astype(float) + np.float32(_LEAST))
        return _standardize(logs, _moments(logs), _PREDICTIONS_LENGTH)

    def points(self, rows: np.ndarray | slice) -> np.ndarray:
        """(row, coordinate) float64; those of all galaxies would be five times their features."""
        features = _standardize(_single(self.features[rows]), self._moments, _FEATURES_LENGTH)
        return np.hstack([features, self._logs[rows]])

    @threadpool_limits.wrap(limits=1)  # threads would wait for each other at every step
    def _map(self, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Apply a function to the points of all galaxies; returns (galaxy, …)."""
        results = []
        for start in range(0, len(self.features), _GALAXIES):
            results.append(function(self.points(slice(start, start + _GALAXIES))))
        return np.concatenate(results)

    @cached_property
    def shuffled(self) -> np.ndarray:
        """(galaxy,) rows in random order."""
        return np.random.default_rng(0).permutation(len(self.features))

    def probabilities(self, labels: LabelSet) -> np.ndarray:
        """(galaxy, class) probabilities; where all labels are of one class, likeness to them."""
        if len(np.unique(labels.classes)) == 1:
            is_class = np.arange(labels.n_classes) == labels.classes[0]
            return np.outer(self.likeness(labels.rows), is_class)
        return self._map(self._fit(labels).predict_proba)

    def likeness(self, rows: np.ndarray) -> np.ndarray:
        """(galaxy,) likeness to the mean of some galaxies: 0 to 1, by the angle between both."""
        mean = self.points(rows).mean(axis=0)

        def likeness_of(points: np.ndarray) -> np.ndarray:
            lengths = np.linalg.norm(points, axis=1) * np.linalg.norm(mean)
            cosines = points @ mean / np.maximum(lengths, 1e-6)
            return (1 + cosines) / 2

        return self._map(likeness_of)

    def farthest_first(self, rows: np.ndarray, centers: np.ndarray) -> np.ndarray:
        """Order galaxies so that each is the farthest from `centers` and all before it.

        Args:
            rows: of the galaxies.
            centers: rows of others.
        Source: Gonzalez 1985 (Theor. Comput. Sci. 38, 293).
        """
        points = self.points(rows)
        nearest = cdist(points, self.points(centers)).min(axis=1, initial=np.inf)
        between = cdist(points, points)
        order: list[int] = []
        while len(order) < len(rows):
            farthest = int(nearest.argmax())
            order.append(farthest)
            nearest = np.minimum(nearest, between[farthest])
            nearest[order] = -1.0
        return rows[order]

    def cross_fit(self, labels: LabelSet) -> Scores | None:
        """Score labels by heads of other labels; None unless two classes have two groups each."""
        n_groups = pd.Series(labels.groups).groupby(labels.classes).transform("nunique")
        labels = labels.select(n_groups.to_numpy() > 1)  # of classes with several groups
        if len(np.unique(labels.classes)) < 2:
            return None
        probs = np.zeros((len(labels.rows), labels.n_classes))
        for held_out in _folds(labels.classes, labels.groups):
            head = self._fit(labels.select(~held_out))
            probs[held_out] = head.predict_proba(self.points(labels.rows[held_out]))
        return score_labels(labels.rows, labels.classes, probs)

    def unite(self, rows: np.ndarray, groups: np.ndarray) -> np.ndarray:
        """(label,) group numbers: turned or mirrored copies join a group.

        Args:
            rows: of the labels.
            groups: (label,) numbers.
        """
        from sklearn.neighbors import radius_neighbors_graph  # here: it takes a second

        features = self.points(rows)[:, : self.features.shape[1]]
        graph = radius_neighbors_graph(features, _NEAR * _FEATURES_LENGTH)
        copies = connect([np.stack(graph.nonzero())], len(rows))
        return join_groups([copies, groups])

    @threadpool_limits.wrap(limits=1, user_api="blas")  # many small steps
    def _fit(self, labels: LabelSet) -> Head:
        """Fit a head of the strength with the least cross-fitted log-loss.

        The bias of classes without labels is -inf.
        """
        rows = labels.rows
        present, classes = np.unique(labels.classes, return_inverse=True)
        targets = np.eye(len(present))[classes]  # (label, class with labels)
        unlabeled = self.shuffled[~np.isin(self.shuffled, rows)]
        scales = self._relevance(rows, classes)
        points = self.points(np.concatenate([rows, unlabeled[:_DRAWN]])) * scales
        axes = singular_axes(points)
        rotated = points @ axes.T
        labeled = rotated[: len(rows)]
        drawn = rotated[len(rows) :]

        def rotate_back(head: Head) -> Head:
            return Head(head.weights @ axes * scales, head.bias)

        [first] = _solve(labeled, targets, [_FIRST_STRENGTH])
        probs = rotate_back(first).predict_proba(self.points(unlabeled[:_SURVEYED]))
        shares = _estimate_shares(probs, targets.mean(axis=0))
        drawn_targets = np.tile(_WEIGHT * shares, (len(drawn), 1))

        losses = np.zeros(len(_STRENGTHS))
        for held_out in _folds(classes, labels.groups):
            fold_points = np.vstack([labeled[~held_out], drawn])
            fold_targets = np.vstack([targets[~held_out], drawn_targets])
            for i, head in enumerate(_solve(fold_points, fold_targets, _STRENGTHS)):
                losses[i] += _log_loss(head, labeled[held_out], targets[held_out])

        strength = _STRENGTHS[losses.argmin()]
        [chosen] = _solve(rotated, np.vstack([targets, drawn_targets]), [strength])
        of_present = rotate_back(chosen)
        weights = np.zeros((labels.n_classes, points.shape[1]))
        bias = np.full(labels.n_classes, -np.inf)
        weights[present] = of_present.weights
        bias[present] = of_present.bias
        return Head(weights, bias)

    def _relevance(self, rows: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """(coordinate,) factors: predictions that tell the labeled classes apart count more.

        That of a prediction is its correlation ratio, with a root mean square of 1: an answer that
        nearly is the class is trusted after few labels.
        """
        n_features = self.features.shape[1]
        predictions = self.points(rows)[:, n_features:]
        means = np.stack([predictions[classes == k].mean(axis=0) for k in np.unique(classes)])
        spread_of_means = means[classes].std(axis=0)
        ratios = spread_of_means / np.maximum(predictions.std(axis=0), 1e-6)
        root_mean_square = np.sqrt(np.square(ratios).mean())
        ratios /= np.maximum(root_mean_square, 1e-6)
        return np.append(np.ones(n_features, np.float32), ratios)


def _log_loss(head: Head, points: np.ndarray, targets: np.ndarray) -> float:
    """Log-loss of a head, summed over (n, coordinate) points with (n, class) targets."""
    logits = head.logits(points)
    return (logsumexp(logits, axis=1) - (logits * targets).sum(axis=1)).sum()


def _single(values: np.ndarray) -> np.ndarray:
    """Convert to single precision, for which numpy takes five times as long as torch."""
    return torch.tensor(values, dtype=torch.float32).numpy()


def _moments(values: np.ndarray) -> np.ndarray:
    """(2, column) float32 means and standard deviations."""
    mean = values.mean(axis=0, dtype=np.float32)
    sd = (values - mean).std(axis=0, dtype=np.float32)
    return np.stack([mean, np.maximum(sd, np.float32(1e-6))])


def _standardize(values: np.ndarray, moments: np.ndarray, length: float) -> np.ndarray:
    """Give (galaxy, column) values mean 0 and equal variance, and rows about one length."""
    mean, sd = moments
    return (values - mean) / sd * np.float32(length / len(sd) ** 0.5)


def _folds(classes: np.ndarray, groups: np.ndarray) -> Iterator[np.ndarray]:
    """Yield (label,) masks: groups whole, the labels of a class in as many folds as they can."""
    shuffled = np.random.default_rng(0).permutation(len(classes))
    order = shuffled[np.argsort(classes[shuffled], kind="stable")]
    folds = np.empty(len(classes), int)
    folds[order] = pd.factorize(groups[order])[0] % _FOLDS
    if folds.any():
        for fold in np.unique(folds):
            yield folds == fold


def _estimate_shares(probs: np.ndarray, labeled: np.ndarray) -> np.ndarray:
    """(class,) shares among the galaxies of (galaxy, class) `probs`, by those of its labels."""
    shares = labeled
    for _ in range(100):
        odds = probs * shares / labeled
        shares = (odds / odds.sum(axis=1, keepdims=True)).sum(axis=0) + 1
        shares /= shares.sum()
    return shares


def _solve(points: np.ndarray, targets: np.ndarray, strengths: Sequence[float]) -> Iterator[Head]:
    """Yield heads of rising strengths, each fitted from the one before.

    Args:
        points: (n, coordinate).
        targets: (n, class) shares of each class times the row's weight.
        strengths: inverse of the penalty on squared weights; the bias has none.

    Heads of training are scikit-learn's. It takes a single class of each row, so that each of these
    would be a row per class, for three times the time at each click.
    """
    from scipy.optimize import minimize  # here: it takes a third of a second

    inputs = np.hstack([points, np.ones((len(points), 1))]).astype(float)
    totals = targets.sum(axis=1, keepdims=True)
    weights = np.zeros((targets.shape[1], inputs.shape[1]))  # the bias last

    def loss(flat: np.ndarray, strength: float) -> tuple[float, np.ndarray]:
        """Penalized log-loss and its gradient."""
        weights = flat.reshape(-1, inputs.shape[1])
        logits = inputs @ weights.T
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)  # scipy's softmax takes ten times as long for so few
        sums = odds.sum(axis=1, keepdims=True)
        log_loss = (totals * np.log(sums)).sum() - (targets * logits).sum()
        penalized = weights / strength
        penalized[:, -1] = 0
        penalty = (penalized * weights).sum() / 2
        gradient = (totals / sums * odds - targets).T @ inputs + penalized
        return log_loss + penalty, gradient.ravel()

    options = {"ftol": 1e-6}
    for strength in strengths:
        result = minimize(loss, weights.ravel(), (strength,), "L-BFGS-B", jac=True, options=options)
        weights = result.x.reshape(weights.shape)
        yield Head(weights[:, :-1], weights[:, -1])
