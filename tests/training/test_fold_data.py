"""What a fold learns from: the task's galaxies only, and weights that never saw its own."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from galaxyzoo.config import loading
from galaxyzoo.config.schema import Config
from galaxyzoo.core.errors import FoldError, InputError
from galaxyzoo.data.catalog import GROUP, Catalog
from galaxyzoo.data.prepare import Dataset, prepare
from galaxyzoo.io.tables import FOLD
from galaxyzoo.results.layout import HISTORY, WEIGHTS, bundled_dir, fold_files
from galaxyzoo.tasks.registry import get_task
from galaxyzoo.training import fold_data
from support.datasets import draw_clear_competition, write_classes
from support.small_models import holdout_config


@pytest.fixture(scope="module")
def voted_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A competition where two galaxies of three are clearly smooth or clearly a disk, split."""
    folder = tmp_path_factory.mktemp("voted")
    kind = np.arange(45) % 3
    competition = draw_clear_competition(kind == 0)
    competition.votes.loc[kind == 2, ["Class1.2", "Class2.1", "Class9.1"]] = 0.0
    competition.votes.loc[kind == 2, "Class1.3"] = 1.0
    competition.write_zips(folder / "input" / "voted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GALAXYZOO_ROOT", str(folder))
        prepare("voted", n_folds=3)
    return folder


@pytest.fixture
def voted(voted_project: Path, root: Path) -> Dataset:
    shutil.copytree(voted_project, root, dirs_exist_ok=True)
    return prepare("voted", n_folds=3)


def other_dataset(root: Path, ids: list[int], n_folds: int = 3) -> Dataset:
    """A labeled set of some of the galaxies."""
    classes = {i: ("elliptical", "spiral")[k % 2] for k, i in enumerate(ids)}
    write_classes(root / "input" / "labeled", classes)
    return prepare("labeled", n_folds=n_folds)


def staged(elsewhere: str = "") -> Config:
    """A class run after a stage on the votes, of the same dataset or of another one."""
    votes = {"name": "votes", "task": "gz37", "loss": "kl"}
    votes |= {"dataset": elsewhere} if elsewhere else {}
    stages = [votes, {"name": "classes"}]
    return holdout_config("labeled" if elsewhere else "", stages=stages)


def finish_votes(config: Config, data: Dataset, fold: int) -> Path:
    """Stands for a training of the stage on the votes; returns its weights."""
    fingerprint = data.catalog.for_task(get_task("gz37")).fingerprint
    files = fold_files(config.stages[-2], data.catalog.dataset, fingerprint, fold)
    files.folder.mkdir(parents=True)
    for name in (WEIGHTS, HISTORY):
        (files.folder / name).write_text("made up")
    files.finish([WEIGHTS, HISTORY], {"start": "scratch"})
    return files.folder / WEIGHTS


def test_dropped_galaxies_are_in_neither_part(voted):
    data = fold_data.make_fold_data(holdout_config(), voted, 1)
    whole = voted.catalog
    kept = (whole.train["Class1.3"] == 0).to_numpy()
    assert sorted([*data.train_rows, *data.val_rows]) == np.flatnonzero(kept).tolist()
    assert (whole.folds[data.val_rows] == 1).all()
    assert (whole.folds[data.train_rows] != 1).all()
    assert np.isnan(data.targets[~kept]).all()
    smooth = (whole.train["Class1.1"] == 1).to_numpy()
    assert data.targets[kept].tolist() == np.column_stack([smooth, ~smooth])[kept].tolist()


def test_a_fold_with_next_to_nothing_to_train_on_is_refused():
    with pytest.raises(InputError, match="fold 2 has fewer than two training galaxies"):
        fold_data.check_train_rows(holdout_config(), np.array([5]), 2)
    fold_data.check_train_rows(holdout_config(), np.array([5, 6]), 2)


def test_a_start_from_the_box_has_not_seen_the_fold_or_is_marked(voted, monkeypatch):
    catalog = voted.catalog
    config = holdout_config(model={"name": "cnn", "weights_file": "bundled"})
    with pytest.raises(InputError, match=r"weights/ has no cnn networks of this kind"):
        fold_data.resolve_start(config, catalog, 2)
    other, fingerprint, _ = loading.load_run_config(bundled_dir() / "gz37/d4cnn_transfer")
    model = other.model.model_copy(update={"weights_file": "bundled"})
    config = config.model_copy(update={"model": model})
    given = fold_data.make_fold_data(config, voted, 2).start
    own = bundled_dir() / "gz37/d4cnn_transfer/fold_2" / WEIGHTS
    assert (given.weights, given.possible_leakage) == (own, True)
    assert fingerprint != catalog.fingerprint
    found = loading.SavedConfig(other, catalog.for_task(get_task("gz37")).fingerprint, None)
    monkeypatch.setattr(loading, "load_run_config", lambda _: found)
    assert not fold_data.resolve_start(config, catalog, 2).possible_leakage
    assert fold_data.resolve_start(holdout_config(), catalog, 2) == fold_data.Start()
    # Other labels of these galaxies: in the same folds they start from what has not seen them.
    labels = catalog.train[[FOLD, GROUP]].iloc[::2].assign(ring=1.0, other=0.0)
    moved, strange = labels.copy(), labels.rename(index={labels.index[0]: 1})
    moved.iloc[3, 0] = (moved.iloc[3, 0] + 1) % 3
    cases: list[Any] = [(labels, {}, False), (moved, {}, True), (strange, {}, True)]
    for train, about, is_marked in [*cases, (labels, {"galaxy_ids": False}, True)]:
        mine = Catalog("mine", train, np.empty(0, np.int64), about)
        start = fold_data.resolve_start(config, mine, 2)
        assert (start.weights, start.possible_leakage) == (own, is_marked)


def test_a_stage_starts_from_the_same_fold_of_the_one_before(voted):
    config = staged()
    expected = [finish_votes(config, voted, fold) for fold in range(3)]
    found = [fold_data.make_fold_data(config, voted, fold) for fold in range(3)]
    assert [data.start.weights for data in found] == expected
    assert {data.start.provenance for data in found} == {"scratch, then votes"}
    assert fold_data.make_fold_data(holdout_config(), voted, 0).start.weights is None


def test_a_stage_that_is_not_trained_is_named(voted):
    with pytest.raises(FoldError, match=r"starts from stage votes of .* is unfinished: .*fold_0"):
        fold_data.find_stage_before(staged(), voted.catalog, 0)


def test_a_stage_on_another_dataset_needs_the_same_folds(voted, root):
    config = staged(voted.catalog.dataset)
    weights = finish_votes(config, voted, 0)
    other = other_dataset(root, voted.catalog.ids[:20].tolist())
    assert fold_data.find_stage_before(config, other.catalog, 0).path(WEIGHTS) == weights
    frame = other.catalog.train.copy()
    frame.iloc[7, 0] = (frame.iloc[7, 0] + 1) % 3
    moved = Catalog("labeled", frame, other.catalog.test_ids)
    with pytest.raises(InputError, match=f"the fold of GalaxyID {frame.index[7]} differs between"):
        fold_data.find_stage_before(config, moved, 0)


def test_a_stage_on_a_dataset_of_other_folds_is_refused(voted, root):
    config = staged(voted.catalog.dataset)
    finish_votes(config, voted, 0)
    other = other_dataset(root, [1, 2, 3, 4, 5, 6, 7, 8], n_folds=2)
    with pytest.raises(InputError, match="the number of folds differs"):
        fold_data.find_stage_before(config, other.catalog, 0)


def test_a_stage_elsewhere_learns_from_no_test_galaxy_and_no_copy(voted, monkeypatch):
    ids, asked = voted.catalog.ids, []

    def read_duplicates(own: str, other: str) -> list[int]:
        asked.append((own, other))
        return [int(ids[3])]

    recipe = replace(voted.catalog, dataset="labeled", test_ids=ids[[8, 5]])
    monkeypatch.setattr(fold_data, "load_catalog", {"labeled": recipe}.__getitem__)
    monkeypatch.setattr(fold_data, "read_duplicates", read_duplicates)
    stage = staged("voted").stages[0].model_copy(update={"own_dataset": "labeled"})
    assert np.flatnonzero(~fold_data.may_learn_from(stage, voted.catalog)).tolist() == [3, 5, 8]
    assert asked == [("labeled", voted.catalog.dataset)]
    assert fold_data.may_learn_from(staged(), voted.catalog).all()


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_stage_that_was_trained_on_another_split_is_refused(voted, root, elsewhere):
    """Its weights may have seen the galaxies of the fold, whatever its dataset's split says now."""
    config = staged(voted.catalog.dataset if elsewhere else "")
    train = voted.catalog.train.assign(fold=(voted.catalog.folds + 1) % 3)
    finish_votes(config, replace(voted, catalog=replace(voted.catalog, train=train)), 0)
    other = other_dataset(root, voted.catalog.ids[:20].tolist())
    found = fold_data.find_stage_before(config, (other if elsewhere else voted).catalog, 0)
    with pytest.raises(InputError, match="has another split"):
        found.path(WEIGHTS)
