"""Resampled annotators: their scores are the binomial's."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from galaxyzoo.tasks.annotators import nearest_class, score_annotators
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, VOLUNTEERS
from galaxyzoo.tasks.registry import CLASS_TASKS
from support.ensemble_fixtures import draw_votes

COLUMNS = list(GALAXY_ZOO_2.columns)


def test_annotators_agree_as_often_as_the_binomial_says():
    votes = np.zeros((1500, 37))
    votes[:, [COLUMNS.index(c) for c in ("Class1.1", "Class1.2", "Class6.2")]] = 0.6, 0.4, 1.0
    votes[:, [COLUMNS.index(c) for c in ("Class7.1", "Class2.1", "Class9.1")]] = 0.6, 0.4, 0.4
    votes[1000:, :2] = 1.0, 0.0  # these cannot be taken for spirals
    targets = np.tile([1.0, 0.0], (1500, 1))
    task = CLASS_TASKS["elliptical_spiral"]
    scores = score_annotators(task, pd.DataFrame(votes, columns=COLUMNS), targets)
    result = scores.mean()
    most = binom.sf(VOLUNTEERS // 2, VOLUNTEERS, 0.6)
    assert result["accuracy"] == pytest.approx((1000 * most + 500) / 1500, abs=0.005)
    assert result["balanced_accuracy"] == pytest.approx(result["accuracy"])
    assert 0 < scores["accuracy"].std() < 0.02


def test_annotators_may_doubt_a_class_and_not_its_macro_class():
    votes = pd.DataFrame(np.zeros((500, 37)), columns=COLUMNS)
    votes[["Class1.1", "Class6.2"]], votes["Class7.1"], votes["Class7.2"] = 1.0, 0.6, 0.4
    targets = np.eye(10)[np.zeros(500, np.int64)]  # all round
    result = score_annotators(CLASS_TASKS["hubble10"], votes, targets).mean()
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
