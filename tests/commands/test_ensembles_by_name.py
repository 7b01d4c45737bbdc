"""Ensembles by their names: the runs that are trained here, else the tables that are kept."""

from argparse import Namespace
from pathlib import Path

import pytest

from galaxyzoo.commands import ensemble
from galaxyzoo.core.paths import oof_csv


def taken(*runs: str, task: str | None = None) -> Namespace:
    options = Namespace(runs=[*runs], external=[], dataset=None, candidates="", task=task)
    ensemble.take_ensemble(options)
    return options


@pytest.fixture
def both(configs: Path, root: Path) -> None:
    """An ensemble with a run and with tables of it."""
    (configs / "ensembles").mkdir()
    text = (
        f"runs: [gz37/one, hubble10/two]\ntables: {root}/kept\ndataset: mini\ncandidates: [mean]\n"
    )
    (configs / "ensembles" / "both.yaml").write_text(text)


def test_tables_stand_in_where_no_run_is_trained(both: None, root: Path) -> None:
    options = taken("both")
    assert (options.runs, options.dataset) == (["external/one", "external/two"], "mini")
    assert options.task == "hubble10"  # votes serve the classes
    kept = [("one", root / "kept/gz37/recipes/one"), ("two", root / "kept/hubble10/recipes/two")]
    assert options.external == [(name, p / "oof.csv.gz", p / "test.csv.gz") for name, p in kept]
    assert taken("both", task="anomaly4").task == "anomaly4"
    trained = oof_csv("other", "gz37/one")
    trained.parent.mkdir(parents=True)
    trained.write_text("")
    options = taken("both")
    assert (options.runs, options.dataset, options.external) == (
        ["gz37/one", "hubble10/two"],
        None,
        [],
    )
    assert options.candidates == "mean"
