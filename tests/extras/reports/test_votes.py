"""Errors of predicted vote fractions, against plain loops."""

import numpy as np
import pytest

from galaxyzoo.extras.reports.votes import question_rmse
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.registry import get_task
from support.problems import COLUMNS


def test_errors_per_question_are_those_of_plain_loops():
    rng = np.random.default_rng(2)
    targets = rng.uniform(size=(7, 37))
    predictions = rng.uniform(size=(7, 37))
    found = question_rmse(predictions, targets, get_task("gz37").groups)
    for question, value in zip(GALAXY_ZOO_2.questions, found, strict=True):
        squares = []
        for column in question.columns:
            place = COLUMNS.index(column)
            for galaxy in range(7):
                squares.append((predictions[galaxy, place] - targets[galaxy, place]) ** 2)
        assert value == pytest.approx((sum(squares) / len(squares)) ** 0.5)
