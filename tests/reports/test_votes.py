"""Errors and calibration of predicted vote fractions, against plain loops and by hand."""

import numpy as np
import pytest

from galaxyzoo.reports.votes import (
    galaxy_rmse,
    question_rmse,
    summarize_vote_calibration,
    vote_calibration,
)
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.registry import get_task
from support.ensemble_fixtures import COLUMNS


def test_errors_per_question_and_galaxy_are_those_of_plain_loops():
    rng = np.random.default_rng(2)
    targets, predictions = rng.uniform(size=(7, 37)), rng.uniform(size=(7, 37))
    spans = get_task("gz37").groups
    for question, value in zip(
        GALAXY_ZOO_2.questions, question_rmse(predictions, targets, spans), strict=True
    ):
        places = [COLUMNS.index(column) for column in question.columns]
        errors = [(predictions[i, j] - targets[i, j]) ** 2 for i in range(7) for j in places]
        assert value == pytest.approx((sum(errors) / len(errors)) ** 0.5)
    first = sum((predictions[0] - targets[0]) ** 2) / 37
    assert galaxy_rmse(predictions, targets)[0] == pytest.approx(first**0.5)


def test_vote_calibration_of_a_case_worked_by_hand():
    """Answer a: the lower two are voted 0.1 more than predicted, the upper two 0.3 less."""
    predictions = np.array([[0.9, 0.5], [0.1, 0.5], [0.3, 0.5], [0.7, 0.5]])
    votes = np.array([[0.4, 0.6], [0.2, 0.6], [0.4, 0.4], [0.6, 0.4]])
    table = vote_calibration(predictions, votes, ["a", "b"], n_bins=2)
    assert table["answer"].tolist() == ["a", "a", "b", "b"]
    assert table["galaxies"].tolist() == [2, 2, 2, 2]
    np.testing.assert_allclose(table["predicted"], [0.2, 0.8, 0.5, 0.5])
    np.testing.assert_allclose(table["voted"], [0.3, 0.5, 0.6, 0.4])
    summary = summarize_vote_calibration(table)
    np.testing.assert_allclose(summary.loc["a"], [0.1, 0.2], atol=1e-12)  # bias, error
    np.testing.assert_allclose(summary.loc["b"], [0.0, 0.1], atol=1e-12)
    assert len(vote_calibration(predictions[:1], votes[:1], ["a", "b"])) == 2
