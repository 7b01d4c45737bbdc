"""From tables to a submission and its card: the command, correlations of errors, costs of runs."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core import files, paths
from galaxyzoo.ensemble.build import EnsembleBuild, costs_without, error_correlation
from galaxyzoo.ensemble.selection import CANDIDATES
from galaxyzoo.results.card import EnsembleCard
from galaxyzoo.results.layout import EnsembleFolder, RunFolder
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, VOLUNTEERS
from galaxyzoo.tasks.kinds import VoteTask
from galaxyzoo.tasks.registry import TASKS
from support.problems import fit_all, make_problem
from support.trained import (
    built,
    read_card,
    run_here,
    save_class_project,
    save_project,
    save_run,
    shuffle_tables,
)

SOURCE = paths.CODE_ROOT / "src"

RUNS = ["x", "y", "z"]


@pytest.mark.parametrize("task", ["gz37", "anomaly4"])
def test_shuffled_rows_columns_and_runs_give_the_same_bytes(root, monkeypatch, task):
    _ = save_project(n=45, n_runs=3) if task == "gz37" else save_class_project()
    run_here(monkeypatch, "--task", task, "run0", "run1", "run2")
    folder = root / "submissions" / "tiny" / task / "run0+run1+run2"
    written = [folder / name for name in ("predictions.csv", "predictions.json")]
    before = [path.read_bytes() for path in written]
    for i in range(3):
        shuffle_tables(f"{task}/run{i}", seed=i)
    run_here(monkeypatch, "--task", task, "run2", f"{task}/run0", "run1", "run0")
    assert [path.read_bytes() for path in written] == before
    published = root / "submissions" / "predictions.csv"
    assert published.exists() == (task == "gz37")  # the competition's place


def test_after_an_import_the_ensemble_of_its_task_comes_next(root, monkeypatch, capsys):
    save_class_project()
    run = RunFolder("tiny", "anomaly4/run0")
    run_here(monkeypatch, "--import", f"anomaly4/copy={run.oof_csv},{run.test_csv}")
    assert capsys.readouterr().out.endswith("ensemble.py all --task anomaly4 --dataset tiny\n")


def test_the_submission_is_the_blend_of_test_tables_that_the_card_states(root, monkeypatch):
    catalog = save_project(n=90)
    run_here(monkeypatch, "--candidates", "greedy")
    card = read_card()
    weights = card["model"]["weights"]
    assert card["chosen"] == "greedy"
    assert 0.5 < weights["gz37/run0"] < 1.0  # the two runs are told apart
    tables = {run: pd.read_csv(RunFolder("tiny", run).test_csv, index_col=0) for run in weights}
    blend = sum(weights[run] * tables[run].loc[catalog.test_ids].to_numpy() for run in weights)
    written = pd.read_csv(built("gz37").csv, index_col=0)
    expected = GALAXY_ZOO_2.project(np.clip(blend, 0, 1))
    assert written.index.tolist() == catalog.test_ids.tolist()
    np.testing.assert_allclose(written.to_numpy(), expected, atol=1e-6)


def test_lost_cross_fitted_predictions_are_made_again(root, monkeypatch, capsys):
    catalog = save_project(n=30)
    run_here(monkeypatch, "--candidates", "mean,nnls")
    card = read_card()
    path = built("gz37").oof_csv
    before = path.read_bytes()
    table = pd.read_csv(path, index_col="GalaxyID")
    assert table["fold"].tolist() == catalog.folds.tolist()
    values = table[catalog.label_columns].to_numpy()
    targets = catalog.targets(TASKS["gz37"])
    assert np.sqrt(np.mean((values - targets) ** 2)) == pytest.approx(card["score"], abs=1e-8)
    path.unlink()
    run_here(monkeypatch, "--candidates", "mean,nnls")
    assert path.read_bytes() == before
    capsys.readouterr()
    run_here(monkeypatch, "--candidates", "mean,nnls")
    assert "is up to date" in capsys.readouterr().out


def test_new_test_predictions_alone_make_an_ensemble_again(root, monkeypatch, capsys):
    catalog = save_project(n=30)
    run = "gz37/run0"
    run_here(monkeypatch, "--candidates", "mean,nnls")
    before = built("gz37").csv.read_bytes()
    oof = pd.read_csv(RunFolder("tiny", run).oof_csv, index_col="GalaxyID")[catalog.label_columns]
    save_run(catalog, run, oof.to_numpy(), np.full((len(catalog.test_ids), 37), 0.5))
    capsys.readouterr()
    run_here(monkeypatch, "--candidates", "mean,nnls")
    assert "is up to date" not in capsys.readouterr().out
    assert built("gz37").csv.read_bytes() != before


@pytest.mark.parametrize(
    "words",
    [
        ("all",),
        ("all", "--candidates", "mean,nnls"),
        ("all", "--candidates", "mean", "--name", "pair"),
        ("gz37/run0", "--candidates", "mean"),
    ],
)
def test_a_cards_command_builds_the_same_ensemble(root, monkeypatch, capsys, words):
    save_project(n=30)
    run_here(monkeypatch, *words)
    (folder,) = (path.parent for path in root.glob("submissions/tiny/gz37/*/predictions.csv"))
    card = EnsembleCard.of(EnsembleFolder("tiny", "gz37", folder.name))
    capsys.readouterr()
    _, script, *command = card.command().split()
    assert script == "src/ensemble.py"
    run_here(monkeypatch, *command)
    assert f"ensemble {folder.name} is up to date:" in capsys.readouterr().out


@pytest.mark.pinned  # older lightgbms import Matplotlib
def test_the_card_is_read_before_a_process_that_waited_replaces_it(root, monkeypatch):
    catalog = save_project(n=30)
    candidates = {name: CANDIDATES[name] for name in ("mean", "nnls")}
    runs = ["gz37/run0", "gz37/run1"]
    build = EnsembleBuild(TASKS["gz37"], catalog, runs, candidates, "both")
    hold = files.hold_lock

    @contextmanager
    def hold_before_another(path: Path, activity: str) -> Iterator[None]:
        with hold(path, activity):
            yield
        build.files.card.write_text("{}")

    monkeypatch.setattr(files, "hold_lock", hold_before_another)
    card, is_new = build.build()
    assert (card.name, is_new) == ("both", True)


def test_the_command_runs_from_tables_to_submission_without_torch(root):
    catalog = save_project(n=45, n_folds=3, n_runs=2)
    watched = (
        f"import runpy, sys; runpy.run_path({str(SOURCE / 'ensemble.py')!r}, run_name='__main__');"
        "assert not {'torch', 'timm', 'PIL'} & set(sys.modules), 'network or image package'"
    )
    env = {**os.environ, "GALAXYZOO_ROOT": str(root), "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", watched]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    card = json.loads((root / "submissions/tiny/gz37/all/predictions.json").read_text())
    assert card["simplest_first"] == list(CANDIDATES)
    scores = {name: row["score"] for name, row in card["candidates"].items()}
    assert scores[card["best"]] == min(scores.values())
    assert card["score"] == scores[card["chosen"]]
    assert set(card["nested"]["choices"]) == {"0", "1", "2"}
    assert f"chosen: {card['chosen']}" in done.stdout
    written = (root / "submissions/tiny/gz37/all/predictions.csv").read_bytes()
    assert written == (root / "submissions/predictions.csv").read_bytes()
    assert len(written.splitlines()) == 1 + len(catalog.test_ids)


def test_correlation_worked_by_hand_and_with_a_run_that_never_errs():
    errors = np.array([[1, 1, 1, 1], [1, -1, -1, -1], [1, 1, -1, -1], [0, 0, 0, 0.0]])
    found = error_correlation(["a", "b", "c", "d"], errors.T[:, :, None])
    assert found["b"]["c"] == pytest.approx(1 / np.sqrt(3))
    assert found["c"]["c"] == pytest.approx(1.0)
    assert found["a"]["b"] == 0.0  # an error that is the same everywhere does not vary
    assert found["c"]["d"] == 0.0


@pytest.mark.parametrize("alike", [0.0, 0.5])
def test_correlation_without_the_votes_noise_is_that_of_the_errors_of_the_true_fractions(alike):
    rng = np.random.default_rng(1)
    odds = rng.random((3000, 37)) ** 2
    fractions = GALAXY_ZOO_2.to_vote_fractions(odds, odds)
    votes = GALAXY_ZOO_2.draw(odds, VOLUNTEERS, rng)
    common, ours, theirs = 0.06 * rng.standard_normal((3, *votes.shape))
    runs = [np.sqrt(alike) * common + np.sqrt(1 - alike) * own for own in (ours, theirs)]
    errors = np.stack(runs, axis=1) + (fractions - votes)[:, None]
    task = TASKS["gz37"]
    assert isinstance(task, VoteTask)
    noise = task.vote_noise(votes)
    for columns in [slice(None), *task.groups]:
        part = errors[..., columns]
        without_noise = error_correlation(["a", "b"], part, noise[:, columns].mean())
        assert without_noise["a"]["b"] == pytest.approx(alike, abs=0.08)
        assert without_noise["a"]["a"] == pytest.approx(1.0)
    share = noise.mean() / (noise.mean() + 0.06**2)
    raw = error_correlation(["a", "b"], errors)["a"]["b"]
    assert raw == pytest.approx(share + (1 - share) * alike, abs=0.02)
    assert share > 0.25
    assert error_correlation(["a", "b"], errors, 1.0)["a"]["b"] == 0.0  # more noise than errors


@pytest.mark.parametrize("name", ["mean", "greedy", "nnls"])
def test_the_cost_of_a_run_is_that_of_an_ensemble_of_the_others(name):
    problem = features, targets, folds = make_problem(1)
    names = list(dict.fromkeys(["mean", name]))
    fits = fit_all(problem, names)
    found = costs_without(fits, name, RUNS)
    assert found["candidate"] == name
    for number, run in enumerate(RUNS):
        others = np.delete(features, number, axis=1)
        smaller = fit_all((others, targets, folds), names)
        expected = smaller.score(name) - fits.score(name)
        assert found["runs"][run]["difference"] == pytest.approx(expected, abs=1e-9)
        assert found["runs"][run]["se"] > 0
        assert found["runs"][run]["difference"] > 0  # three equal runs: each helps
