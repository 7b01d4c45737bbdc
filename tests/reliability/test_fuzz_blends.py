"""Blends and stackers on arbitrary runs: copies, constants, wild values."""

import warnings
from collections.abc import Mapping

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from galaxyzoo.ensemble import stackers
from galaxyzoo.ensemble.blends import Blend
from galaxyzoo.ensemble.least_squares import OofFold, make_fold
from galaxyzoo.ensemble.selection import CANDIDATES, CLASS_CANDIDATES, Candidate
from galaxyzoo.tasks.kinds import Task
from support.fuzz_fixtures import cases
from support.problems import PLAIN, SMALL, one_hot, stack_folds
from support.strategies import SEEDS

RUN_KINDS = ["noisy", "zeros", "halves", "copy", "tiny", "perfect"]


@st.composite
def oof_folds(draw: st.DrawFn, probabilities: bool = False) -> list[OofFold]:
    """One to three folds of one to five runs, with two columns of votes or three of classes.

    Runs are noisy, constant, perfect, or copies of the run before (of the targets, if it is the
    first); a run is of one kind in all folds.
    """
    n_runs = draw(st.integers(1, 5))
    n_folds = draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(SEEDS))
    kinds = draw(st.lists(st.sampled_from(RUN_KINDS), min_size=n_runs, max_size=n_runs))
    scale = draw(st.sampled_from([1e-6, 0.1, 1.0, 1e3]))
    folds = []
    for _ in range(n_folds):
        galaxies = draw(st.integers(1, 12))
        if probabilities:
            targets = one_hot(rng.integers(0, 3, galaxies))
        else:
            targets = rng.random((galaxies, 2))
        runs: list[np.ndarray] = []
        for kind in kinds:
            noise = rng.normal(scale=scale, size=targets.shape)
            before = runs[-1] if runs else targets
            runs.append(_predictions(kind, targets, noise, before))
        features = np.stack(runs, axis=1)
        if probabilities:
            valid = PLAIN.project(features.reshape(-1, 3))
            features = valid.reshape(features.shape)
        folds.append(make_fold(features, targets))
    return folds


def _predictions(
    kind: str, targets: np.ndarray, noise: np.ndarray, before: np.ndarray
) -> np.ndarray:
    """(galaxy, column) predictions of a run of a kind."""
    if kind == "noisy":
        return targets + noise
    if kind == "zeros":
        return np.zeros_like(targets)
    if kind == "halves":
        return np.full_like(targets, 0.5)
    if kind == "copy":
        return before
    if kind == "tiny":
        return 1e-12 * noise
    return targets


def fit_weights(
    folds: list[OofFold],
    name: str,
    task: Task = SMALL,
    candidates: Mapping[str, Candidate] = CANDIDATES,
) -> np.ndarray:
    """(run, column) weights of a candidate that is a blend."""
    model = candidates[name].fit(folds, task)
    assert isinstance(model, Blend)
    return model.weights


FEW = cases(40, 1000)


def turned(folds: list[OofFold]) -> list[OofFold]:
    """The same with the runs in the opposite order."""
    return [make_fold(fold.features[:, ::-1], fold.targets) for fold in folds]


def squared(predictions: np.ndarray, targets: np.ndarray) -> float:
    return float(np.square(predictions - targets).sum())


def size_of(features: np.ndarray, targets: np.ndarray) -> float:
    """What squared errors are held against: the squares of all that is given."""
    return float(np.square(features).sum() + np.square(targets).sum())


@FEW
@given(oof_folds())
def test_blends_of_votes_keep_their_promises(folds):
    features, targets = stack_folds(folds)
    size = size_of(features, targets)
    best = min(squared(features[:, run], targets) for run in range(features.shape[1]))
    for name in ("mean", "greedy", "nnls"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            weights = fit_weights(folds, name, SMALL)
        assert np.isfinite(weights).all()
        assert weights.min() >= 0
        if name != "nnls":
            np.testing.assert_allclose(weights.sum(axis=0), 1, atol=1e-9)
        error = squared(Blend(weights).predict(features), targets)
        if name != "mean":
            assert error <= best + 1e-6 * size
        other = Blend(fit_weights(turned(folds), name, SMALL)).predict(features[:, ::-1])
        assert abs(squared(other, targets) - error) <= 1e-6 * size


@FEW
@given(oof_folds())
def test_the_disagreement_ridge_bears_any_runs(folds):
    features, targets = stack_folds(folds)
    size = size_of(features, targets)
    model = stackers.fit_disagreement_ridge(folds, SMALL)
    assert np.isfinite(model.whole.weights).all()
    error = squared(model.predict(features), targets)
    assert error <= squared(model.blend.predict(features), targets) + 1e-6 * size
    other = stackers.fit_disagreement_ridge(turned(folds), SMALL)
    if (other.whole.penalties == model.whole.penalties).all():
        values = other.predict(features[:, ::-1])
        assert abs(squared(values, targets) - error) <= 1e-5 * size


def mean_loss(probs: np.ndarray, targets: np.ndarray) -> float:
    return float(-np.log(np.maximum((probs * targets).sum(axis=1), 1e-6)).mean())


@FEW
@given(oof_folds(probabilities=True))
def test_a_pool_keeps_its_promises(folds):
    features, targets = stack_folds(folds)
    logs = np.log(features).mean(axis=1)
    geometric = np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True)
    probs = CLASS_CANDIDATES["pool"].fit(folds, PLAIN).predict(features)
    assert np.isfinite(probs).all()
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-9)
    assert mean_loss(probs, targets) <= mean_loss(geometric, targets) + 1e-6
