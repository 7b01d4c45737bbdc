"""The command that makes intervals, from the files of an ensemble and its runs."""

import json
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ensemble
import intervals
from galaxyzoo.core import files, launch, paths
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.ensemble.intervals import are_held, coverage_by_third, interval_scores, read_spreads
from support.ensemble_fixtures import COLUMNS, save_project, use_root
from support.interval_fixtures import RUNS, save_folds
from support.kaggle_fixtures import listing


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """An ensemble of two runs whose folds have left no tables."""
    use_root(monkeypatch, tmp_path)
    catalog = save_project(n=240, n_test=12)
    monkeypatch.setattr(sys, "argv", ["ensemble.py", "--candidates", "mean"])
    ensemble.main()
    return catalog


def make(monkeypatch: pytest.MonkeyPatch, *words: str) -> dict[str, Any]:
    monkeypatch.setattr(sys, "argv", ["intervals.py", *words])
    launch.run_main(intervals.main)
    return json.loads(paths.intervals_csv("tiny", "gz37").with_suffix(".json").read_text())


def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        make(monkeypatch, *words)
    assert stopped.value.code == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert not paths.intervals_csv("tiny", "gz37").exists()
    return lines[0]


def test_every_test_galaxy_gets_an_interval_of_every_answer(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_folds(catalog)
    card = make(monkeypatch, "--level", "0.85")
    table = pd.read_csv(paths.intervals_csv("tiny", "gz37"), index_col="GalaxyID")
    assert table.index.tolist() == catalog.test_ids.tolist()
    assert list(table.columns[:3]) == ["Class1.1_lower", "Class1.1_upper", "Class1.2_lower"]
    predictions = pd.read_csv(paths.ensemble_csv("tiny", "gz37"), index_col="GalaxyID")
    for column in COLUMNS:
        assert (table[f"{column}_lower"] <= predictions[column]).all()
        assert (table[f"{column}_upper"] >= predictions[column]).all()
    assert table.min().min() >= 0
    assert table.max().max() <= 1
    assert list(card["levels"]) == ["0.5", "0.8", "0.85", "0.9", "0.95"]
    for level, scores in card["levels"].items():
        assert scores["coverage"] == pytest.approx(float(level), abs=0.04)
    assert card["spread_of_runs"] == card["spread_of_views"] == list(RUNS)
    assert set(card["others"]) == {
        "without spreads",
        "constant width",
        "runs' spread times a factor",
    }
    assert "0.85" in capsys.readouterr().out
    again = listing(paths.submissions_dir())
    make(monkeypatch, "--level", "0.85")
    assert listing(paths.submissions_dir()) == again


def test_runs_without_tables_of_their_folds_leave_intervals_without_spreads(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    card = make(monkeypatch)
    assert "gz37/run0 has no say in the spreads: folds/tiny/gz37/run0" in capsys.readouterr().out
    assert card["spread_of_runs"] == card["spread_of_views"] == []
    assert list(card["others"]) == ["constant width"]
    spreads = read_spreads(["external/theirs"], catalog)
    assert spreads.problems == [
        "external/theirs has no say in the spreads: only its mean over networks came"
    ]
    save_folds(catalog, spread=False)  # as an earlier version left them
    card = make(monkeypatch)
    assert card["spread_of_runs"] == list(RUNS)
    assert card["spread_of_views"] == []


def test_spreads_mean_the_same_on_both_sides(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The noise of single networks is alike, though that of their mean over folds is smaller."""
    save_folds(catalog)
    test = make(monkeypatch)["test"]
    for name in ("spread of runs", "spread of views"):
        assert test[name] == pytest.approx(test[f"{name}, training"], rel=0.1)


def test_a_galaxy_without_an_image_gets_the_training_galaxies_own_range(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    card_path = paths.ensemble_csv("tiny", "gz37").with_suffix(".json")
    card = json.loads(card_path.read_text())
    card["unreadable_test_images"] = [int(catalog.test_ids[3])]
    card_path.write_text(json.dumps(card))
    make(monkeypatch, "--level", "0.8")
    table = pd.read_csv(paths.intervals_csv("tiny", "gz37"), index_col="GalaxyID")
    row = table.loc[catalog.test_ids[3]]
    votes = catalog.train["Class1.1"]
    inside = votes.between(row["Class1.1_lower"] - 1e-8, row["Class1.1_upper"] + 1e-8)
    assert inside.sum() == 194  # of 241 places 48 are left out, of 240 galaxies 46 or so


def test_what_intervals_cannot_be_made_of_is_one_line(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--level 90 must lie between 0 and 1" in refused(monkeypatch, capsys, "--level", "90")
    oof = paths.ensemble_oof_csv("tiny", "gz37")
    whole = oof.read_bytes()
    oof.write_bytes(whole.replace(b"0.", b"0.0", 1))
    said = refused(monkeypatch, capsys)
    assert "oof.csv is missing or not the table of" in said
    assert "src/ensemble.py" in said
    oof.write_bytes(whole)
    taken = paths.oof_csv("tiny", "gz37/intervals")
    taken.write_text("GalaxyID\n")
    assert "run 'gz37/intervals' has its table where" in refused(monkeypatch, capsys)
    taken.unlink()
    paths.ensemble_csv("tiny", "gz37").with_suffix(".json").unlink()
    assert "predictions.json is missing" in refused(monkeypatch, capsys)


def test_two_folds_are_too_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    use_root(monkeypatch, tmp_path)
    save_project(n_folds=2)
    assert "has 2, at least 3 are needed" in refused(monkeypatch, capsys)


def test_the_ensembles_lock_is_held(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    held, holding = list[Path](), files.holding

    def spy(path: Path, what: str) -> AbstractContextManager[None]:
        held.append(path)
        return holding(path, what)

    monkeypatch.setattr(files, "holding", spy)
    make(monkeypatch)
    assert held == [paths.ensemble_csv("tiny", "gz37").parent / files.LOCK]


def test_the_interval_score_by_hand() -> None:
    ends = np.array([[[0.2, 0.5]], [[0.2, 0.5]], [[0.2, 0.5]]])
    targets = np.array([[0.2], [0.1], [0.6]])
    assert are_held(targets, ends).ravel().tolist() == [True, False, False]
    assert interval_scores(targets, ends, 0.8).ravel() == pytest.approx([0.3, 1.3, 1.3])


def test_coverage_by_thirds_by_hand() -> None:
    ends = np.tile([0.2, 0.5], (6, 2, 1))
    targets = np.array([[0.3, 0.3], [0.3, 0.9], [0.9, 0.3], [0.3, 0.9], [0.9, 0.3], [0.9, 0.9]])
    values = np.array([[1, 6], [2, 5], [3, 4], [4, 3], [5, 2], [6, 1.0]])
    # column one from small to large: both, one, none held; column two: one, one, one
    assert coverage_by_third(values, targets, ends) == [0.75, 0.5, 0.25]
