"""Scores of labels, worked by hand."""

import numpy as np
import pytest

from galaxyzoo.extras.labels.scores import Proportion, score_labels


def test_few_labels_have_a_wide_interval():
    assert Proportion(0, 0).interval == (0, 1)
    np.testing.assert_allclose(Proportion(3, 4).interval, (0.3006, 0.9544), atol=1e-4)  # Wilson's
    np.testing.assert_allclose(Proportion(0, 10).interval, (0, 0.2775), atol=1e-4)


def test_a_class_without_labels_may_be_predicted():
    probs = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]])
    scores = score_labels(rows=np.array([9, 4, 7]), classes=np.array([0, 1, 1]), probs=probs)
    assert scores.recall == [Proportion(1, 1), Proportion(0, 2), Proportion(0, 0)]
    assert scores.precision == [Proportion(1, 2), Proportion(0, 0), Proportion(0, 1)]
    assert scores.confidence == {9: 0.7, 4: 0.3, 7: 0.1}
    assert scores.probs.loc[7].tolist() == [0.1, 0.1, 0.8]
    assert scores.calibration_error is None  # too few


def test_the_calibration_error_is_that_of_ten_labels_each():
    """The ten least confident are right too often, the others too seldom: 9 for 6, 4 for 9."""
    confidence = np.repeat([0.6, 0.9], 10)
    probs = np.column_stack([confidence, 1 - confidence])
    classes = np.repeat([0, 1, 0, 1], [9, 1, 4, 6])
    scores = score_labels(np.arange(20), classes, probs)
    assert scores.calibration_error == pytest.approx((3 + 5) / 20)
