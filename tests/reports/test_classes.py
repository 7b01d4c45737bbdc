"""Numbers of a class report against slow plain versions and cases worked by hand."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from galaxyzoo.reports.classes import (
    calibration_table,
    confident_mistakes,
    confusion_table,
    expected_calibration_error,
    report_table,
)
from galaxyzoo.tasks.registry import CLASS_TASKS


def test_calibration_error_of_a_case_worked_by_hand():
    # Two bins used of four: 0.6 and 0.7 are right once in two, 0.8, 0.9 and 1.0 are all right.
    probs = np.array([[0.6, 0.4], [0.3, 0.7], [0.2, 0.8], [0.9, 0.1], [0.0, 1.0]])
    truth = np.array([0, 0, 1, 0, 1])
    table = calibration_table(probs, truth, n_bins=4)
    assert table["galaxies"].tolist() == [0, 0, 2, 3]
    assert table["confidence"][2] == pytest.approx(0.65)
    assert table["accuracy"][2:].tolist() == [0.5, 1.0]
    assert expected_calibration_error(table) == pytest.approx((2 * 0.15 + 3 * 0.1) / 5)
    assert len(calibration_table(probs, truth)) == 15


def test_used_bins_are_those_of_scikit_learn_which_leaves_out_counts_and_empty_bins():
    rng = np.random.default_rng(6)
    probs, truth = rng.dirichlet(np.ones(3), size=40), rng.integers(3, size=40)
    table = calibration_table(probs, truth, n_bins=10)
    accuracy, confidence = calibration_curve(
        probs.argmax(axis=1) == truth, probs.max(axis=1), n_bins=10
    )
    used = table[table["galaxies"] > 0]
    np.testing.assert_allclose(used["accuracy"], accuracy)
    np.testing.assert_allclose(used["confidence"], confidence)
    assert len(accuracy) < len(table) == 10  # below one third there is no confidence


def test_a_confidence_on_an_edge_belongs_to_the_bin_below():
    table = calibration_table(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([0, 0]), n_bins=2)
    assert table["galaxies"].tolist() == [1, 1]


def test_confusion_counts_true_classes_in_rows_and_keeps_empty_classes():
    truth, predicted = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 3])
    expected = np.zeros((4, 4), dtype=int)
    for row, column in zip(truth, predicted, strict=True):
        expected[row, column] += 1
    table = confusion_table(list("abcd"), truth, predicted)
    assert table["true class"].tolist() == list("abcd")
    np.testing.assert_array_equal(table[list("abcd")], expected)


def test_report_of_macro_classes_worked_by_hand():
    task = CLASS_TASKS["hubble10"]
    probs = np.zeros((3, 10))
    probs[0, [0, 1, 3]] = 0.3, 0.3, 0.4  # elliptical by the sum, though edge-on is the largest
    probs[1, [4, 5, 8]] = 0.3, 0.3, 0.4  # spiral
    probs[2, [0, 8, 9]] = 0.4, 0.3, 0.3  # peculiar
    guess = task.to_macro(probs).argmax(axis=1)
    assert guess.tolist() == [0, 1, 2]
    table = report_table(list(task.macro), np.array([0, 0, 2]), guess).set_index("class")
    assert table["recall"].tolist()[:3] == [0.5, 0.0, 1.0]
    assert table["precision"].tolist()[:3] == [1.0, 0.0, 1.0]
    assert table["F1"].tolist()[:3] == pytest.approx([2 / 3, 0.0, 1.0])
    assert table["galaxies"].tolist() == [2, 0, 1, 3, 3]
    assert table["F1"]["mean over classes"] == pytest.approx(5 / 9)


def test_the_most_confident_mistakes_come_first_and_nothing_right_is_among_them():
    probs = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]])
    predicted, truth = probs.argmax(axis=1), np.array([0, 0, 0, 1])
    assert confident_mistakes(probs, truth, predicted, 5).tolist() == [2, 3, 1]
    assert confident_mistakes(probs, truth, predicted, 2).tolist() == [2, 3]
