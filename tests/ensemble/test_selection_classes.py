"""The choice among candidates of a class task: copies, rare classes, the command."""

import json

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.commands import ensemble
from galaxyzoo.core.errors import InputError
from galaxyzoo.ensemble.selection import CLASS_CANDIDATES, cross_fit
from galaxyzoo.tasks.registry import CLASS_TASKS, TASKS
from support.datasets import ANOMALIES
from support.problems import PLAIN, draw_probs, one_hot
from support.trained import built, read_card, run_here, save_class_project


def problem(seed: int, n: int, n_runs: int, skill: float) -> tuple[np.ndarray, ...]:
    """(galaxy, run, class) features, (galaxy, class) targets, (galaxy,) five folds."""
    rng = np.random.default_rng(seed)
    targets = one_hot(rng.choice(3, n, p=[0.6, 0.3, 0.1]))
    return draw_probs(rng, targets, n_runs, skill), targets, np.arange(n) % 5


@pytest.mark.parametrize("name", CLASS_CANDIDATES)
def test_every_candidate_gives_probabilities_and_bears_copies_of_a_run(name):
    features, targets, folds = problem(1, 60, 2, 1.0)
    copies = features[:, [0, 0, 1, 0]]
    fits = cross_fit({name: CLASS_CANDIDATES[name]}, PLAIN, copies, targets, folds)
    for values in (fits.predictions(name), PLAIN.project(fits.models[name].predict(copies))):
        assert values.shape == (60, 3)
        assert values.min() > 0
        np.testing.assert_allclose(values.sum(axis=1), 1, atol=1e-9)
    json.dumps(fits.models[name].about(["w", "x", "y", "z"], PLAIN))  # plain values for the card


@pytest.mark.parametrize("name", CLASS_CANDIDATES)
def test_a_class_without_members_in_the_fitted_folds_stops_nothing(name):
    features, targets, folds = problem(2, 60, 2, 1.0)
    rare = targets[:, 2] == 1
    folds = np.where(rare, 0, 1 + np.arange(60) % 4)
    fits = cross_fit({name: CLASS_CANDIDATES[name]}, PLAIN, features, targets, folds)
    values = fits.predictions(name)
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values.sum(axis=1), 1, atol=1e-9)


def test_the_submission_holds_the_decided_class_before_its_probabilities(root, monkeypatch):
    catalog = save_class_project()
    run_here(monkeypatch, "--task", "anomaly4", "--candidates", "mean")
    frame = pd.read_csv(built("anomaly4").csv, index_col="GalaxyID")
    assert list(frame.columns) == ["class", *ANOMALIES]
    assert frame.index.tolist() == catalog.test_ids.tolist()
    probs = frame[ANOMALIES].to_numpy()
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-8)
    prior = catalog.targets(TASKS["anomaly4"]).mean(axis=0)
    decided = [ANOMALIES[k] for k in CLASS_TASKS["anomaly4"].decide(probs, prior)]
    assert frame["class"].tolist() == decided
    assert decided != [ANOMALIES[k] for k in probs.argmax(axis=1)]  # balanced: not the likeliest
    card = read_card("anomaly4")
    assert card["metric"] == "log-loss"
    assert {"accuracy", "balanced_accuracy", "macro_f1"} <= set(card["classes"])


@pytest.mark.parametrize(
    ("runs", "expected"), [([], "gz37"), (["resnet18"], "gz37"), (["gz37/cnn", "zoo5/cnn"], "zoo5")]
)
def test_runs_of_votes_serve_every_task(runs, expected):
    assert ensemble.pick_task(None, runs).name == expected
    assert ensemble.pick_task("hubble10", runs).name == "hubble10"


def test_runs_of_several_tasks_need_one_named():
    with pytest.raises(InputError, match="--task with one of hubble10, zoo5"):
        ensemble.pick_task(None, ["zoo5/cnn", "hubble10/cnn"])
