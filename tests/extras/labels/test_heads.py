"""Heads of a few labels: their probabilities, and what they take for alike."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

from galaxyzoo.extras.labels.heads import Heads, LabelSet


def label_some(is_first: np.ndarray, count: int) -> LabelSet:
    """Labels of the first `count` galaxies of each of two classes."""
    rows = [*np.flatnonzero(is_first)[:count], *np.flatnonzero(~is_first)[:count]]
    return LabelSet(np.array(rows), np.repeat([0, 1], count), np.arange(2 * count), 2)


def test_diverse_ones_are_each_the_farthest_from_those_before(tmp_path):
    """Against a plain search."""
    features = np.random.default_rng(1).normal(size=(30, 3)).astype(np.float32)
    heads = Heads(features, np.full((30, 1), 0.5, np.float32))
    known = [4, 9]
    rest = [row for row in range(30) if row not in known]
    expected: list[int] = []
    while len(expected) < len(rest):
        before = heads.points(np.array(known + expected))
        nearest = {}
        for row in set(rest) - set(expected):
            nearest[row] = np.linalg.norm(before - heads.points(np.array([row])), axis=1).min()
        expected.append(max(nearest, key=nearest.__getitem__))
    order = heads.farthest_first(np.array(rest), np.array(known))
    assert order.tolist() == expected


def standardize(values: np.ndarray, length: float) -> np.ndarray:
    """All galaxies at once."""
    centered = values - values.mean(axis=0, dtype=np.float32)
    sd = np.maximum(centered.std(axis=0, dtype=np.float32), np.float32(1e-6))
    return centered / sd * np.float32(length / values.shape[1] ** 0.5)


@pytest.mark.parametrize("precision", [np.float16, np.float32])
def test_galaxies_computed_a_few_at_a_time_are_those_of_all_at_once(precision):
    """Also where a feature is the same everywhere."""
    rng = np.random.default_rng(0)
    features = (3 + rng.normal(size=(5000, 44))).astype(precision)
    features[:, 7] = 1
    predictions = rng.random((5000, 37), dtype=np.float32)
    before = features.copy()
    heads = Heads(features, predictions)
    logs = np.log(predictions.astype(float) + np.float32(0.02))
    points = np.hstack([standardize(features.astype(np.float32), 8), standardize(logs, 16)])
    np.testing.assert_array_equal(heads.points(slice(None)), points)
    np.testing.assert_array_equal(heads.points(np.array([4999, 3])), points[[4999, 3]])

    labels = label_some(features[:, 0] > 3, 4)
    head = heads._fit(labels)
    expected = softmax(points @ head.weights.T + head.bias, axis=1)
    np.testing.assert_allclose(heads.probabilities(labels), expected, atol=1e-12)
    mean = points[labels.rows].mean(axis=0)
    cosines = points @ mean / np.linalg.norm(points, axis=1) / np.linalg.norm(mean)
    np.testing.assert_allclose(heads.likeness(labels.rows), (1 + cosines) / 2, atol=1e-12)
    np.testing.assert_array_equal(features, before)


def test_groups_are_given_ones_and_turned_copies():
    features = np.random.default_rng(0).normal(size=(7, 30)).astype(np.float32)
    features[6] = features[2]
    heads = Heads(features, np.full((7, 1), 0.5, np.float32))
    groups = heads.unite(np.arange(7), np.array([6, 0, 1, 2, 1, 4, 3]))
    assert groups.tolist() == [0, 1, 2, 3, 2, 4, 2]


@pytest.mark.parametrize(("share", "limit"), [(0.03, 0.1), (0.5, 0.3), (0.9, 0.2)])
def test_probabilities_mean_what_they_say_with_three_labels_a_class(share, limit):
    """Whatever share of the galaxies a class has; by labels alone the gaps are 0.2 to 0.4."""
    gaps = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        is_first = rng.random(2000) < share
        features = rng.normal(size=(2000, 20)).astype(np.float32)
        features[:, :4] += 2 * is_first[:, None]
        heads = Heads(features, np.full((2000, 1), 0.5, np.float32))
        probs = heads.probabilities(label_some(is_first, 3))[:, 0]
        for rows in np.array_split(np.argsort(probs), 10):
            gaps.append(abs(probs[rows].mean() - is_first[rows].mean()))
    assert np.mean(gaps) < limit


def test_a_prediction_that_tells_the_classes_apart_counts_most():
    """One of 37, after 16 labels: a head that trusts all alike has 0.74."""
    rng = np.random.default_rng(0)
    is_first = rng.random(600) < 0.5
    predictions = rng.uniform(0.1, 0.9, (600, 37)).astype(np.float32)
    predictions[:, 5] = (predictions[:, 5] + is_first) / 2
    heads = Heads(rng.normal(size=(600, 64)).astype(np.float32), predictions)
    probs = heads.probabilities(label_some(is_first, 8))[:, 0]
    assert roc_auc_score(is_first, probs) > 0.82
