"""Ensembles by their names: the runs that are trained here, else the tables that are kept."""

from argparse import Namespace
from pathlib import Path

import pytest

import ensemble
from galaxyzoo.core.paths import oof_csv


def taken(*runs: str) -> Namespace:
    options = Namespace(runs=[*runs], external=[], dataset=None, candidates="")
    ensemble.take_ensemble(options)
    return options


@pytest.fixture
def both(configs: Path, root: Path) -> None:
    """An ensemble with a run and with tables of it."""
    (configs / "ensembles").mkdir()
    (root / "kept" / "one").mkdir(parents=True)
    text = f"runs: [gz37/one]\ntables: {root}/kept\ndataset: mini\ncandidates: [mean]\n"
    (configs / "ensembles" / "both.yaml").write_text(text)


def test_tables_stand_in_where_no_run_is_trained(both: None, root: Path) -> None:
    options = taken("both")
    assert (options.runs, options.dataset) == (["external/one"], "mini")
    folder = root / "kept" / "one"
    assert options.external == [("one", folder / "oof.csv.gz", folder / "test.csv.gz")]
    trained = oof_csv("other", "gz37/one")
    trained.parent.mkdir(parents=True)
    trained.write_text("")
    options = taken("both")
    assert (options.runs, options.dataset, options.external) == (["gz37/one"], None, [])
    assert options.candidates == "mean"
