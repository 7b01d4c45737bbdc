"""Numbers of the reports against slow plain versions and cases worked by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from galaxyzoo.reports.classes import (
    calibration_table,
    confident_mistakes,
    confusion_counts,
    expected_calibration_error,
    report_table,
    row_shares,
    summarise_vote_calibration,
    vote_calibration,
)
from galaxyzoo.reports.label_noise import nearest_class, redraw, second_crowd
from galaxyzoo.reports.votes import galaxy_rmse, question_rmse
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, VOLUNTEERS
from galaxyzoo.tasks.registry import CLASS_TASKS
from support.ensemble_fixtures import draw_votes

COLUMNS = list(GALAXY_ZOO_2.columns)


def test_calibration_error_of_a_case_worked_by_hand():
    # Two bins used of four: 0.6 and 0.7 are right once in two, 0.9 and 1.0 are both right.
    probs = np.array([[0.6, 0.4], [0.3, 0.7], [0.9, 0.1], [0.0, 1.0]])
    table = calibration_table(probs, np.array([0, 0, 0, 1]), n_bins=4)
    assert table["galaxies"].tolist() == [0, 0, 2, 2]
    assert table["confidence"][2] == pytest.approx(0.65)
    assert table["accuracy"][2:].tolist() == [0.5, 1.0]
    assert expected_calibration_error(table) == pytest.approx((2 * 0.15 + 2 * 0.05) / 4)


def test_vote_calibration_of_a_case_worked_by_hand():
    """Answer a: the lower two are voted 0.1 more than predicted, the upper two 0.3 less."""
    predictions = np.array([[0.9, 0.5], [0.1, 0.5], [0.3, 0.5], [0.7, 0.5]])
    votes = np.array([[0.4, 0.6], [0.2, 0.6], [0.4, 0.4], [0.6, 0.4]])
    table = vote_calibration(predictions, votes, ["a", "b"], n_bins=2)
    assert table["answer"].tolist() == ["a", "a", "b", "b"]
    assert table["galaxies"].tolist() == [2, 2, 2, 2]
    np.testing.assert_allclose(table["predicted"], [0.2, 0.8, 0.5, 0.5])
    np.testing.assert_allclose(table["voted"], [0.3, 0.5, 0.6, 0.4])
    summary = summarise_vote_calibration(table)
    np.testing.assert_allclose(summary.loc["a"], [0.1, 0.2], atol=1e-12)  # bias, error
    np.testing.assert_allclose(summary.loc["b"], [0.0, 0.1], atol=1e-12)
    assert len(vote_calibration(predictions[:1], votes[:1], ["a", "b"])) == 2


def test_a_confidence_on_an_edge_belongs_to_the_bin_below():
    table = calibration_table(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([0, 0]), n_bins=2)
    assert table["galaxies"].tolist() == [1, 1]


def test_calibration_error_is_that_of_plain_loops():
    rng = np.random.default_rng(1)
    probs, truth = rng.dirichlet(np.ones(4), size=300), rng.integers(4, size=300)
    expected = 0.0
    for k in range(15):
        inside = [i for i in range(300) if k / 15 < probs[i].max() <= (k + 1) / 15]
        if inside:
            right = sum(probs[i].argmax() == truth[i] for i in inside)
            expected += abs(right - sum(probs[i].max() for i in inside)) / 300
    table = calibration_table(probs, truth)
    assert expected_calibration_error(table) == pytest.approx(expected, abs=1e-12)


def test_confusion_counts_true_classes_in_rows_and_keeps_empty_classes():
    truth, decided = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 3])
    expected = np.zeros((4, 4), dtype=int)
    for row, column in zip(truth, decided, strict=True):
        expected[row, column] += 1
    counts = confusion_counts(4, truth, decided)
    np.testing.assert_array_equal(counts, expected)
    np.testing.assert_allclose(row_shares(counts)[1], [0, 2 / 3, 0, 1 / 3])
    np.testing.assert_array_equal(row_shares(counts)[2], np.zeros(4))


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
    decided, truth = probs.argmax(axis=1), np.array([0, 0, 0, 1])
    assert confident_mistakes(probs, truth, decided, 5).tolist() == [2, 3, 1]
    assert confident_mistakes(probs, truth, decided, 2).tolist() == [2, 3]


def test_errors_per_question_and_galaxy_are_those_of_plain_loops():
    rng = np.random.default_rng(2)
    targets, predictions = rng.uniform(size=(7, 37)), rng.uniform(size=(7, 37))
    for question, value in zip(
        GALAXY_ZOO_2.questions, question_rmse(predictions, targets), strict=True
    ):
        places = [COLUMNS.index(column) for column in question.columns]
        errors = [(predictions[i, j] - targets[i, j]) ** 2 for i in range(7) for j in places]
        assert value == pytest.approx((sum(errors) / len(errors)) ** 0.5)
    first = sum((predictions[0] - targets[0]) ** 2) / 37
    assert galaxy_rmse(predictions, targets)[0] == pytest.approx(first**0.5)


def test_redrawn_votes_obey_the_tree_and_scatter_about_the_published_ones():
    votes = np.repeat(draw_votes(np.random.default_rng(3), 1)[0], 4000, axis=0)
    drawn = redraw(votes, VOLUNTEERS, np.random.default_rng(4))
    assert GALAXY_ZOO_2.residuals(drawn).max() < 1e-12
    np.testing.assert_allclose(drawn * VOLUNTEERS, np.round(drawn * VOLUNTEERS), atol=1e-9)
    expected = np.sqrt(votes[0] * (1 - votes[0]) / VOLUNTEERS)
    np.testing.assert_allclose(drawn.mean(axis=0), votes[0], atol=0.01)
    np.testing.assert_allclose(drawn.std(axis=0), expected, atol=0.005)


def test_a_second_crowd_agrees_as_often_as_the_binomial_says():
    votes = np.zeros((1500, 37))
    votes[:, [COLUMNS.index(c) for c in ("Class1.1", "Class1.2", "Class6.2")]] = 0.6, 0.4, 1.0
    votes[:, [COLUMNS.index(c) for c in ("Class7.1", "Class2.1", "Class9.1")]] = 0.6, 0.4, 0.4
    votes[1000:, :2] = 1.0, 0.0  # these cannot be taken for spirals
    targets = np.tile([1.0, 0.0], (1500, 1))
    task = CLASS_TASKS["elliptical_spiral"]
    result = second_crowd(task, pd.DataFrame(votes, columns=COLUMNS), targets)
    most = binom.sf(VOLUNTEERS // 2, VOLUNTEERS, 0.6)
    assert result["accuracy"] == pytest.approx((1000 * most + 500) / 1500, abs=0.005)
    assert result["balanced_accuracy"] == pytest.approx(result["accuracy"])
    assert 0 < result["accuracy_sd"] < 0.02


def test_a_second_crowd_may_doubt_a_class_and_not_its_macro_class():
    votes = pd.DataFrame(np.zeros((500, 37)), columns=COLUMNS)
    votes[["Class1.1", "Class6.2"]], votes["Class7.1"], votes["Class7.2"] = 1.0, 0.6, 0.4
    targets = np.eye(10)[np.zeros(500, np.int64)]  # all round
    result = second_crowd(CLASS_TASKS["hubble10"], votes, targets)
    most = binom.sf(VOLUNTEERS // 2, VOLUNTEERS, 0.6)
    assert result["accuracy"] == pytest.approx(most, abs=0.01)
    assert result["macro_class_accuracy"] == 1.0


@pytest.mark.parametrize("name", ["elliptical_spiral", "hubble10", "anomaly4", "zoo5"])
def test_without_noise_the_nearest_class_is_the_label(name):
    task = CLASS_TASKS[name]
    assert task.rule is not None
    votes = pd.DataFrame(draw_votes(np.random.default_rng(5), 3000)[0], columns=COLUMNS)
    labels = task.rule.labels(votes)[list(task.columns)]
    assert len(labels) > 100
    kept = nearest_class(task, votes.loc[labels.index])
    np.testing.assert_array_equal(kept, labels.to_numpy().argmax(axis=1))
