"""External tables: their checks, which of them join an ensemble, and their marks."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.config.base import BUNDLED
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.ensemble import members
from galaxyzoo.ensemble.members import ExternalTable, make_tables
from galaxyzoo.ensemble.predictors import choose_default
from galaxyzoo.extras.reports.evaluate import load_evaluation
from galaxyzoo.results.layout import oof_dir
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.registry import TASKS
from support.class_fixtures import CLASSES, clear_votes
from support.ensemble_fixtures import (
    built,
    draw_run,
    read_card,
    run_here,
    save_external,
    save_project,
    save_run,
    use_root,
)
from support.refusals import one_line_refusal
from support.small_models import small_config

TASK = TASKS["gz37"]

QUICK = ("--candidates", "mean,nnls")
MARKED = "--possible-leakage", "them", *QUICK


@pytest.fixture
def catalog(tmp_path, monkeypatch):
    use_root(monkeypatch, tmp_path)
    return save_project(n=90)


def table_of(catalog: Catalog, folder: Path) -> ExternalTable:
    return make_tables([("them", *save_external(catalog, folder))], [])[0]


def test_an_external_table_joins_by_id_and_is_noted(catalog, tmp_path, monkeypatch, capsys):
    given = save_external(catalog, tmp_path)
    run_here(monkeypatch, "--external", "them", *given, *QUICK)
    card = read_card()
    assert list(card["runs"]) == ["external/them", "gz37/run0", "gz37/run1"]
    assert card["runs"]["external/them"] < 0.1  # rows in the wrong order would score 0.2
    assert card["possible_leakage"] == []
    noted = card["external"]["them"]
    assert (noted["used"], noted["possible_leakage"]) == (True, False)
    assert noted["score"] == card["runs"]["external/them"]
    assert card["score"] < 0.1
    before = built("gz37").csv.read_bytes()
    capsys.readouterr()
    run_here(monkeypatch, "--external", "them", *given, *QUICK)
    assert "nothing has changed" in capsys.readouterr().out
    assert built("gz37").csv.read_bytes() == before
    run_here(monkeypatch, *QUICK)
    assert read_card()["external"] == {}


def test_a_table_with_possible_leakage_joins_only_by_name(catalog, tmp_path, monkeypatch, capsys):
    given = "--external", "them", *save_external(catalog, tmp_path), *MARKED
    run_here(monkeypatch, *given)
    card, printed = read_card(), capsys.readouterr().out
    assert list(card["runs"]) == ["gz37/run0", "gz37/run1"]
    assert (card["external"]["them"]["used"], card["possible_leakage"]) == (False, [])
    assert "external/them is left out: it may have been trained on these galaxies" in printed
    assert "†" not in printed

    run_here(monkeypatch, "run0", "run1", "external/them", *given)
    card, printed = read_card(), capsys.readouterr().out
    assert list(card["runs"]) == ["external/them", "gz37/run0", "gz37/run1"]
    assert card["external"]["them"]["possible_leakage"]
    assert card["external"]["them"]["used"]
    assert card["possible_leakage"] == ["external/them"]
    assert "external/them †" in printed
    assert "every score of this ensemble is optimistic" in printed


def test_an_ensemble_of_external_tables_alone_has_a_submission_and_a_report(
    catalog, tmp_path, monkeypatch
):
    shutil.rmtree(oof_dir() / "tiny" / "gz37")
    with pytest.raises(InputError, match="oof/ holds no out-of-fold table of task 'gz37'"):
        load_evaluation("gz37", [], None, tmp_path)
    given = save_external(catalog, tmp_path)
    run_here(monkeypatch, "--dataset", "tiny", "--external", "them", *given, *QUICK)
    assert list(read_card()["runs"]) == ["external/them"]
    assert choose_default()[0].dataset == BUNDLED  # no networks are at hand that could predict
    submitted = pd.read_csv(built("gz37").csv, index_col="GalaxyID")
    assert submitted.index.tolist() == list(catalog.test_ids)
    found = load_evaluation("gz37", [], None, tmp_path)
    assert [result.run for result in found.results] == ["ensemble:all"]


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_fold_too_good_to_be_true_joins_by_name_alone_and_marked(
    catalog, tmp_path, monkeypatch, share
):
    """The labels themselves, and nearly so: errors of a third of the votes' scatter."""
    given = save_external(catalog, tmp_path)
    frame = pd.read_csv(given[0], index_col="GalaxyID")
    votes = catalog.train.loc[frame.index[frame["fold"] == 1], list(TASK.columns)]
    noise = np.random.default_rng(0).normal(size=votes.shape) * np.sqrt(votes * (1 - votes) / 43)
    frame.loc[votes.index, votes.columns] = votes + share * noise
    frame.to_csv(given[0])
    words = "--external", "them", *given, *QUICK
    text = one_line_refusal(run_here, monkeypatch, *words)
    assert re.search(r"their_oof.csv, fold 1: RMSE 0\.0\d+ is too good to be true", text)
    assert "add --possible-leakage them and name external/them" in text
    run_here(monkeypatch, "external/them", "--possible-leakage", "them", *words)
    assert read_card()["possible_leakage"] == ["external/them"]


def test_tables_of_votes_serve_a_class_task_by_its_rule(catalog, tmp_path):
    whole = clear_votes(catalog)
    table = table_of(whole, tmp_path)
    own, answers = whole.for_task(CLASSES), ["Class1.1", "Class1.2"]
    votes = pd.DataFrame(table.load_oof(TASK, whole), whole.ids, list(TASK.columns))
    by_hand = votes.loc[own.ids, answers]
    by_hand = by_hand.div(by_hand.sum(axis=1), axis=0)
    assert len(own.ids) < len(whole.ids)
    np.testing.assert_allclose(table.load_oof(CLASSES, whole), by_hand, atol=1e-6)
    np.testing.assert_allclose(table.load_test(CLASSES, whole), np.full((10, 2), 0.5), atol=1e-6)
    frame = pd.read_csv(table.oof_path)
    outside = frame["GalaxyID"].isin(set(whole.ids) - set(own.ids)).idxmax()
    frame.loc[outside, "fold"] = (frame["fold"][outside] + 1) % 3  # of no class, yet of this table
    frame.to_csv(table.oof_path, index=False)
    with pytest.raises(InputError, match=r"another split.*1 such"):
        table.load_oof(CLASSES, whole)


def test_numbers_of_another_unit_are_refused(catalog, tmp_path):
    table = table_of(catalog, tmp_path)
    frame = pd.read_csv(table.oof_path).assign(**{"Class2.1": 30.0})
    frame.to_csv(table.oof_path, index=False)
    with pytest.raises(InputError, match="30 is not a fraction between 0 and 1"):
        table.load_oof(TASK, catalog)


def test_a_test_table_needs_all_test_galaxies_and_no_folds(catalog, tmp_path):
    table = table_of(catalog, tmp_path)
    values = table.load_test(TASK, catalog)
    assert values.shape == (10, 37)
    assert GALAXY_ZOO_2.residuals(values).max() < 1e-6  # made valid, as our own tables are
    pd.read_csv(table.test_path).iloc[1:].to_csv(table.test_path, index=False)
    with pytest.raises(InputError, match=r"their_test.csv lacks GalaxyID"):
        table.load_test(TASK, catalog)


@pytest.mark.parametrize(
    ("model", "seen"),
    [
        ({"name": "hf_hub:mwalmsley/zoobot-encoder-convnext_nano"}, True),
        ({"name": "hf-hub:mwalmsley/Zoobot-encoder-resnet18"}, True),
        ({"name": "resnet18", "weights_file": "weights/zoobot_resnet18.safetensors"}, True),
        ({"name": "resnet18", "weights_file": "weights/resnet18.safetensors"}, False),
    ],
)
def test_zoobots_weights_are_known_by_name(model, seen):
    assert small_config(model=model).possible_leakage is seen


def test_zoobots_weights_are_known_however_far_back():
    stages: list[dict[str, object]] = [{"name": name} for name in ("one", "two", "three")]
    assert not small_config(stages=stages).possible_leakage
    stages[0]["model"] = {"name": "hf_hub:mwalmsley/zoobot-encoder-resnet18"}
    assert small_config(stages=stages).possible_leakage


def test_a_run_with_possible_leakage_is_left_out_unless_asked_for(catalog, monkeypatch, capsys):
    oof = draw_run(np.random.default_rng(1), catalog.targets("gz37"), 0.01)
    save_run(catalog, "gz37/zoobot", oof, np.full((10, 37), 0.25), possible_leakage=True)
    runs, left_out = members.find_runs(TASK, catalog, [])
    assert "gz37/zoobot" not in runs
    assert "may have been trained on these galaxies" in left_out[0]
    run_here(monkeypatch, "zoobot", "run0", *QUICK)
    assert read_card()["possible_leakage"] == ["gz37/zoobot"]
    assert "gz37/zoobot †" in capsys.readouterr().out
