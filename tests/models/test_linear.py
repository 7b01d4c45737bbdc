"""Linear heads: their probabilities, and the axes that they are fitted along."""

import numpy as np
import pytest

from galaxyzoo.models.linear import Head, singular_axes


def test_probabilities_worked_by_hand():
    """Logits log 2 and 0; a class whose bias is minus infinity has none."""
    head = Head(np.array([[np.log(2), 0], [0, 0], [5, 5]]), np.array([0, 0, -np.inf]))
    probs = head.predict_proba(np.array([[1, 7], [0, 7]], np.float32))
    np.testing.assert_allclose(probs, [[2 / 3, 1 / 3, 0], [1 / 2, 1 / 2, 0]], atol=1e-7)
    assert probs.dtype == np.float64


@pytest.mark.parametrize(("n", "n_features"), [(5, 12), (12, 5)])
def test_coordinates_along_the_axes_are_few_and_keep_all_products(n, n_features):
    points = np.random.default_rng(0).normal(size=(n, n_features))
    axes = singular_axes(points)
    assert axes.shape == (5, n_features)
    np.testing.assert_allclose(axes @ axes.T, np.eye(5), atol=1e-12)
    rotated = points @ axes.T
    np.testing.assert_allclose(rotated @ rotated.T, points @ points.T, atol=1e-12)
