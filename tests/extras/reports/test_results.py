"""Results that are read, and the one that a report shows for a task."""

from pathlib import Path

import pytest

from galaxyzoo.core import files
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.manifest import write_sealed
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.ensemble import fitted
from galaxyzoo.extras.reports.results import load_holdouts, load_results, pick_best
from galaxyzoo.results.layout import RunFolder
from galaxyzoo.tasks.registry import get_task
from support.trained import built, save_classes, save_table


@pytest.fixture
def project(root: Path) -> Catalog:
    """A catalog of the task zoo5, and one run."""
    catalog = save_classes(["spiral", "edge_on"] * 9).for_task(get_task("zoo5"))
    save_table(catalog, "zoo5/cnn", 1.0)
    return catalog


def test_an_optimistic_or_unfinished_run_never_stands_for_the_task(project):
    save_table(project, "zoo5/lucky", 0.1, selected_on_validation=True)
    save_table(project, "zoo5/part", 0.1, folds=(0, 2))
    results, _ = load_results(get_task("zoo5"), project)
    assert results[-1].run == "zoo5/cnn"
    assert pick_best(results).run == "zoo5/cnn"
    save_table(project, "ensemble:zoo5/all", 2.0)
    assert pick_best(load_results(get_task("zoo5"), project)[0]).run == "ensemble:zoo5/all"


def test_a_table_that_its_card_is_not_of_is_left_out_and_refused_by_name(project):
    save_table(project, "ensemble:zoo5/all", 0.2)
    table = built("zoo5", "bare").oof_csv
    table.write_text(table.read_text().replace("0.", "0.1", 1))
    results, problems = load_results(get_task("zoo5"), project)
    assert [result.run for result in results] == ["zoo5/cnn"]
    assert "ensemble:zoo5/all is skipped" in problems[0]
    with pytest.raises(InputError, match="does not match"):
        load_results(get_task("zoo5"), project, ["ensemble:zoo5/all"])


def test_an_ensemble_of_a_run_that_was_retrained_is_left_out_and_refused_by_name(
    project, monkeypatch
):
    task = get_task("zoo5")
    members = {"runs": {"zoo5/cnn": 1.0}, "members": {"zoo5/cnn": "as combined"}}
    save_table(project, "ensemble:zoo5/all", 0.2, **members)
    for networks in ("as combined", None):  # those that predicted its tables may be deleted
        monkeypatch.setattr(fitted, "digest_networks", lambda *_, now=networks: now)
        results, problems = load_results(task, project)
        assert [result.run for result in results] == ["ensemble:zoo5/all", "zoo5/cnn"]
        assert problems == []
    monkeypatch.setattr(fitted, "digest_networks", lambda *_: "others")
    results, problems = load_results(task, project)
    assert [result.run for result in results] == ["zoo5/cnn"]
    assert problems[0].startswith("ensemble:zoo5/all is skipped: zoo5/cnn, a member of submissions")
    assert "was retrained later: type `python3 src/ensemble.py all " in problems[0]
    with pytest.raises(InputError, match="was retrained later"):
        load_results(task, project, ["ensemble:zoo5/all"])


@pytest.mark.parametrize("deleted", ["config.yaml", "holdout/fold.json"])
def test_where_a_hold_out_was_deleted_the_command_that_trains_it_is_named(project, root, deleted):
    folder = RunFolder("bare", "zoo5/cnn")
    values = files.read_json(folder.card)
    values |= {"checkpoint": "last", "possible_leakage": False, "split": {}}
    write_sealed(folder.holdout_card, values)
    for name in {"config.yaml", "holdout/fold.json"} - {deleted}:
        path = folder.path / name
        path.parent.mkdir(parents=True)
        path.touch()
    (root / "input/bare").mkdir(parents=True)
    holdouts, problems = load_holdouts([folder], get_task("zoo5"), project)
    assert holdouts == []
    (problem,) = problems
    assert problem == (
        f"the hold-out of zoo5/cnn is skipped: folds/bare/zoo5/cnn/{deleted} is missing: type "
        "`python3 src/train.py zoo5/cnn --holdout --data bare` to train the hold-out again (with "
        "the settings that you typed then), or delete oof/bare/zoo5/cnn_holdout.json"
    )
