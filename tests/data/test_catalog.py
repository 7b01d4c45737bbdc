"""From input to a prepared catalog, made once: what it holds, refuses, and reads back."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core import files, manifest
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import GROUP, Catalog, has_catalog, load_catalog, save_catalog
from galaxyzoo.data.prepare import prepare
from galaxyzoo.io.tables import FOLD
from galaxyzoo.tasks.registry import TASKS
from support.datasets import COLUMNS, Competition, csv_bytes, draw_competition
from support.refusals import listing, one_line_refusal


@pytest.fixture(scope="module")
def competition() -> Competition:
    drawn = draw_competition(n_train=25)
    drawn.images[int(drawn.votes.index[20])] = drawn.images[int(drawn.votes.index[2])]
    return drawn


def made_up_catalog() -> Catalog:
    rng = np.random.default_rng(0)
    train = pd.DataFrame(rng.random((8, 37)), index=np.arange(8) * 11 + 100, columns=COLUMNS)
    train.insert(0, FOLD, np.arange(8) % 3)
    train.insert(1, GROUP, np.arange(8))
    return Catalog("made-up", train, np.array([9, 7, 8]), {"seed": 0})


def test_a_catalog_reads_back_to_the_last_bit(root):
    catalog = made_up_catalog()
    save_catalog(catalog)
    loaded = load_catalog("made-up")
    np.testing.assert_array_equal(loaded.targets(TASKS["gz37"]), catalog.targets(TASKS["gz37"]))
    assert loaded.test_ids.tolist() == [9, 7, 8]
    assert loaded.fingerprint == catalog.fingerprint
    assert (loaded.n_folds, loaded.about["seed"]) == (3, 0)
    path = root / "folds" / "made-up" / "train.csv"
    pd.read_csv(path, dtype=str).iloc[::-1].to_csv(path, index=False)  # rows in another order
    assert load_catalog("made-up").fingerprint == catalog.fingerprint


def test_a_dataset_without_a_split_is_named_by_what_to_type(root, competition):
    name = "kaggle-9d93ad"  # which the competition's own files give it, wherever they lie
    line = one_line_refusal(load_catalog, name)
    assert f"put its files into input/{name}/ and type `python3 src/prepare.py --data" in line
    competition.write_zips(root / "input" / name)
    line = one_line_refusal(load_catalog, name)
    assert line == f"folds/{name} has no split: type `python3 src/prepare.py --data {name}`"
    assert prepare(name, n_folds=2).dataset == name
    assert len(load_catalog(name).ids) == len(competition.votes)


def changed(**changes: object) -> Catalog:
    catalog = made_up_catalog()
    for column, value in changes.items():
        if column == "test_ids":
            return Catalog(catalog.dataset, catalog.train, np.array(value))
        if column == "ids":
            catalog.train.index = pd.Index(value)
        else:
            catalog.train.iloc[2, catalog.train.columns.get_loc(column)] = value
    return catalog


CHANGES = [{FOLD: 0}, {GROUP: 0}, {"Class1.1": 0.5}, {"ids": [*range(1, 9)]}]
CHANGES += [{"test_ids": [7, 8, 9]}, {"test_ids": [9, 7]}]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_the_fingerprint_tells_any_two_catalogs_apart(change):
    assert changed(**change).fingerprint != made_up_catalog().fingerprint


def edit_text(name: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return edit


def drop_last_row(folder: Path) -> None:
    lines = (folder / "train.csv").read_text().splitlines(keepends=True)
    (folder / "train.csv").write_text("".join(lines[:-1]))


TAMPERED = {
    "another fold": edit_text("train.csv", "\n111,1,", "\n111,2,"),
    "a lost row": drop_last_row,
    "a renamed column": edit_text("train.csv", "Class1.1", "Class1_1"),
    "a changed test id": edit_text("test.csv", "\n7\n", "\n6\n"),
    "no fingerprint": edit_text("dataset.json", "fingerprint", "finger"),
    "a cut-off dataset.json": lambda folder: (folder / "dataset.json").write_text("{"),
    "no train.csv": lambda folder: (folder / "train.csv").unlink(),
}


@pytest.mark.parametrize("tamper", TAMPERED.values(), ids=TAMPERED)
def test_a_catalog_changed_by_hand_is_refused(root, tamper):
    save_catalog(made_up_catalog())
    tamper(root / "folds" / "made-up")
    with pytest.raises(InputError, match="folds/made-up"):
        load_catalog("made-up")


def test_a_catalog_written_by_half_does_not_exist(root, monkeypatch):
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "write_json", fail)
    with pytest.raises(KeyboardInterrupt):
        save_catalog(made_up_catalog())
    assert not has_catalog("made-up")


def test_a_prepared_catalog_holds_the_input_and_a_split(competition, root, zips):
    catalog = prepare()
    pd.testing.assert_frame_equal(catalog.train[COLUMNS], competition.votes)
    assert catalog.test_ids.tolist() == competition.test_ids.tolist()
    assert sorted(set(catalog.folds.tolist())) == [0, 1, 2, 3, 4]
    assert catalog.folds[2] == catalog.folds[20]
    assert catalog.train[GROUP].iloc[2] == catalog.train[GROUP].iloc[20]
    assert catalog.train[GROUP].nunique() == 24
    about = json.loads((root / "folds" / catalog.dataset / "dataset.json").read_text())
    assert (about["training_galaxies"], about["test_galaxies"]) == (25, 5)
    assert (about["n_folds"], about["seed"], about["galaxies_with_a_near_duplicate"]) == (5, 0, 2)
    assert about["fingerprint"] == catalog.fingerprint


def other_votes(competition: Competition, folder: Path) -> None:
    """Two galaxies' labels exchanged: everything still adds up."""
    votes = competition.votes.copy()
    votes.iloc[[0, 1]] = votes.iloc[[1, 0]].to_numpy()
    competition.write_solutions(folder, csv_bytes(votes))


def other_order(competition: Competition, folder: Path) -> None:
    """The sample submission's rows reversed."""
    test_ids = competition.test_ids[::-1]
    Competition(competition.votes, test_ids, competition.images).write_zips(folder)


def test_a_fold_without_a_galaxy_that_the_task_keeps_is_refused():
    """Its network could be trained, but not scored."""
    votes = pd.DataFrame(0.0, index=range(100_001, 100_031), columns=COLUMNS)
    votes = votes.rename_axis("GalaxyID")
    row = np.arange(30)
    votes["Class1.1"] = np.where(row % 2, 0.9, 0.05)
    votes.loc[row % 5 == 2, "Class1.1"] = 0.5  # neither elliptical nor spiral
    votes["Class1.2"] = 1 - votes["Class1.1"]
    votes.insert(0, "fold", row % 5)
    votes.insert(1, "group", row)
    catalog = Catalog("unclear", votes, np.empty(0, np.int64), {})
    line = one_line_refusal(catalog.for_task, TASKS["elliptical_spiral"])
    assert "fold 2 has no galaxy that the task keeps: use fewer --folds" in line


@pytest.mark.parametrize("change", [other_votes, other_order])
@pytest.mark.parametrize("n_folds", [None, 5])
def test_changed_input_is_refused(competition, root, zips, change, n_folds):
    name = prepare().dataset
    change(competition, zips)
    before = listing(root / "folds")
    with pytest.raises(InputError, match=f"has changed since folds/{name}"):
        prepare(n_folds=n_folds)
    assert listing(root / "folds") == before


def test_changed_input_is_refused_where_another_process_has_split_it_meanwhile(
    competition, root, zips, monkeypatch
):
    split = root / "folds" / prepare().dataset
    waiting = split.rename(root / "split")
    other_votes(competition, zips)
    hold = files.hold_lock

    @contextmanager
    def wait(path: Path, activity: str) -> Iterator[None]:
        with hold(path, activity):
            if waiting.exists():
                waiting.rename(split)
            yield

    monkeypatch.setattr(files, "hold_lock", wait)
    with pytest.raises(InputError, match=f"has changed since folds/{split.name}"):
        prepare()


def test_a_split_that_is_there_is_read_and_digested_once(root, zips, monkeypatch):
    """Of the whole competition it takes seconds."""
    name = prepare().dataset
    loaded = []

    def load(dataset: str) -> Catalog:
        loaded.append(dataset)
        return load_catalog(dataset)

    monkeypatch.setattr("galaxyzoo.data.prepare.load_catalog", load)
    digest = manifest.digest
    digested = []

    def count(parts: Iterable[str | bytes]) -> str:
        digested.append(parts)
        return digest(parts)

    data = prepare()
    assert loaded == [name]
    monkeypatch.setattr(manifest, "digest", count)
    assert data.fingerprint == load_catalog(name).fingerprint
    assert len(digested) == 1  # of the one loaded here


def test_another_number_of_folds_is_refused_and_the_same_is_not(root, zips):
    assert prepare(n_folds=3).n_folds == 3
    assert prepare(n_folds=3).n_folds == 3
    assert prepare().n_folds == 3
    with pytest.raises(InputError, match=r"n_folds 3, not 5"):
        prepare(n_folds=5)
    with pytest.raises(InputError, match=r"seed 0, not 99"):
        prepare(seed=99)
    first = prepare()
    shutil.rmtree(root / "folds" / first.dataset)
    assert (prepare(n_folds=3, seed=99).folds != first.folds).any()


def test_a_class_in_one_fold_alone_is_refused():
    task = TASKS["elliptical_spiral"]
    classes = np.eye(2)[[0, 0, 0, 1, 0, 1]]
    train = pd.DataFrame(classes, index=range(6), columns=list(task.columns))
    train.insert(0, FOLD, [0, 1, 2, 2, 0, 2])
    train.insert(1, GROUP, range(6))
    catalog = Catalog("a", train, np.empty(0, int))
    with pytest.raises(InputError, match=r"'spiral' has too few galaxies \(2\) for 3 folds"):
        catalog.for_task(task)
    train.loc[0, list(task.columns)] = [0.0, 1.0]
    assert catalog.for_task(task).ids.tolist() == list(range(6))
    train[FOLD] = [2, 1, 0, 2, 0, 2]
    with pytest.raises(InputError, match="all galaxies of class 'spiral' are in one fold"):
        catalog.for_task(task)
