"""Tables of a run, compressed: their content, and a run that is made of them."""

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core import files
from support.commands import dataset, table
from support.refusals import listing, one_line_refusal
from support.trained import run_command, run_here, save_project, save_theirs

RUN = "gz37/cnn"


def test_exported_tables_join_an_ensemble_as_the_run_does(project, tmp_path, monkeypatch):
    monkeypatch.setenv("GALAXYZOO_ROOT", str(project))
    folder = tmp_path / "tables"
    run_command(monkeypatch, "export", RUN, "--tables", "--output", folder)
    assert sorted(p.name for p in folder.iterdir()) == [
        *("config.yaml", "oof.csv.gz", "oof.json", "test.csv.gz")
    ]
    name = dataset(project)
    ours = table(project, "oof")
    packed = pd.read_csv(folder / "oof.csv.gz", index_col="GalaxyID")
    assert list(packed.columns) == list(ours.columns)
    assert list(packed.index) == list(ours.index)
    assert (packed["fold"] == ours["fold"]).all()
    assert np.abs(packed.to_numpy() - ours.to_numpy()).max() <= 5.1e-6
    submitted = table(project, "submissions")
    test = pd.read_csv(folder / "test.csv.gz", index_col="GalaxyID")
    assert list(test.index) == list(submitted.index)
    assert np.abs(test.to_numpy() - submitted.to_numpy()).max() <= 5.1e-6
    for path in folder.iterdir():
        assert str(project).encode() not in path.read_bytes(), path

    again = tmp_path / "again"
    run_command(monkeypatch, "export", RUN, "--tables", "--output", again)
    assert all((again / p.name).read_bytes() == p.read_bytes() for p in folder.iterdir())

    tables = f"packed={folder / 'oof.csv.gz'},{folder / 'test.csv.gz'}"
    run_here(monkeypatch, "--import", tables)
    packed = files.read_json(project / "oof" / name / "gz37/packed.json")
    own = files.read_json(project / "oof" / name / "gz37/cnn.json")
    assert packed["score"] == pytest.approx(own["score"], abs=1e-6)
    assert packed["about"] == own["about"]


def test_an_imported_runs_tables_are_where_they_came_from(root, tmp_path, monkeypatch):
    catalog = save_project()
    oof, test = save_theirs(catalog, tmp_path)
    run_here(monkeypatch, "--import", f"theirs={oof},{test}")
    before = listing(root)
    message = one_line_refusal(run_command, monkeypatch, "export", "gz37/theirs", "--tables")
    assert message.startswith("gz37/theirs was imported: its tables are where you")
    assert listing(root) == before
