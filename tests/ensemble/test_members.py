"""Which runs join an ensemble; tables of another split or with other ids are refused."""

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import Catalog, save_catalog
from galaxyzoo.ensemble import members
from galaxyzoo.ensemble.members import load_oof, load_test
from galaxyzoo.results.layout import RunFolder
from galaxyzoo.tasks.registry import TASKS
from support.problems import COLUMNS
from support.trained import save_project, save_run, shuffle_tables, sign

CLASSES = TASKS["elliptical_spiral"]


def clear_votes(catalog):
    """Make every galaxy clearly smooth or clearly a disk, and prepare the dataset again."""
    rng = np.random.default_rng(0)
    smooth = rng.random(len(catalog.ids)) < 0.5
    catalog.train["Class1.1"] = np.where(smooth, 0.9, 0.05)
    catalog.train["Class1.2"] = np.where(smooth, 0.05, 0.9)
    catalog.train.loc[catalog.ids[:10], "Class1.1"] = 0.5  # dropped by the rule unless a disk
    remade = Catalog(catalog.dataset, catalog.train, catalog.test_ids)
    save_catalog(remade)
    return remade


def save_class_run(catalog, name, **changes):
    """A finished run of the class task, right by a hair; returns its probabilities."""
    probs = 0.4 + 0.2 * catalog.for_task(CLASSES).targets(CLASSES)
    test = np.full((len(catalog.test_ids), len(CLASSES.columns)), 0.5)
    save_run(catalog, f"{CLASSES.name}/{name}", probs, test, **changes)
    return probs


TASK = TASKS["gz37"]


@pytest.fixture
def catalog(root):
    return save_project()


def add_run(catalog, name, **changes):
    zeros = np.zeros((len(catalog.ids), 37)), np.zeros((len(catalog.test_ids), 37))
    save_run(catalog, f"gz37/{name}", *zeros, **changes)


def test_unfinished_and_optimistic_runs_are_left_out_unless_asked_for(catalog):
    add_run(catalog, "half", folds=[0, 1])
    add_run(catalog, "source", selected_on_validation=True)
    stray = RunFolder("tiny", "gz37/stray").oof_csv
    stray.write_text("GalaxyID,Class1.1\n")
    runs, left_out = members.find_runs(TASK, catalog, [])
    assert runs == ["gz37/run0", "gz37/run1"]
    assert left_out.pop() == (
        "gz37/stray is skipped: stray.csv has no score card: use --import, or train the run again"
    )
    assert [line.split(" is skipped")[0] for line in left_out] == ["gz37/half", "gz37/source"]
    assert "2 of 3 folds" in left_out[0]
    assert "optimistic" in left_out[1]
    add_run(catalog, "earlier", fingerprint="of another split")
    runs, [line, *_] = members.find_runs(TASK, catalog, [])
    assert runs == ["gz37/run0", "gz37/run1"]
    assert line.endswith("it was made with another catalog or split: train it again")
    with pytest.raises(InputError, match=r"gz37/earlier.csv was made with another catalog"):
        load_oof("gz37/earlier", TASK, catalog)
    asked = ["gz37/source", "run0", "gz37/run0"]
    assert members.find_runs(TASK, catalog, asked) == (["gz37/run0", "gz37/source"], [])
    assert load_oof("gz37/source", TASK, catalog).shape == (60, 37)
    with pytest.raises(InputError, match=r"gz37/half.csv cannot be used: only 2 of 3 folds"):
        load_oof("gz37/half", TASK, catalog)


def test_a_run_of_another_task_is_refused(catalog):
    with pytest.raises(InputError, match="'zoo5/run0' is not for task 'gz37'"):
        members.find_runs(TASK, catalog, ["zoo5/run0"])


def test_a_run_without_predictions_is_refused_with_the_command_that_trains_it(catalog):
    with pytest.raises(InputError, match=r"gz37/cnn has no .* tiny: .*train_folds.* gz37/cnn`"):
        members.find_runs(TASK, catalog, ["run0", "cnn"])
    RunFolder("tiny", "gz37/run1").card.unlink()  # damage, which training anew does not mend
    with pytest.raises(InputError, match=r"run1.json is missing"):
        members.find_runs(TASK, catalog, ["run1"])


def test_an_oof_table_of_another_split_is_refused(catalog):
    path = RunFolder("tiny", "gz37/run1").oof_csv
    frame = pd.read_csv(path)
    frame.assign(fold=(frame["fold"] + 1) % 3).to_csv(path, index=False)
    sign("tiny", "gz37/run1")
    with pytest.raises(
        InputError, match=r"run1.csv .*another split.*such rows: 60.*train gz37/run1 ag"
    ):
        load_oof("gz37/run1", TASK, catalog)


def test_shuffled_tables_are_read_by_name_in_the_catalogs_order(catalog):
    shuffle_tables("gz37/run0", seed=0)
    folder = RunFolder("tiny", "gz37/run0")
    found = {
        folder.oof_csv: load_oof("gz37/run0", TASK, catalog),
        folder.test_csv: load_test("gz37/run0", TASK, catalog),
    }
    for (path, values), ids in zip(found.items(), (catalog.ids, catalog.test_ids), strict=True):
        by_hand = pd.read_csv(path).set_index("GalaxyID").loc[ids, COLUMNS]
        np.testing.assert_array_equal(values, by_hand.to_numpy(np.float32))
    folder.test_csv.unlink()
    with pytest.raises(InputError, match=r"gz37/run0.csv is missing .* trained gz37/run0"):
        load_test("gz37/run0", TASK, catalog)


def test_runs_on_votes_join_a_class_task_with_the_shares_of_their_votes(catalog):
    whole = clear_votes(catalog)
    save_run(
        whole,
        "gz37/run0",
        whole.targets(TASKS["gz37"]),
        np.full((len(whole.test_ids), 37), 0.25),
    )
    probs = save_class_run(whole, "cnn")
    add_run(whole, "run1", selected_on_validation=True)
    runs, left_out = members.find_runs(CLASSES, whole, [])
    assert runs == ["elliptical_spiral/cnn", "gz37/run0"]
    assert len(left_out) == 1
    own = whole.for_task(CLASSES)
    assert 40 < len(own.ids) < len(whole.ids)
    oof = [load_oof(run, CLASSES, whole) for run in runs]
    assert oof[0] == pytest.approx(probs)
    votes = whole.train.loc[own.ids, ["Class1.1", "Class1.2"]].to_numpy()
    assert oof[1] == pytest.approx(votes / votes.sum(axis=1, keepdims=True), abs=1e-6)
    for run in runs:
        test = load_test(run, CLASSES, whole)
        assert test == pytest.approx(np.full((len(whole.test_ids), 2), 0.5))


def test_votes_alone_are_no_finished_run_of_a_class_task(catalog):
    whole = clear_votes(catalog)
    add_run(whole, "run0")
    add_run(whole, "run1")
    with pytest.raises(InputError, match=r"no finished run in .*elliptical_spiral"):
        members.find_runs(CLASSES, whole, [])
