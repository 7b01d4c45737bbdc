"""A table and its score card are two files: a kill between them must never go unnoticed."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from galaxyzoo.commands import ensemble
from galaxyzoo.core import files
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.tasks.registry import TASKS
from support.kills import killed_before
from support.problems import draw_run
from support.refusals import listing
from support.trained import save_project, save_run


@pytest.fixture
def catalog(root: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    monkeypatch.setattr(sys, "argv", ["ensemble.py", "--candidates", "mean,greedy"])
    return save_project()


def add_better_run(catalog: Catalog) -> None:
    rng = np.random.default_rng(8)
    oof = draw_run(rng, catalog.targets(TASKS["gz37"]), 0.01)
    save_run(catalog, "gz37/best", oof, np.full((len(catalog.test_ids), 37), 0.5))


def test_an_ensemble_killed_over_an_older_one_is_made_again(catalog, tmp_path):
    folder = tmp_path / "submissions"
    ensemble.main()
    shutil.copytree(folder, tmp_path / "older")
    add_better_run(catalog)
    for path in (folder / "tiny/gz37/all").glob("[op]*.*"):
        path.unlink()
    ensemble.main()
    expected = listing(folder)
    for name in ("oof.csv", "predictions.json", "predictions.csv"):
        shutil.copytree(tmp_path / "older", folder, dirs_exist_ok=True)
        with killed_before(name):
            ensemble.main()
        ensemble.main()
        assert listing(folder) == expected, name


def test_an_ensemble_that_waits_reads_what_is_there_afterwards(catalog, monkeypatch, tmp_path):
    """Another process makes the ensemble and then trains a run anew while this one waits."""
    rng = np.random.default_rng(9)

    @contextmanager
    def waiting(path: Path, what: str) -> Iterator[None]:
        if "ensemble" in what:
            oof = draw_run(rng, catalog.targets(TASKS["gz37"]), 0.01)
            save_run(catalog, "gz37/run0", oof, np.full((len(catalog.test_ids), 37), 0.5))
        yield

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "hold_lock", waiting)
        ensemble.main()
    found = listing(tmp_path / "submissions")
    ensemble.main()
    assert listing(tmp_path / "submissions") == found


def test_tables_of_a_killed_ensemble_leave_an_older_card(catalog, monkeypatch, tmp_path):
    """Killed once the new out-of-fold table is there; then the older ensemble is asked for."""
    ensemble.main()
    found = listing(tmp_path / "submissions")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ensemble.py", "all", "--candidates", "nnls"])
        with killed_before("predictions.json"):
            ensemble.main()
    assert listing(tmp_path / "submissions") != found
    ensemble.main()
    assert listing(tmp_path / "submissions") == found
