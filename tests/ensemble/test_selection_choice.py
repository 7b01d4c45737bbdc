"""The choice of the simplest candidate within one standard error of the best."""

import numpy as np

from galaxyzoo.ensemble.selection import CrossFits
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
