"""How alike runs err and what each is worth, against plain versions and hand-worked values."""

import json

import numpy as np
import pytest

from galaxyzoo.core import paths
from galaxyzoo.ensemble.build import costs_without, error_correlation
from galaxyzoo.ensemble.selection import cross_fit
from galaxyzoo.reports.evaluate import ensemble_section, load_evaluation
from support.ensemble_fixtures import SMALL, fit_all, make_problem, run_here, save_project, use_root

RUNS = ["x", "y", "z"]


def test_correlation_is_that_of_numpy(monkeypatch):
    monkeypatch.setattr("galaxyzoo.ensemble.build._CHUNK", 7)
    features, targets, _ = make_problem(0, n=50)
    features[:, 1] = 0.5 * features[:, 0] + 0.5 * features[:, 1] + 0.1
    found = error_correlation(RUNS, features, targets)
    expected = np.corrcoef((features - targets[:, None]).transpose(1, 0, 2).reshape(3, -1))
    assert np.array([list(row.values()) for row in found.values()]) == pytest.approx(expected)
    assert found["x"]["y"] == found["y"]["x"] > 0.3


def test_correlation_worked_by_hand_and_with_a_run_that_never_errs():
    targets = np.zeros((4, 1))
    features = np.array([[1, 1, 1, 1], [1, -1, -1, -1], [1, 1, -1, -1], [0, 0, 0, 0.0]]).T
    found = error_correlation(["a", "b", "c", "d"], features[:, :, None], targets)
    assert found["b"]["c"] == pytest.approx(1 / np.sqrt(3))
    assert found["c"]["c"] == pytest.approx(1.0)
    assert found["a"]["b"] == 0.0  # an error that is the same everywhere does not vary
    assert found["c"]["d"] == 0.0


@pytest.mark.parametrize("name", ["mean", "greedy", "nnls"])
def test_the_cost_of_a_run_is_that_of_an_ensemble_of_the_others(name):
    problem = features, targets, folds = make_problem(1)
    fits = fit_all(problem, ["mean", name] if name != "mean" else ["mean"])
    found = costs_without(fits, name, RUNS, features, 0)
    assert found["candidate"] == name
    for number, run in enumerate(RUNS):
        others = np.delete(features, number, axis=1)
        smaller = cross_fit(["mean", name], SMALL, others, targets, folds, 0)
        expected = smaller.score(name) - fits.score(name)
        assert found["runs"][run]["difference"] == pytest.approx(expected, abs=1e-9)
        assert found["runs"][run]["se"] > 0
        assert found["runs"][run]["difference"] > 0  # three equal runs: each helps


def test_where_no_blend_is_chosen_the_most_fitted_one_stands_for_it_and_says_so():
    features, targets, folds = make_problem(2, n=60)
    fits = fit_all((features, targets, folds), ["mean", "greedy", "nnls", "ridge"])
    assert costs_without(fits, "ridge", RUNS, features, 0)["candidate"] == "nnls"
    fits = fit_all((features, targets, folds), ["mean", "ridge"])
    assert costs_without(fits, "ridge", RUNS, features, 0)["candidate"] == "mean"


def test_a_run_alone_cannot_be_left_out():
    features, targets, folds = make_problem(3, n=60, n_runs=1)
    found = costs_without(fit_all((features, targets, folds)), "mean", ["x"], features, 0)
    assert found == {"candidate": "mean", "runs": {}}


def test_the_card_the_screen_and_the_report_say_what_the_choice_rests_on(
    tmp_path, monkeypatch, capsys
):
    use_root(monkeypatch, tmp_path)
    save_project(n=90)
    run_here(monkeypatch, "--candidates", "best,greedy,nnls")
    printed = capsys.readouterr().out
    card = json.loads(paths.ensemble_csv("tiny", "gz37").with_suffix(".json").read_text())
    rows = card["candidates"]
    assert rows[card["best"]]["minus_best"] == 0
    assert rows[card["chosen"]]["minus_best"] <= rows[card["chosen"]]["minus_best_se"]
    simpler = list(rows)[: list(rows).index(card["chosen"])]
    assert all(rows[name]["minus_best"] > rows[name]["minus_best_se"] for name in simpler)
    cost = card["without"]["runs"]["gz37/run0"]
    assert f"{cost['difference']:+.5f} ± {cost['se']:.5f}" in printed
    assert f"run1 {card['error_correlation']['gz37/run0']['gz37/run1']:.2f}" in printed
    assert f"chosen is {card['rule']}" in printed

    section = ensemble_section(load_evaluation("gz37", [], None, tmp_path / "reports"))
    assert section is not None
    candidates, costs, correlation = (table for _, table in section.tables)
    assert candidates["candidate"].tolist() == list(rows)
    assert costs["run"].tolist() == correlation["run"].tolist() == ["gz37/run0", "gz37/run1"]
    assert costs["without it"][0].startswith(f"{cost['difference']:+.5f}")
