"""Errors of predicted vote fractions, against plain loops."""

import numpy as np
import pytest

from galaxyzoo.extras.reports.votes import question_rmse
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.registry import get_task
from support.problems import COLUMNS


def test_errors_per_question_are_those_of_plain_loops():
    rng = np.random.default_rng(2)
    targets, predictions = rng.uniform(size=(7, 37)), rng.uniform(size=(7, 37))
    spans = get_task("gz37").groups
    for question, value in zip(
        GALAXY_ZOO_2.questions, question_rmse(predictions, targets, spans), strict=True
    ):
        places = [COLUMNS.index(column) for column in question.columns]
        errors = [(predictions[i, j] - targets[i, j]) ** 2 for i in range(7) for j in places]
        assert value == pytest.approx((sum(errors) / len(errors)) ** 0.5)
