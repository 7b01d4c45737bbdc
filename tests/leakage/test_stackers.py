"""No candidate of an ensemble learns from the fold that it is scored on.

Two kinds of proof. Changed labels of a fold change none of its predictions; and where the labels
are random, no cross-fitted score is better than chance, by a test that a leak does not pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from galaxyzoo.data.folds import make_folds
from galaxyzoo.ensemble import selection
from galaxyzoo.ensemble.least_squares import OofFold, make_fold
from galaxyzoo.ensemble.selection import (
    MEAN,
    CrossFits,
    PartialFit,
    candidates_of,
    cross_fit,
    nested,
)
from galaxyzoo.tasks.kinds import ClassTask, Task
from galaxyzoo.tasks.metrics import MIN_PROBABILITY
from support.problems import BALANCED, PLAIN, SMALL, one_hot
from support.thoroughness import thorough

TASKS = {"votes": SMALL, "classes": PLAIN}

EVERY = [(kind, name) for kind, task in TASKS.items() for name in candidates_of(task)]

N_FOLDS = 4


def draw_targets(rng: np.random.Generator, task: Task, n: int) -> np.ndarray:
    """(galaxy, column) that nothing can tell."""
    if isinstance(task, ClassTask):
        return one_hot(rng.integers(0, len(task.columns), n), len(task.columns))
    return rng.uniform(0.1, 0.9, (n, len(task.columns)))


def draw_noise(
    rng: np.random.Generator, task: Task, n: int, n_runs: int, spread: float = 0.25
) -> np.ndarray:
    """(galaxy, run, column) float32: runs near the mean target, so that luck could look like skill.

    Args:
        rng: draws the noise.
        task: the task.
        n: galaxies.
        n_runs: runs.
        spread: of the runs, in standard deviations of the targets; a run far from the mean loses
            more by it than the luck of being chosen wins.
    """
    noise = rng.normal(size=(n, n_runs, len(task.columns)))
    if not isinstance(task, ClassTask):
        return (0.5 + 0.23 * spread * noise).astype(np.float32)
    raw = np.exp(spread * noise)
    return (raw / raw.sum(axis=2, keepdims=True)).astype(np.float32)


def is_fitted(kind: str, name: str) -> bool:
    """Whether other targets make it another model: what fits nothing can leak nothing."""
    task = TASKS[kind]
    runs = draw_noise(np.random.default_rng(0), task, 400, 2)

    def predict(targets: np.ndarray) -> np.ndarray:
        if isinstance(task, ClassTask):
            targets = one_hot(targets.argmax(axis=1), len(task.columns))
        fold = make_fold(runs, targets.astype(float))
        return candidates_of(task)[name].fit([fold], task).predict(runs)

    return bool((predict(runs[:, 0]) != predict(runs[:, 1])).any())


def losses(task: Task, predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(galaxy,) what the task's score averages: squared error, or log-loss."""
    if isinstance(task, ClassTask):
        probs = np.maximum((predictions * targets).sum(axis=1), MIN_PROBABILITY)
        return -np.log(probs)
    return np.square(predictions - targets).mean(axis=1)


def gain_over_chance(fits: CrossFits, predictions: np.ndarray) -> np.ndarray:
    """(galaxy,) how much better than the targets' expectation, which the runs scatter around."""
    task = fits.task
    expected = 1 / len(task.columns) if isinstance(task, ClassTask) else 0.5
    chance = np.full(fits.targets.shape, expected)
    return losses(task, chance, fits.targets) - losses(task, predictions, fits.targets)


def looks_skilled(gains: Sequence[np.ndarray]) -> bool:
    """Whether gains over chance, of all seeds together, are above zero by more than noise."""
    values = np.concatenate(gains)
    return float(values.mean()) > 3 * float(values.std()) / np.sqrt(len(values))


@dataclass(frozen=True)
class Trials:
    """Random problems by which a leak would show."""

    seeds: int
    galaxies: int
    runs: int
    spread: float = 0.25  # of the runs, see draw_noise


def fit_noise(task: Task, name: str, trials: Trials) -> list[CrossFits]:
    """The mean and a candidate, fitted to each seed's problem."""
    candidates = {key: candidates_of(task)[key] for key in (MEAN, name)}
    folds = np.arange(trials.galaxies) % N_FOLDS
    fits = []
    for seed in range(trials.seeds):
        rng = np.random.default_rng((seed, trials.runs))
        features = draw_noise(rng, task, trials.galaxies, trials.runs, trials.spread)
        targets = draw_targets(rng, task, trials.galaxies)
        fits.append(cross_fit(candidates, task, features, targets, folds))
    return fits


def fit_on_all(
    fit: selection.Fit, by_fold: dict[int, OofFold], without: frozenset[int], task: Task
) -> PartialFit:
    """A leak: nothing is left out of any fit."""
    model = fit(list(by_fold.values()), task)
    predictions = {k: task.project(model.predict(by_fold[k].features)) for k in without}
    return PartialFit(model, predictions)


FITTED = [(kind, name) for kind, name in EVERY if is_fitted(kind, name)]


def trials_of(name: str) -> Trials:
    if name == "lightgbm":  # needs rows before it splits at all
        return Trials(thorough(1, 10), 800, 5)
    if name == "disagreement_ridge":
        return Trials(thorough(2, 20), 160, 20)
    if name == "pool":
        return Trials(thorough(4, 20), 160, 20)
    return Trials(thorough(10, 60), 160, 20, 0.12)  # of blends, little is fitted: it takes many


@pytest.mark.parametrize(("kind", "name"), FITTED)
def test_random_targets_give_chance_level_scores_and_a_leak_does_not(kind, name, monkeypatch):
    task = TASKS[kind]
    trials = trials_of(name)
    fits = fit_noise(task, name, trials)
    assert not looks_skilled([gain_over_chance(fit, fit.predictions(name)) for fit in fits])
    chosen = []
    for fit in fits:
        choice = nested(fit)
        if choice is not None:
            chosen.append(gain_over_chance(fit, choice.predictions))
    assert not looks_skilled(chosen)
    monkeypatch.setattr(selection, "fit_without", fit_on_all)
    leaky = fit_noise(task, name, trials)
    assert looks_skilled([gain_over_chance(fit, fit.predictions(name)) for fit in leaky])
    if isinstance(task, ClassTask):
        _check_classes(name, fits, leaky)


def _check_classes(name: str, fits: list[CrossFits], leaky: list[CrossFits]) -> None:
    """Accuracy, balanced accuracy and AUC are at chance too, and a leak shows in the AUC."""
    n = sum(len(fit.folds) for fit in fits)
    accuracy_sd = np.sqrt(2 / 9 / n)
    auc_sd = np.sqrt(1 / 6 / n)
    scores = pd.DataFrame(
        [PLAIN.class_scores(fit.predictions(name), fit.targets, fit.folds) for fit in fits]
    )
    assert scores["accuracy"].mean() < 1 / 3 + 3 * accuracy_sd
    assert scores["balanced_accuracy"].mean() < 1 / 3 + 3 * accuracy_sd
    assert scores["macro_auc"].mean() < 0.5 + 3 * auc_sd
    aucs = [roc_auc_score(fit.targets, fit.predictions(name), average="macro") for fit in leaky]
    assert np.mean(aucs) > 0.5 + 3 * auc_sd


@pytest.mark.parametrize("task", [PLAIN, BALANCED], ids=["plain", "balanced"])
def test_decisions_on_random_classes_are_at_chance_level(task):
    """Also where a task decides by the classes' frequencies, as long as folds are stratified.

    A class that is rarer in the other folds is more frequent in this one, and is decided more
    often: where folds are dealt at random, noise would look skilled.
    """
    galaxies = np.arange(150)

    def score(stratified: bool) -> pd.DataFrame:
        """Scores by seed."""
        rng = np.random.default_rng(0)
        scores = []
        for seed in range(thorough(40, 400)):
            targets = one_hot(rng.choice(3, len(galaxies), p=[0.7, 0.2, 0.1]))
            noise = draw_noise(rng, task, len(galaxies), 1)[:, 0]
            probs = task.project(noise * [0.7, 0.2, 0.1])
            folds = galaxies % N_FOLDS
            if stratified:
                folds = make_folds(targets, galaxies, N_FOLDS, seed)
            scores.append(task.class_scores(probs, targets, folds))
        return pd.DataFrame(scores)

    fair = score(stratified=True)
    assert not looks_skilled([fair["balanced_accuracy"] - 1 / 3])
    assert not looks_skilled([fair["macro_auc"] - 0.5])
    at_random = score(stratified=False)
    assert looks_skilled([at_random["balanced_accuracy"] - 1 / 3]) == task.balanced


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_targets_of_a_fold_change_none_of_its_predictions(kind, name):
    task = TASKS[kind]
    rng = np.random.default_rng(5)
    n = 600 if name == "lightgbm" else 80
    targets = draw_targets(rng, task, n)
    features = (draw_noise(rng, task, n, 3) + 0.3 * targets[:, None]).astype(np.float32)
    if isinstance(task, ClassTask):
        features /= features.sum(axis=2, keepdims=True)
    folds = np.arange(n) % N_FOLDS
    candidates = {key: candidates_of(task)[key] for key in (MEAN, name)}
    clean = cross_fit(candidates, task, features, targets, folds)
    before = nested(clean)
    assert before is not None
    for fold in range(thorough(1, N_FOLDS)):
        rows = folds == fold
        changed = targets.copy()
        changed[rows] = np.roll(targets[rows], 1, axis=1)
        dirty = cross_fit(candidates, task, features, changed, folds)
        after = nested(dirty)
        assert after is not None
        alone = frozenset({fold})
        key = name, alone, fold
        np.testing.assert_array_equal(dirty.held_out[key], clean.held_out[key])
        np.testing.assert_array_equal(
            dirty.predictions(name, alone), clean.predictions(name, alone)
        )
        np.testing.assert_array_equal(after.predictions[rows], before.predictions[rows])
        assert after.choices[fold] == before.choices[fold]
        if (kind, name) in FITTED:  # whose fits may see them, change
            other = (fold + 1) % N_FOLDS
            key = name, frozenset({other}), other
            assert (dirty.held_out[key] != clean.held_out[key]).any()
