"""Scores against hand-worked values; differences of scores against slow plain ones."""

import numpy as np
import pytest
from sklearn import metrics

from galaxyzoo.tasks.kinds import VoteTask
from galaxyzoo.tasks.metrics import MIN_PROBABILITY, Difference, log_loss
from galaxyzoo.tasks.registry import TASKS
from support.problems import PLAIN, SMALL, draw_probs, draw_run, one_hot

PROBS = np.array([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
TRUTH = np.array([0, 1, 2, 0])


def test_log_loss_by_hand_and_by_sklearn():
    expected = -(np.log(0.7) + np.log(0.3) + np.log(0.5) + np.log(0.6)) / 4
    assert log_loss(PROBS, one_hot(TRUTH)) == pytest.approx(expected, rel=1e-12)
    assert metrics.log_loss(TRUTH, PROBS) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ValueError, match="shapes differ"):
        log_loss(PROBS, one_hot(TRUTH)[:, :2])


def test_one_certain_mistake_costs_no_more_than_the_smallest_probability():
    wrong = np.array([[1.0, 0.0, 0.0]])
    assert log_loss(wrong, one_hot([2])) == pytest.approx(-np.log(MIN_PROBABILITY))


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_the_mean_loss_of_galaxies_makes_every_tasks_score(task):
    rng = np.random.default_rng(0)
    n = len(task.columns)
    if isinstance(task, VoteTask):
        targets = rng.random((50, n))
    else:
        targets = one_hot(rng.integers(0, n, 50), n)
    predictions = task.project(rng.random((50, n)))
    losses = task.per_sample_losses(predictions, targets)
    score = task.score(predictions, targets)
    assert float(task.score_from_loss(losses.mean())) == pytest.approx(score)


@pytest.mark.parametrize("task", [SMALL, PLAIN])
def test_the_error_is_that_of_leaving_out_each_galaxy_in_turn(task):
    rng = np.random.default_rng(1)
    if task is PLAIN:
        targets = one_hot(rng.integers(0, 3, 30))
        first = task.project(draw_probs(rng, targets, 1)[:, 0])
        second = task.project(draw_probs(rng, targets, 1)[:, 0])
    else:
        targets = rng.random((30, 2))
        first = draw_run(rng, targets, 0.1)
        second = draw_run(rng, targets, 0.1)

    def difference(rows: np.ndarray) -> float:
        return task.score(first[rows], targets[rows]) - task.score(second[rows], targets[rows])

    galaxies = np.arange(30)
    left = [difference(galaxies != galaxy) for galaxy in galaxies]
    variance = 29 * np.var(left)
    losses = task.per_sample_losses(first, targets)
    found = task.difference(losses, task.per_sample_losses(second, targets))
    assert found.error == pytest.approx(np.sqrt(variance))
    assert found.value == pytest.approx(difference(galaxies))


def test_equal_losses_differ_by_nothing_and_one_galaxy_has_no_error():
    losses = np.random.default_rng(3).random(20)
    assert SMALL.difference(losses, losses) == Difference(0.0, 0.0)
    assert SMALL.difference(np.array([0.04]), np.array([0.01])) == Difference(0.1, 0.0)
