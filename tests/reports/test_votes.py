"""Errors and calibration of predicted vote fractions, and the section on symmetry."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core import paths
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.inference.oof import VAL_SPREAD, VAL_TABLE
from galaxyzoo.io.tables import write_predictions
from galaxyzoo.reports.evaluate import load_evaluation
from galaxyzoo.reports.votes import (
    galaxy_rmse,
    question_rmse,
    summarise_vote_calibration,
    symmetry_section,
    vote_calibration,
)
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from support.ensemble_fixtures import COLUMNS, save_project, use_root
from support.interval_fixtures import RUNS, save_folds


def test_errors_per_question_and_galaxy_are_those_of_plain_loops():
    rng = np.random.default_rng(2)
    targets, predictions = rng.uniform(size=(7, 37)), rng.uniform(size=(7, 37))
    for question, value in zip(
        GALAXY_ZOO_2.questions, question_rmse(predictions, targets), strict=True
    ):
        places = [COLUMNS.index(column) for column in question.columns]
        errors = [(predictions[i, j] - targets[i, j]) ** 2 for i in range(7) for j in places]
        assert value == pytest.approx((sum(errors) / len(errors)) ** 0.5)
    first = sum((predictions[0] - targets[0]) ** 2) / 37
    assert galaxy_rmse(predictions, targets)[0] == pytest.approx(first**0.5)


def test_vote_calibration_of_a_case_worked_by_hand():
    """Answer a: the lower two are voted 0.1 more than predicted, the upper two 0.3 less."""
    predictions = np.array([[0.9, 0.5], [0.1, 0.5], [0.3, 0.5], [0.7, 0.5]])
    votes = np.array([[0.4, 0.6], [0.2, 0.6], [0.4, 0.4], [0.6, 0.4]])
    table = vote_calibration(predictions, votes, ["a", "b"], n_bins=2)
    assert table["answer"].tolist() == ["a", "a", "b", "b"]
    assert table["galaxies"].tolist() == [2, 2, 2, 2]
    np.testing.assert_allclose(table["predicted"], [0.2, 0.8, 0.5, 0.5])
    np.testing.assert_allclose(table["voted"], [0.3, 0.5, 0.6, 0.4])
    summary = summarise_vote_calibration(table)
    np.testing.assert_allclose(summary.loc["a"], [0.1, 0.2], atol=1e-12)  # bias, error
    np.testing.assert_allclose(summary.loc["b"], [0.0, 0.1], atol=1e-12)
    assert len(vote_calibration(predictions[:1], votes[:1], ["a", "b"])) == 2


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    use_root(monkeypatch, tmp_path)
    return save_project(n=120, n_test=6)


def section_text(tmp_path: Path) -> str | None:
    section = symmetry_section(load_evaluation("gz37", [], None, tmp_path / "reports"))
    if section is None:
        return None
    for _, picture in section.pictures:
        assert picture.read_bytes()[:4] == b"\x89PNG"
    return section.text


def test_no_run_has_noted_its_spread(catalog: Catalog, tmp_path: Path) -> None:
    assert section_text(tmp_path) is None
    save_folds(catalog, spread=False)
    assert section_text(tmp_path) is None


def test_the_spread_is_that_of_single_networks(catalog: Catalog, tmp_path: Path) -> None:
    """By hand: half of the galaxies differ by 0.3 and are off by 0.3, the others by 0.1."""
    save_folds(catalog)
    large = np.arange(len(catalog.ids)) % 2 == 0
    size = np.where(large, 0.3, 0.1)[:, None]
    votes = catalog.train[COLUMNS]
    for run in RUNS:
        for fold in range(catalog.n_folds):
            own, folder = catalog.folds == fold, paths.fold_dir(catalog.dataset, run, fold)
            write_predictions(folder / VAL_TABLE, votes[own] + size[own])
            spread = pd.DataFrame(0.0, votes.index[own], COLUMNS) + size[own]
            write_predictions(folder / VAL_SPREAD, spread)
    text = section_text(tmp_path)
    assert text is not None
    assert "differ by 0.2236 " in text  # sqrt((0.3² + 0.1²) / 2)
    assert "rank correlation of 0.8" in text  # halves tie in the spread, rounding orders errors
