"""Class tasks: scores against hand-worked values and scikit-learn; decisions, by which folds.

Votes: folds that are too good to be predicted.
"""

import numpy as np
import pytest
from sklearn import metrics

from galaxyzoo.results.table import score_table
from galaxyzoo.tasks import leakage
from galaxyzoo.tasks.metrics import MIN_PROBABILITY
from galaxyzoo.tasks.registry import CLASS_TASKS, TASKS
from support.problems import BALANCED, PLAIN, draw_votes, one_hot

GZ37 = TASKS["gz37"]

PROBS = np.array([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])

TRUTH = np.array([0, 1, 2, 0])

FOLDS = np.array([0, 0, 1, 1])


def test_the_log_losses_of_the_columns_add_up_to_the_whole():
    card = score_table(PLAIN, PROBS, one_hot(TRUTH), FOLDS)
    assert sum(card["per_column"].values()) == pytest.approx(card["score"])
    assert card["per_column"]["a"] == pytest.approx(-(np.log(0.7) + np.log(0.6)) / 4)
    assert card["classes"] == PLAIN.class_scores(PROBS, one_hot(TRUTH), FOLDS)


def test_projected_probabilities_sum_to_one_and_stay_what_they_are():
    random = np.random.default_rng(0).random((50, 3)) * 1.5 - 0.2
    empty = [[0.0, 0.0, 0.0], [-3.0, -3.0, -3.0]]
    raw = np.vstack([random, empty, [[0.5, 0.7, -0.1], [1e-12, 2.0, 0.0], [0.3, 0.7, 0.0]]])
    valid = PLAIN.project(raw)
    np.testing.assert_allclose(valid.sum(axis=1), 1, atol=1e-12)
    assert valid.min() > 0.3 * MIN_PROBABILITY
    assert PLAIN.project(raw[:52]).min() >= MIN_PROBABILITY * 0.99
    np.testing.assert_allclose(valid[50:52], 1 / 3)  # rows of zeros become even
    np.testing.assert_allclose(valid[52, :2], [0.5 / 1.2, 0.7 / 1.2], atol=1e-6)
    np.testing.assert_allclose(PLAIN.project(valid), valid, rtol=0, atol=1e-11)
    assert np.abs(PLAIN.project(valid.round(9)) - valid).max() < 1e-8


def test_the_most_probable_class_or_the_one_that_exceeds_its_frequency_most():
    prior = np.array([0.8, 0.125, 0.05])
    assert PLAIN.decide(PROBS, prior).tolist() == [0, 0, 2, 0]
    # 0.7 / 0.8 < 0.2 / 0.125 < 0.1 / 0.05, …, 0.6 / 0.8 < 0.1 / 0.05 < 0.3 / 0.125
    assert BALANCED.decide(PROBS, prior).tolist() == [2, 2, 2, 1]


def test_decisions_for_a_fold_know_the_other_folds_frequencies_only():
    probs = np.tile([0.5, 0.3, 0.2], (6, 1))
    targets = one_hot([0, 0, 1, 0, 1, 2])
    folds = np.array([0, 0, 0, 1, 1, 1])
    # Fold 0 is judged by fold 1's (1/3, 1/3, 1/3), fold 1 by fold 0's (2/3, 1/3, 0).
    decided = BALANCED.decide_out_of_fold(probs, targets, folds)
    assert decided.tolist() == [0, 0, 0, 2, 2, 2]
    for fold in (0, 1):
        changed = targets.copy()
        changed[folds == fold] = one_hot([0, 0, 0])
        after = BALANCED.decide_out_of_fold(probs, changed, folds)
        assert after[folds == fold].tolist() == decided[folds == fold].tolist()
        assert after[folds != fold].tolist() != decided[folds != fold].tolist()
    # One finished fold is judged by the galaxies of the others, never by its own.
    alone = BALANCED.decide_out_of_fold(probs[3:], targets[3:], folds[3:], targets[:3])
    assert alone.tolist() == decided[3:].tolist()
    assert BALANCED.decide_out_of_fold(probs, targets, folds * 0).tolist() == [0] * 6


@pytest.mark.parametrize("task", [PLAIN, BALANCED], ids=["plain", "balanced"])
def test_scores_are_those_of_sklearn(task):
    rng = np.random.default_rng(0)
    probs = rng.dirichlet([1.4, 0.4, 0.2], 300)
    truth = [rng.choice(3, p=row) for row in probs]
    folds = np.arange(300) % 3
    scores = task.class_scores(probs, one_hot(truth), folds)
    decided = task.decide_out_of_fold(probs, one_hot(truth), folds)
    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(truth, decided))
    expected = metrics.balanced_accuracy_score(truth, decided)
    assert scores["balanced_accuracy"] == pytest.approx(expected)
    expected = metrics.f1_score(truth, decided, average="macro")
    assert scores["macro_f1"] == pytest.approx(expected)
    expected = metrics.roc_auc_score(truth, probs, multi_class="ovr", average="macro")
    assert scores["macro_auc"] == pytest.approx(expected)
    expected = metrics.roc_auc_score(one_hot(truth).ravel(), probs.ravel())
    assert scores["micro_auc"] == pytest.approx(expected)


def test_a_class_that_is_missing_has_no_auc_and_no_recall():
    scores = PLAIN.class_scores(PROBS, one_hot([0, 1, 1, 0]), FOLDS)
    assert scores["macro_auc"] is None
    assert scores["micro_auc"] is None
    assert scores["balanced_accuracy"] == 0.5  # a: 2 of 2, b: 0 of 2
    assert PLAIN.class_scores(PROBS, one_hot([0] * 4), FOLDS)["micro_auc"] is None


def test_macro_classes_are_sums_and_are_decided_by_the_largest():
    task = CLASS_TASKS["hubble10"]
    assert sorted(name for names in task.macro.values() for name in names) == sorted(task.columns)
    probs = np.zeros((2, 10))
    places = [task.columns.index(n) for n in ("E_round", "S_early", "SB", "merger")]
    probs[0, places] = 0.4, 0.3, 0.2, 0.1  # E_round is the likeliest class, spiral the macro-class
    probs[1, places] = 0.1, 0.1, 0.2, 0.6
    np.testing.assert_allclose(task.to_macro(probs), [[0.4, 0.5, 0.1], [0.1, 0.3, 0.6]])
    targets = one_hot([places[1], places[0]], 10)
    scores = task.class_scores(probs, targets, np.array([0, 1]))
    assert scores["macro_class_accuracy"] == 0.5
    assert scores["macro_class_balanced_accuracy"] == 0.5  # spiral found, elliptical not


@pytest.mark.parametrize(
    ("galaxies", "share", "marked"),
    [(1, 0, 1), (2, 0, 1), (2, 2.5, 0), (3, 2.5, 0), (12, 2.5, 0), (60, 2.5, 0), (60, 0.75, 1)],
)
def test_errors_below_1_5_times_the_votes_own_scatter_are_too_good(galaxies, share, marked):
    """100 tables each; the tree's sums take a third of these errors away."""
    rng = np.random.default_rng(galaxies)
    votes = draw_votes(rng, 100 * galaxies)[0].reshape(100, galaxies, -1)
    scatter = np.sqrt(votes * (1 - votes) / 43)
    predictions = votes + share * scatter * rng.normal(size=votes.shape)
    folds = np.zeros(galaxies, np.int64)
    marks = set()
    for table, targets in zip(predictions, votes, strict=True):
        marks.add(bool(GZ37.find_leakage(table, targets, folds)))
    assert marks == {bool(marked)}


@pytest.mark.parametrize(("galaxies", "is_below"), [(16, False), (36, True)])
def test_the_margin_below_the_noise_floor_is_five_standard_errors(galaxies, is_below):
    """Of equal losses of 0.9 limits: 2 √n / (1 + √0.9) standard errors below, 4.1 and 6.2."""
    limits = np.full(galaxies, 0.01)
    assert leakage.is_below_floor(0.9 * limits, limits) is is_below


def test_labels_mixed_into_predictions_are_too_good_in_one_fold_or_in_all():
    votes = draw_votes(np.random.default_rng(0), 1200)[0]
    folds = np.arange(1200) % 3
    errors = np.roll(votes, 1, axis=0) - votes
    weak = votes + errors * 0.12 / GZ37.score(votes + errors, votes)
    assert GZ37.score(weak, votes) == pytest.approx(0.12)
    assert GZ37.find_leakage(weak, votes, folds) == ""
    mixed = 0.6 * votes + 0.4 * weak
    assert GZ37.find_leakage(mixed, votes, folds).startswith("fold 0: RMSE 0.0")
    in_last = np.where(folds[:, None] == 2, mixed, weak)
    assert GZ37.find_leakage(in_last, votes, folds).startswith("fold 2: RMSE 0.0")
