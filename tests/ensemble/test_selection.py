"""The choice among candidates: cross-fits, nested score, one standard error."""

import numpy as np
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.ensemble.least_squares import make_fold
from galaxyzoo.ensemble.selection import (
    CANDIDATES,
    CrossFits,
    NestedChoice,
    cross_fit,
    nested,
    pick_candidates,
)
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.metrics import rmse
from galaxyzoo.tasks.registry import TASKS
from support.problems import LINEAR, SMALL, draw_run, draw_votes, fit_all, make_problem


def outer(fits: CrossFits) -> NestedChoice:
    choice = nested(fits)
    assert choice is not None
    return choice


@pytest.mark.parametrize("name", LINEAR)
def test_cross_fitted_predictions_are_those_of_plain_fits_on_the_other_folds(name):
    features, targets, folds = make_problem(0)
    fits = fit_all((features, targets, folds))
    for without in (frozenset(), frozenset({2})):
        expected = np.full(targets.shape, np.nan)
        for fold in {0, 1, 2, 3} - without:
            others = []
            for k in {0, 1, 2, 3} - without - {fold}:
                others.append(make_fold(features[folds == k], targets[folds == k]))
            model = CANDIDATES[name].fit(others, SMALL)
            expected[folds == fold] = np.clip(model.predict(features[folds == fold]), 0, 1)
        found = fits.predictions(name, without)
        tolerance = 1e-7 if without else 1e-9  # what serves the choice alone is float32
        np.testing.assert_allclose(found, expected[~np.isin(folds, list(without))], atol=tolerance)


def test_nested_score_is_that_of_choosing_again_without_each_fold():
    features, targets, folds = make_problem(1, n=60)
    fits = fit_all((features, targets, folds))
    choice = outer(fits)
    for fold in range(4):
        kept = folds != fold
        inner = fit_all((features[kept], targets[kept], folds[kept]))
        assert choice.choices[fold] == inner.choose()
        expected = np.clip(inner.models[inner.choose()].predict(features[~kept]), 0, 1)
        np.testing.assert_allclose(choice.predictions[~kept], expected, atol=1e-9)


def test_candidates_are_scored_as_they_would_be_submitted():
    rng = np.random.default_rng(7)
    votes = draw_votes(rng, 90)[0]
    features = np.stack([draw_run(rng, votes, 0.2), draw_run(rng, votes, 0.2)], axis=1)
    candidates = {"mean": CANDIDATES["mean"]}
    fits = cross_fit(candidates, TASKS["gz37"], features, votes, np.arange(90) % 3)
    assert GALAXY_ZOO_2.residuals(fits.predictions("mean")).max() < 1e-9
    raw = features.mean(axis=1)
    submitted = GALAXY_ZOO_2.project(np.clip(raw, 0, 1))
    assert fits.score("mean") == pytest.approx(rmse(submitted, votes), abs=1e-6)
    assert abs(fits.score("mean") - rmse(raw, votes)) > 0.005


def test_one_run_and_two_folds_still_work_without_a_nested_score():
    features, targets, folds = make_problem(8, n_folds=2, n_runs=1)
    fits = fit_all((features, targets, folds))
    assert nested(fits) is None
    assert fits.score("greedy") == fits.score("mean")
    with pytest.raises(InputError, match="at least two"):
        fit_all((features, targets, folds * 0))


def test_candidates_are_picked_by_name_with_the_mean_and_a_typo_is_named():
    assert pick_candidates([], SMALL) == CANDIDATES
    assert list(pick_candidates(["nnls", "greedy"], SMALL)) == ["mean", "greedy", "nnls"]
    assert list(pick_candidates(["pool"], TASKS["zoo5"])) == ["mean", "pool"]
    with pytest.raises(InputError, match=r"unknown candidate 'nnls': choose from .*pool"):
        pick_candidates(["nnls"], TASKS["zoo5"])


def erring(*errors: np.ndarray, folds: np.ndarray | None = None) -> CrossFits:
    """Candidates c0, c1, … that err by the given (galaxy,) amounts in both columns."""
    n = len(errors[0])
    if folds is None:
        folds = np.arange(n) % 3
    models = {f"c{i}": None for i in range(len(errors))}
    held_out = {}
    for name, error in zip(models, errors, strict=True):
        values = 0.5 + np.column_stack([error, error])
        for fold in range(3):
            for other in range(3):  # left out besides; of the fold itself, nothing is
                held_out[name, frozenset({fold, other}), fold] = values[folds == fold]
    return CrossFits(SMALL, {}, np.full((n, 2), 0.5), folds, {}, models, held_out)  # type: ignore[arg-type]


def test_chosen_is_the_simplest_within_one_error_worked_by_hand():
    best = np.full(300, 0.1)  # squared errors of 0.01
    worse = np.full(300, 0.1001)  # of every galaxy, so the difference has no error at all
    noisy = np.where(np.arange(300) % 2, 0.0, np.sqrt(0.02001))  # 0.010005 on average, ± 0.0006
    assert erring(noisy, worse, best).best() == "c2"
    assert erring(noisy, worse, best).choose() == "c0"
    assert erring(worse, noisy, best).choose() == "c1"
    assert erring(worse, best, noisy).choose() == "c1"
    assert erring(best, best).choose() == "c0"


def test_a_fold_has_no_say_in_the_choice_without_it():
    rng = np.random.default_rng(4)
    folds = np.arange(3000) % 3
    simple = rng.normal(scale=0.10, size=3000)
    other = rng.normal(scale=0.11, size=3000)
    other[folds == 2] = 0.0  # so much better there that it wins overall
    fits = erring(simple, other, folds=folds)
    assert fits.choose() == "c1"
    assert fits.choose(frozenset({2})) == "c0"
    assert fits.choose(frozenset({0})) == "c1"
