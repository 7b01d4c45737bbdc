"""The section on symmetry: differences between the views of a galaxy."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core import paths
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.inference.oof import VAL_SPREAD, VAL_TABLE
from galaxyzoo.io.tables import write_predictions
from galaxyzoo.reports.evaluate import load_evaluation
from galaxyzoo.reports.networks import symmetry_section
from support.ensemble_fixtures import (
    COLUMNS,
    NETWORK_RUNS,
    finish_fold,
    save_networks,
    save_project,
    use_root,
)


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
    save_networks(catalog, spread=False)
    assert section_text(tmp_path) is None


def test_the_spread_is_that_of_single_networks(catalog: Catalog, tmp_path: Path) -> None:
    """By hand: half of the galaxies differ by 0.3 and are off by 0.3, the others by 0.1."""
    save_networks(catalog)
    large = np.arange(len(catalog.ids)) % 2 == 0
    size = np.where(large, 0.3, 0.1)[:, None]
    votes = catalog.train[COLUMNS]
    for run in NETWORK_RUNS:
        for fold in range(catalog.n_folds):
            own, folder = catalog.folds == fold, paths.fold_dir(catalog.dataset, run, fold)
            write_predictions(folder / VAL_TABLE, votes[own] + size[own])
            spread = pd.DataFrame(0.0, votes.index[own], COLUMNS) + size[own]
            write_predictions(folder / VAL_SPREAD, spread)
            finish_fold(run, catalog, fold)
    text = section_text(tmp_path)
    assert text is not None
    assert "differ by 0.2236 " in text  # sqrt((0.3² + 0.1²) / 2)
    assert "rank correlation of 0.8" in text  # halves tie in the spread, rounding orders errors
