"""Heads fitted to a few labels of a survey's galaxies, and their scores on labels left out.

A head is a softmax regression on the survey's features and predictions, standardized by all of its
galaxies. Labels are no random draw, so a head of labels alone finds rare classes everywhere: random
galaxies without a label are fitted to as well, each with a small weight and as being of every class
by its share. Copies of a galaxy, and galaxies of one group, are fitted to or scored together, never
one by the other.

Source of the shares: expectation maximization, Saerens et al. 2002 (Neural Comput. 14, 21).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.special import logsumexp, softmax
from threadpoolctl import threadpool_limits

_FOLDS = 5  # of the scores, and of the choice of a strength
_STRENGTHS = tuple(10.0 ** np.arange(-2.5, 0.1, 0.5))  # inverse regularization strengths, `C`
_FIRST_STRENGTH = 0.1  # of the head that tells the shares
_DRAWN, _WEIGHT = 150, 0.1  # galaxies without a label, each with this part of a label's weight
_SURVEYED = 5000  # random galaxies that tell the shares
# Lengths of a galaxy's features and predictions (as logarithms), whatever their numbers are
_LENGTHS, _LEAST = (8.0, 16.0), 0.02
# Root mean square difference of standardized features below which galaxies are copies. No two of
# 500 galaxies had less than 0.25; copies with noise of 3 gray levels had at most 0.11.
_NEAR = 0.14
FEWEST_CALIBRATED, _BIN = 20, 10  # labels, and of a bin


@dataclass(frozen=True)
class Proportion:
    """Part of a number of labeled galaxies, with a 95 % interval for such galaxies."""

    hits: int
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval (1927): holds for few galaxies, and for none or all of them."""
        from scipy.stats import binomtest  # here: it takes most of a second to import

        if self.n == 0:
            return 0.0, 1.0
        ends = binomtest(self.hits, self.n).proportion_ci(0.95, "wilson")
        return ends.low, ends.high


@dataclass(frozen=True)
class Scores:
    """How well heads classify labeled galaxies that they were not fitted to."""

    recall: list[Proportion]  # of each class
    precision: list[Proportion]
    probs: pd.DataFrame  # (label, class), indexed by row of the galaxy
    confidence: dict[int, float]  # probability of a galaxy's label, by row
    calibration_error: float | None  # of the likeliest class; None: too few labels


@dataclass(frozen=True, eq=False)
class Heads:
    """Heads for the galaxies of a survey. Of labels it takes rows, class and group numbers."""

    features: np.ndarray  # (galaxy, feature)
    predictions: np.ndarray  # (galaxy, column), 0 to 1

    @cached_property
    def points(self) -> np.ndarray:
        """(galaxy, coordinate) float32."""
        blocks = self.features, np.log(self.predictions + np.float32(_LEAST))
        pairs = zip(blocks, _LENGTHS, strict=True)
        return np.hstack([_standardize(b) * np.float32(x / b.shape[1] ** 0.5) for b, x in pairs])

    @cached_property
    def shuffled(self) -> np.ndarray:
        """(galaxy,) rows in random order."""
        return np.random.default_rng(0).permutation(len(self.features))

    def probabilities(
        self, rows: np.ndarray, numbers: np.ndarray, groups: np.ndarray, n_classes: int
    ) -> np.ndarray:
        """(galaxy, class) probabilities; where all labels are of one class, likeness to them."""
        if len(np.unique(numbers)) > 1:
            return _predict(self._fit(rows, numbers, groups, n_classes), self.points)
        return np.outer(self.likeness(rows), np.arange(n_classes) == numbers[0])

    def likeness(self, rows: np.ndarray) -> np.ndarray:
        """(galaxy,) likeness to the mean of some galaxies: 0 to 1, by the angle between both."""
        mean = self.points[rows].mean(axis=0)
        lengths = np.linalg.norm(self.points, axis=1) * np.linalg.norm(mean)
        return (1 + self.points @ mean / np.maximum(lengths, 1e-6)) / 2

    def farthest_first(self, rows: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Order galaxies so that each is the farthest from `known` and all before it.

        Source: Gonzalez 1985 (Theor. Comput. Sci. 38, 293).
        """
        points, order = self.points[rows], list[int]()
        squares = np.full(len(rows), np.inf)
        for center in self.points[known]:
            squares = np.minimum(squares, np.square(points - center).sum(axis=1))
        while len(order) < len(rows):
            order.append(int(squares.argmax()))
            distances = np.square(points - points[order[-1]]).sum(axis=1)
            squares = np.minimum(squares, distances)
            squares[order] = -1.0
        return rows[order]

    def cross_fit(
        self, rows: np.ndarray, numbers: np.ndarray, groups: np.ndarray, n_classes: int
    ) -> Scores | None:
        """Score labels by heads of other labels; None unless two classes have two groups each."""
        several = pd.Series(groups).groupby(numbers).transform("nunique").to_numpy() > 1
        rows, numbers, groups = rows[several], numbers[several], groups[several]
        if len(np.unique(numbers)) < 2:
            return None
        probs = np.zeros((len(rows), n_classes))
        for out in _folds(numbers, groups):
            head = self._fit(rows[~out], numbers[~out], groups[~out], n_classes)
            probs[out] = _predict(head, self.points[rows[out]])
        predicted, sure = probs.argmax(axis=1), probs.max(axis=1)
        hits = predicted == numbers
        right, known, decided = (
            np.bincount(each, minlength=n_classes).tolist()
            for each in (numbers[hits], numbers, predicted)
        )
        bins = np.array_split(np.argsort(sure), max(1, len(rows) // _BIN))
        gaps = sum(abs((sure[part] - hits[part]).sum()) for part in bins)
        return Scores(
            [*map(Proportion, right, known)],
            [*map(Proportion, right, decided)],
            pd.DataFrame(probs, rows),
            dict(zip(rows.tolist(), probs[range(len(rows)), numbers].tolist(), strict=True)),
            gaps / len(rows) if len(rows) >= FEWEST_CALIBRATED else None,
        )

    def unite(self, rows: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """(label,) group numbers: turned or mirrored copies are one, and galaxies of one name."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components
        from sklearn.neighbors import radius_neighbors_graph  # all here: they take a second

        points, n = self.points[rows, : self.features.shape[1]], len(rows)
        pairs = radius_neighbors_graph(points, _NEAR * _LENGTHS[0])
        keys = pd.Series([name or str(i) for i, name in enumerate(names)])
        first = pd.Series(range(n)).groupby(keys).transform("first").to_numpy()
        graph = pairs + coo_array((np.ones(n), (range(n), first)), shape=(n, n))
        return connected_components(graph, directed=False)[1]

    @threadpool_limits.wrap(limits=1, user_api="blas")  # many small steps
    def _fit(
        self, rows: np.ndarray, numbers: np.ndarray, groups: np.ndarray, n_classes: int
    ) -> np.ndarray:
        """Fit a head of the strength with the least cross-fitted log-loss.

        Returns:
            (class, coordinate + 1) weights, the last one the bias: -inf for classes without labels.
        """
        present, places = np.unique(numbers, return_inverse=True)
        unlabeled = self.shuffled[~np.isin(self.shuffled, rows)]
        scales = self._relevance(rows, places)
        every = self.points[np.concatenate([rows, unlabeled[:_DRAWN]])] * scales
        # The penalty does not change under rotation: coordinates along the singular vectors are as
        # many as galaxies at most, and the solution is the same.
        axes = np.linalg.svd(every, full_matrices=False)[2]
        labeled, drawn = np.split(every @ axes.T, [len(rows)])
        targets = np.eye(len(present))[places]

        def to_coordinates(weights: np.ndarray) -> np.ndarray:
            return np.hstack([weights[:, :-1] @ axes * scales, weights[:, -1:]])

        first = to_coordinates(next(_solve(labeled, targets, [_FIRST_STRENGTH])))
        probs = _predict(first, self.points[unlabeled[:_SURVEYED]])
        shares = _estimate_shares(probs, targets.mean(axis=0))
        soft = np.tile(_WEIGHT * shares, (len(drawn), 1))
        losses = np.zeros(len(_STRENGTHS))
        for out in _folds(places, groups):
            points, known = np.vstack([labeled[~out], drawn]), np.vstack([targets[~out], soft])
            for i, weights in enumerate(_solve(points, known, _STRENGTHS)):
                logits = _logits(weights, labeled[out])
                losses[i] += (logsumexp(logits, axis=1) - (logits * targets[out]).sum(axis=1)).sum()
        best = [_STRENGTHS[losses.argmin()]]
        (weights,) = _solve(np.vstack([labeled, drawn]), np.vstack([targets, soft]), best)
        head = np.zeros((n_classes, self.points.shape[1] + 1))
        head[:, -1] = -np.inf
        head[present] = to_coordinates(weights)
        return head

    def _relevance(self, rows: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """(coordinate,) factors: predictions that tell the labeled classes apart count more.

        That of a prediction is its correlation ratio, with a root mean square of 1: an answer that
        nearly is the class is trusted after few labels.
        """
        predictions = self.points[rows, self.features.shape[1] :]
        means = np.stack([predictions[numbers == k].mean(axis=0) for k in np.unique(numbers)])
        ratios = means[numbers].std(axis=0) / np.maximum(predictions.std(axis=0), 1e-6)
        ratios /= np.maximum(np.sqrt(np.square(ratios).mean()), 1e-6)
        return np.append(np.ones(self.features.shape[1], np.float32), ratios)


def _logits(head: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(n, class) logits of (n, coordinate) points by the weights of a head."""
    return points @ head[:, :-1].T + head[:, -1]


def _predict(head: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(n, class) probabilities of (n, coordinate) points by the weights of a head."""
    return softmax(_logits(head, points), axis=1)


def _standardize(values: np.ndarray) -> np.ndarray:
    """(galaxy, column) float32 of mean 0 and standard deviation 1."""
    values = values - values.mean(axis=0, dtype=np.float32)
    return values / np.maximum(values.std(axis=0, dtype=np.float32), np.float32(1e-6))


def _folds(numbers: np.ndarray, groups: np.ndarray) -> Iterator[np.ndarray]:
    """Yield (label,) masks: groups whole, the labels of a class in as many folds as they can."""
    shuffled = np.random.default_rng(0).permutation(len(numbers))
    order = shuffled[np.argsort(numbers[shuffled], kind="stable")]
    folds = np.empty(len(numbers), int)
    folds[order] = pd.factorize(groups[order])[0] % _FOLDS
    if folds.any():
        yield from (folds == fold for fold in np.unique(folds))


def _estimate_shares(probs: np.ndarray, labeled: np.ndarray) -> np.ndarray:
    """(class,) shares among the galaxies of (galaxy, class) `probs`, by those of its labels."""
    shares = labeled
    for _ in range(100):
        odds = probs * shares / labeled
        shares = (odds / odds.sum(axis=1, keepdims=True)).sum(axis=0) + 1
        shares /= shares.sum()
    return shares


def _solve(
    points: np.ndarray, targets: np.ndarray, strengths: Sequence[float]
) -> Iterator[np.ndarray]:
    """Yield (class, coordinate + 1) weights of softmax regressions, of rising strengths.

    Args:
        points: (n, coordinate).
        targets: (n, class) shares of each class times the row's weight.
        strengths: inverse of the penalty on squared weights; the bias, which is last, has none.
    """
    from scipy.optimize import minimize  # here: it takes a third of a second

    inputs = np.hstack([points, np.ones((len(points), 1))]).astype(float)
    totals = targets.sum(axis=1, keepdims=True)
    weights = np.zeros((targets.shape[1], inputs.shape[1]))

    def loss(flat: np.ndarray, strength: float) -> tuple[float, np.ndarray]:
        w = flat.reshape(weights.shape)
        logits = inputs @ w.T
        logits -= logits.max(axis=1, keepdims=True)
        probs = np.exp(logits)  # scipy's softmax takes ten times as long for so few
        sums = probs.sum(axis=1, keepdims=True)
        penalized = w / strength
        penalized[:, -1] = 0
        value = (totals * np.log(sums)).sum() - (targets * logits).sum()
        gradient = (totals / sums * probs - targets).T @ inputs + penalized
        return value + (penalized * w).sum() / 2, gradient.ravel()

    for strength in strengths:
        result = minimize(
            loss, weights.ravel(), (strength,), "L-BFGS-B", jac=True, options={"ftol": 1e-6}
        )
        weights = result.x.reshape(weights.shape)
        yield weights
