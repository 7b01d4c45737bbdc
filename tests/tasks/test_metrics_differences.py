"""Differences of scores, their errors, and the choice of the simplest within one of them."""

import numpy as np
import pytest

from galaxyzoo.ensemble.selection import CrossFits
from galaxyzoo.tasks.metrics import Difference
from galaxyzoo.tasks.registry import TASKS, VoteTask
from support.class_fixtures import PLAIN, draw_probs, one_hot
from support.ensemble_fixtures import SMALL


def candidates(*errors: np.ndarray, folds: np.ndarray | None = None) -> CrossFits:
    """Candidates c0, c1, … that err by the given (galaxy,) amounts in both columns."""
    n = len(errors[0])
    dealt = np.arange(n) % 3 if folds is None else folds
    held_out = {}
    for i, error in enumerate(errors):
        values = np.repeat(0.5 + error[:, None], 2, axis=1)
        for fold in range(3):
            for without in ({fold}, *({fold, other} for other in range(3) if other != fold)):
                held_out[f"c{i}", frozenset(without), fold] = values[dealt == fold]
    models = {f"c{i}": None for i in range(len(errors))}
    return CrossFits(SMALL, {}, np.full((n, 2), 0.5), dealt, models, held_out)  # type: ignore[arg-type]


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_the_mean_loss_of_galaxies_makes_every_tasks_score(task):
    rng, n = np.random.default_rng(0), len(task.columns)
    is_votes = isinstance(task, VoteTask)
    targets = rng.random((50, n)) if is_votes else one_hot(rng.integers(0, n, 50), n)
    predictions = task.project(rng.random((50, n)))
    losses = task.per_sample_losses(predictions, targets)
    assert float(task.score_from_loss(losses.mean())) == pytest.approx(
        task.score(predictions, targets)
    )


@pytest.mark.parametrize("task", [SMALL, PLAIN])
def test_the_error_is_that_of_leaving_out_each_galaxy_in_turn(task):
    rng = np.random.default_rng(1)
    if task is PLAIN:
        targets = one_hot(rng.integers(0, 3, 30))
        values = [task.project(draw_probs(rng, targets, 1)[:, 0]) for _ in range(2)]
    else:
        targets = rng.random((30, 2))
        values = [targets + rng.normal(scale=0.1, size=(30, 2)) for _ in range(2)]
    kept = [np.arange(30) != i for i in range(30)]
    left = [
        task.score(values[0][rows], targets[rows]) - task.score(values[1][rows], targets[rows])
        for rows in kept
    ]
    found = task.difference(*(task.per_sample_losses(value, targets) for value in values))
    assert found.error == pytest.approx(np.sqrt(29 / 30 * np.sum((left - np.mean(left)) ** 2)))
    whole = task.score(values[0], targets) - task.score(values[1], targets)
    assert found.value == pytest.approx(whole)


def test_the_error_is_that_of_a_thousand_resamples():
    rng = np.random.default_rng(2)
    ours, theirs = rng.random(400) ** 2, rng.random(400) ** 2
    rows = rng.integers(0, 400, (1000, 400))
    drawn = np.sqrt(ours[rows].mean(axis=1)) - np.sqrt(theirs[rows].mean(axis=1))
    assert SMALL.difference(ours, theirs).error == pytest.approx(drawn.std(), rel=0.1)


def test_equal_losses_differ_by_nothing_and_one_galaxy_has_no_error():
    losses = np.random.default_rng(3).random(20)
    assert SMALL.difference(losses, losses) == Difference(0.0, 0.0)
    assert SMALL.difference(np.array([0.04]), np.array([0.01])) == Difference(0.1, 0.0)


def test_chosen_is_the_simplest_within_one_error_worked_by_hand():
    best = np.full(300, 0.1)  # squared errors of 0.01
    worse = np.full(300, 0.1001)  # of every galaxy, so the difference has no error at all
    noisy = np.where(np.arange(300) % 2, 0.0, np.sqrt(0.02001))  # 0.010005 on average, ± 0.0006
    assert candidates(noisy, worse, best).best() == "c2"
    assert candidates(noisy, worse, best).choose() == "c0"
    assert candidates(worse, noisy, best).choose() == "c1"
    assert candidates(worse, best, noisy).choose() == "c1"
    assert candidates(best, best).choose() == "c0"


def test_a_fold_has_no_say_in_the_choice_without_it():
    rng = np.random.default_rng(4)
    folds = np.arange(3000) % 3
    simple, other = rng.normal(scale=0.10, size=3000), rng.normal(scale=0.11, size=3000)
    other[folds == 2] = 0.0  # so much better there that it wins overall
    fits = candidates(simple, other, folds=folds)
    assert fits.choose() == "c1"
    assert fits.choose(frozenset({2})) == "c0"
    assert fits.choose(frozenset({0})) == "c1"
