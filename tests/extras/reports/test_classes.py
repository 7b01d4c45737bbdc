"""Numbers of a class report against slow plain versions and cases worked by hand."""

import numpy as np
import pytest

from galaxyzoo.extras.reports.classes import confident_mistakes, confusion_table, report_table


def test_confusion_counts_true_classes_in_rows_and_keeps_empty_classes():
    truth, predicted = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 3])
    expected = np.zeros((4, 4), dtype=int)
    for row, column in zip(truth, predicted, strict=True):
        expected[row, column] += 1
    table = confusion_table(list("abcd"), truth, predicted)
    assert table["true class"].tolist() == list("abcd")
    np.testing.assert_array_equal(table[list("abcd")], expected)


def test_report_worked_by_hand():
    table = report_table("abc", np.array([0, 0, 2]), np.array([0, 1, 2])).set_index("class")
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
