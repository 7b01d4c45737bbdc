"""No candidate of an ensemble learns from the fold that it is scored on.

Two kinds of proof. Changed labels of a fold change none of its predictions; and where the labels
are random, no cross-fitted score is better than chance, by a test that a leak does not pass.
"""

from collections.abc import Sequence

import numpy as np
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
    task, fit, rng = TASKS[kind], candidates_of(TASKS[kind])[name].fit, np.random.default_rng(0)
    runs = draw_noise(rng, task, 400, 2)
    tables = [runs[:, run].astype(float) for run in (0, 1)]
    if isinstance(task, ClassTask):
        tables = [one_hot(table.argmax(axis=1), len(task.columns)) for table in tables]
    first, second = (fit([make_fold(runs, table)], task).predict(runs) for table in tables)
    return bool((first != second).any())


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


def fit_noise(
    task: Task, names: list[str], seed: int, n: int, n_runs: int, spread: float = 0.25
) -> CrossFits:
    rng = np.random.default_rng((seed, n_runs))
    features, targets = draw_noise(rng, task, n, n_runs, spread), draw_targets(rng, task, n)
    candidates = {name: candidates_of(task)[name] for name in names}
    return cross_fit(candidates, task, features, targets, np.arange(n) % N_FOLDS)


def fit_on_all(
    fit: selection.Fit, by_fold: dict[int, OofFold], without: frozenset[int], task: Task
) -> PartialFit:
    """A leak: nothing is left out of any fit."""
    model = fit(list(by_fold.values()), task)
    predictions = {k: task.project(model.predict(by_fold[k].features)) for k in without}
    return PartialFit(model, predictions)


FITTED = [(kind, name) for kind, name in EVERY if is_fitted(kind, name)]


def settings_of(name: str) -> tuple[int, int, int, float]:
    """(seeds, galaxies, runs, spread) by which a leak would show."""
    if name == "lightgbm":  # needs rows before it splits at all
        return thorough(1, 10), 800, 5, 0.25
    if name == "disagreement_ridge":
        return thorough(2, 20), 160, 20, 0.25
    if name == "pool":
        return thorough(4, 20), 160, 20, 0.25
    return thorough(10, 60), 160, 20, 0.12  # of blends, little is fitted: it takes many


@pytest.mark.parametrize(("kind", "name"), FITTED)
def test_random_targets_give_chance_level_scores_and_a_leak_does_not(kind, name, monkeypatch):
    task, (seeds, n, n_runs, spread) = TASKS[kind], settings_of(name)
    names = list(dict.fromkeys([MEAN, name]))
    fits = [fit_noise(task, names, seed, n, n_runs, spread) for seed in range(seeds)]
    assert not looks_skilled([gain_over_chance(some, some.predictions(name)) for some in fits])
    chosen = [nested(some) for some in fits]
    assert not looks_skilled(
        [
            gain_over_chance(f, c.predictions)
            for f, c in zip(fits, chosen, strict=True)
            if c is not None
        ]
    )
    monkeypatch.setattr(selection, "fit_without", fit_on_all)
    leaky = [fit_noise(task, names, seed, n, n_runs, spread) for seed in range(seeds)]
    assert looks_skilled([gain_over_chance(some, some.predictions(name)) for some in leaky])
    if isinstance(task, ClassTask):
        _check_classes(name, fits, leaky)


def _check_classes(name: str, fits: list[CrossFits], leaky: list[CrossFits]) -> None:
    """Accuracy, balanced accuracy and AUC are at chance too, and a leak shows in the AUC."""
    scores = [PLAIN.class_scores(f.predictions(name), f.targets, f.folds) for f in fits]
    n = sum(len(f.folds) for f in fits)
    spread = np.sqrt(2 / 9 / n)
    chances = {"accuracy": (1 / 3, spread), "balanced_accuracy": (1 / 3, spread)}
    chances["macro_auc"] = 0.5, np.sqrt(1 / 6 / n)
    for key, (chance, sd) in chances.items():
        assert np.mean([some[key] for some in scores]) < chance + 3 * sd, key
    aucs = [roc_auc_score(f.targets, f.predictions(name), average="macro") for f in leaky]
    assert np.mean(aucs) > 0.5 + 3 * np.sqrt(1 / 6 / n)


@pytest.mark.parametrize("task", [PLAIN, BALANCED], ids=["plain", "balanced"])
def test_decisions_on_random_classes_are_at_chance_level(task):
    """Also where a task decides by the classes' frequencies, as long as folds are stratified.

    A class that is rarer in the other folds is more frequent in this one, and is decided more
    often: where folds are dealt at random, noise would look skilled.
    """
    n, seeds = 150, thorough(40, 400)

    def gains(stratified: bool) -> np.ndarray:
        """(seed, score) balanced accuracy and AUC above chance."""
        rng, found = np.random.default_rng(0), []
        for seed in range(seeds):
            targets = one_hot(rng.choice(3, n, p=[0.7, 0.2, 0.1]))
            probs = task.project(draw_noise(rng, task, n, 1)[:, 0] * [0.7, 0.2, 0.1])
            dealt = make_folds(targets, np.arange(n), N_FOLDS, seed)
            folds = dealt if stratified else np.arange(n) % N_FOLDS
            scores = task.class_scores(probs, targets, folds)
            found.append([scores["balanced_accuracy"] - 1 / 3, scores["macro_auc"] - 0.5])
        return np.array(found)

    by_score = gains(stratified=True).T
    assert not looks_skilled([by_score[0]])
    assert not looks_skilled([by_score[1]])
    assert looks_skilled([gains(stratified=False)[:, 0]]) == task.balanced


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_targets_of_a_fold_change_none_of_its_predictions(kind, name):
    task, rng = TASKS[kind], np.random.default_rng(5)
    n = 600 if name == "lightgbm" else 80
    targets = draw_targets(rng, task, n)
    features = (draw_noise(rng, task, n, 3) + 0.3 * targets[:, None]).astype(np.float32)
    if isinstance(task, ClassTask):
        features /= features.sum(axis=2, keepdims=True)
    folds = np.arange(n) % N_FOLDS
    candidates = {some: candidates_of(task)[some] for some in (MEAN, name)}
    clean = cross_fit(candidates, task, features, targets, folds)
    before = nested(clean)
    assert before is not None
    for fold in range(thorough(1, N_FOLDS)):
        rows, changed = folds == fold, targets.copy()
        changed[rows] = np.roll(targets[rows], 1, axis=1)
        dirty = cross_fit(candidates, task, features, changed, folds)
        after = nested(dirty)
        assert after is not None
        alone = frozenset({fold})
        same = (
            (dirty.held_out[name, alone, fold], clean.held_out[name, alone, fold]),
            (dirty.predictions(name, alone), clean.predictions(name, alone)),
            (after.predictions[rows], before.predictions[rows]),
        )
        for found, expected in same:
            np.testing.assert_array_equal(found, expected)
        assert after.choices[fold] == before.choices[fold]
        if (kind, name) in FITTED:  # whose fits may see them, change
            other = (fold + 1) % N_FOLDS
            key = name, frozenset({other}), other
            assert (dirty.held_out[key] != clean.held_out[key]).any()
