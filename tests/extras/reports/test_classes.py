"""Numbers of a class report against slow plain versions and cases worked by hand."""

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.extras.pages.html import Shaded
from galaxyzoo.extras.reports.classes import (
    confident_mistakes,
    confusion_table,
    report_table,
    shade_rows,
)


def test_confusion_counts_true_classes_in_rows_and_keeps_empty_classes():
    truth = np.array([0, 0, 1, 1, 1])
    predicted = np.array([0, 1, 1, 1, 3])
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


ODD = ["accuracy", "macro avg", "weighted avg", "micro avg", "samples avg", "mean over classes"]
ODD += ["true class", "precision", "a_b", "a b", "0", "2"]  # "a_b" is read as "a b"
PLAIN = [f"class {number}" for number in range(len(ODD))]


def test_a_report_is_right_whatever_the_classes_are_called():
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, len(ODD), (2, 400))
    report = report_table(ODD, truth, predicted)
    expected = report_table(PLAIN, truth, predicted)
    pd.testing.assert_frame_equal(report.drop(columns="class"), expected.drop(columns="class"))
    assert report["class"].tolist() == [*ODD, "mean over classes", "mean over galaxies"]
    for number in range(len(ODD)):  # against the definitions
        members = (truth == number).sum()
        named = (predicted == number).sum()
        right = ((truth == number) & (predicted == number)).sum()
        values = [right / named, right / members, 2 * right / (named + members), members]
        assert report.iloc[number, 1:].tolist() == pytest.approx(values)
    confusion = confusion_table(ODD, truth, predicted)
    expected = confusion_table(PLAIN, truth, predicted)
    assert list(confusion) == ["true class", *ODD]
    assert confusion.iloc[:, 0].tolist() == ODD
    np.testing.assert_array_equal(confusion.iloc[:, 1:], expected.iloc[:, 1:])
    shaded = shade_rows(confusion)
    assert shaded.iloc[:, 0].tolist() == [name.replace("_", " ") for name in ODD]
    assert list(shaded) == [name.replace("_", " ") for name in confusion]
    np.testing.assert_array_equal(shaded.iloc[:, 1:], shade_rows(expected).iloc[:, 1:])
    count = confusion.iloc[1, 3]
    part = count / (truth == 1).sum()
    assert shaded.iloc[1, 3] == Shaded(f"{count}\n{part:.0%}", part)


def test_the_most_confident_mistakes_come_first_and_nothing_right_is_among_them():
    probs = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]])
    predicted = probs.argmax(axis=1)
    truth = np.array([0, 0, 0, 1])
    assert confident_mistakes(probs, truth, predicted, 5).tolist() == [2, 3, 1]
    assert confident_mistakes(probs, truth, predicted, 2).tolist() == [2, 3]
