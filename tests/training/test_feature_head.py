import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from galaxyzoo.training.feature_head import fit_head


def make_features(labels, n_features=12, seed=0, apart=1.0):
    """(n, feature) float32 around a center for each class; the last column is constant."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(labels.max() + 1, n_features)) * apart
    features = 3 * (centers[labels] + rng.normal(size=(len(labels), n_features))) + 5
    features[:, -1] = 7.0
    return features.astype(np.float32)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("n_features", [12, 60])
def test_few_labels_give_a_standardized_logistic_regression(n_classes, n_features):
    labels = np.arange(2 * n_classes) % n_classes  # too few of each to choose a strength by
    features = make_features(labels, n_features)
    new = make_features(np.arange(40) % n_classes, n_features, seed=1)
    plain = make_pipeline(StandardScaler(), LogisticRegression(C=0.003, tol=1e-8))
    expected = plain.fit(features, labels).predict_proba(new)
    probs = fit_head(features, np.eye(n_classes)[labels]).predict_proba(new)
    assert probs.dtype == np.float64
    np.testing.assert_allclose(probs, expected, atol=2e-3)


def test_more_labels_choose_a_weaker_penalty_where_classes_are_far_apart():
    labels = np.arange(200) % 3
    features = make_features(labels, apart=2.0)
    new = make_features(labels, seed=0, apart=2.0)
    right = fit_head(features, np.eye(3)[labels]).predict_proba(new)[np.arange(200), labels]
    strong = make_pipeline(StandardScaler(), LogisticRegression(C=0.003)).fit(features, labels)
    assert right.mean() > strong.predict_proba(new)[np.arange(200), labels].mean() + 0.05


def test_a_class_without_labels_has_probability_0():
    labels = np.array([0, 2] * 10)
    probs = fit_head(make_features(labels), np.eye(4)[labels]).predict_proba(make_features(labels))
    assert not probs[:, [1, 3]].any()
    np.testing.assert_allclose(probs.sum(axis=1), 1)
    assert (probs.argmax(axis=1) == labels).mean() > 0.9


def test_a_single_class_is_certain():
    labels = np.ones(5, int)
    probs = fit_head(make_features(labels), np.eye(3)[labels]).predict_proba(make_features(labels))
    np.testing.assert_array_equal(probs, np.tile([0.0, 1.0, 0.0], (5, 1)))
