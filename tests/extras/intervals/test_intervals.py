"""The command that makes intervals, from the files of an ensemble and its runs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.manifest import write_sealed
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.ensemble import fitted
from galaxyzoo.ensemble.fitted import load_fitted, save_fitted
from galaxyzoo.extras.intervals import intervals
from galaxyzoo.extras.intervals.conformal import Column
from galaxyzoo.extras.intervals.intervals import (
    intervals_csv,
    load_intervals,
    scale_features,
    score_intervals,
)
from galaxyzoo.results.layout import RunFolder, submissions_dir
from galaxyzoo.tasks.registry import get_task
from support.problems import COLUMNS
from support.refusals import listing, one_line_refusal
from support.trained import built, run_command, run_here, save_project


@pytest.fixture
def catalog(root: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """An ensemble of two runs."""
    catalog = save_project(n=240, n_test=12)
    run_here(monkeypatch, "--candidates", "mean")
    return catalog


def make(monkeypatch: pytest.MonkeyPatch, *options: str) -> dict[str, Any]:
    run_command(monkeypatch, "intervals", *options)
    return json.loads(intervals_csv(built("gz37")).with_suffix(".json").read_text())


def test_every_test_galaxy_gets_an_interval_of_every_answer(catalog, monkeypatch, capsys):
    card = make(monkeypatch, "0.85", "ensemble:all")  # as other commands want its name
    table = pd.read_csv(intervals_csv(built("gz37")), index_col="GalaxyID")
    assert table.index.tolist() == catalog.test_ids.tolist()
    assert list(table.columns[:3]) == ["Class1.1_lower", "Class1.1_upper", "Class1.2_lower"]
    predictions = pd.read_csv(built("gz37").csv, index_col="GalaxyID")
    for column in COLUMNS:
        assert (table[f"{column}_lower"] <= predictions[column]).all()
        assert (table[f"{column}_upper"] >= predictions[column]).all()
    assert table.min().min() >= 0
    assert table.max().max() <= 1
    assert list(card["levels"]) == ["0.5", "0.8", "0.85", "0.9", "0.95"]
    for level, scores in card["levels"].items():
        assert scores["coverage"] == pytest.approx(float(level), abs=0.04)
    answers = list(card["levels"]["0.85"]["coverage_per_column"].values())
    assert np.mean(answers) == pytest.approx(card["levels"]["0.85"]["coverage"], abs=1e-5)
    assert "0.85" in capsys.readouterr().out
    again = listing(submissions_dir())
    make(monkeypatch, "0.85")
    assert listing(submissions_dir()) == again

    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(intervals, "_score_levels", stop)
    with pytest.raises(KeyboardInterrupt):
        make(monkeypatch, "0.9")
    assert listing(submissions_dir()) == again  # no bounds beside the card of another level


def test_of_a_galaxy_without_an_image_nothing_is_known(catalog, monkeypatch):
    card_path = built("gz37").csv.with_suffix(".json")
    card = json.loads(card_path.read_text())
    card["unreadable_test_images"] = [int(catalog.test_ids[3])]
    write_sealed(card_path, card)
    make(monkeypatch, "0.8")
    table = pd.read_csv(intervals_csv(built("gz37")), index_col="GalaxyID")
    assert (table.loc[catalog.test_ids[3]].to_numpy().reshape(-1, 2) == (0, 1)).all()


def test_a_mistake_is_one_line(catalog, monkeypatch):
    def refused(*options: str) -> str:
        return one_line_refusal(make, monkeypatch, *options)

    for word in ("90", "0", "1", "0.0", "-0.5", "nan", "run0"):
        line = f"'{word}' is neither an ensemble built on tiny (all) nor a level between 0 and 1"
        assert line in refused("0.9", word)
    line = "name one ensemble and one level between 0 and 1, such as default 0.9"
    for words in (["0.9", "run0", "run1"], ["all", "0.9", ".8"], ["all", "90"], ["all", "1.0"]):
        assert line in refused(*words)
    oof = built("gz37").oof_csv
    whole = oof.read_bytes()
    oof.write_bytes(whole.replace(b"0.", b"0.0", 1))
    said = refused()
    assert "oof.csv is missing or does not match" in said
    assert "src/ensemble.py" in said
    oof.write_bytes(whole)
    built("gz37").csv.with_suffix(".json").unlink()
    assert "(none yet): name one" in refused()
    assert not intervals_csv(built("gz37")).exists()


def test_an_ensemble_of_a_run_that_was_retrained_is_refused(catalog, monkeypatch):
    monkeypatch.setattr(fitted, "digest_networks", lambda *_: "others")
    for text in (
        one_line_refusal(make, monkeypatch),
        one_line_refusal(load_intervals, "tiny", "ensemble:all"),
    ):
        assert "was retrained later: type `python3 src/ensemble.py all --candidates mean" in text
    assert not intervals_csv(built("gz37")).exists()


@pytest.mark.parametrize("name", ["gz37/run0", "ensemble:all"])
def test_intervals_of_any_galaxies_hold_nine_in_ten(name, catalog, tmp_path):
    """Also after they were kept, and read again: as the column's own, at hand."""
    found = load_intervals("tiny", name)
    table = RunFolder("tiny", name).oof_csv if "run" in name else built("gz37").oof_csv
    oof = pd.read_csv(table, index_col="GalaxyID").loc[catalog.ids, list(COLUMNS)].to_numpy()
    oof = get_task("gz37").project(oof)
    targets = catalog.targets(get_task("gz37"))
    bounds = found.bounds(oof)
    held = (bounds[..., 0] <= targets) & (targets <= bounds[..., 1])
    assert held.mean() == pytest.approx(0.9, abs=0.03)
    features = scale_features(oof)
    for i in (0, 7, 36):
        column = Column(oof[:, i], features[:, i], targets[:, i], catalog.folds)
        (expected,) = column.calibrate([0.9]).intervals(oof[:, i], features[:, i])
        np.testing.assert_allclose(bounds[:, i], expected, atol=1e-6)
    path = tmp_path / "kept.safetensors"
    again = load_fitted(path, save_fitted(path, found))
    np.testing.assert_array_equal(again.bounds(oof), bounds)


def test_intervals_of_classes_and_of_two_folds_are_refused(root):
    save_project(n_folds=2)
    with pytest.raises(InputError, match="hubble10/cnn predicts classes"):
        load_intervals("tiny", "hubble10/cnn")
    with pytest.raises(InputError, match="at least 3 folds, but 'tiny' has 2"):
        load_intervals("tiny", "gz37/run0")


def test_scores_by_hand():
    bounds = np.array([[[0.2, 0.5]], [[0.2, 0.5]], [[0.2, 0.5]]])
    found = score_intervals(np.array([[0.2], [0.1], [0.6]]), bounds, 0.8, ["a"])
    assert found["score"] == pytest.approx((0.3 + 1.3 + 1.3) / 3)
    assert found["coverage"] == found["coverage_per_column"]["a"] == pytest.approx(1 / 3)
    assert found["coverage_se"] == pytest.approx(1 / 3)
    assert found["width"] == found["width_per_column"]["a"] == pytest.approx(0.3)
