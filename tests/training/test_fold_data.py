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
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.data.prepare import Dataset, prepare
from galaxyzoo.io.tables import FOLD
from galaxyzoo.models.weights import load_weights
from galaxyzoo.results.fold_files import HISTORY, WEIGHTS, fold_name
from galaxyzoo.results.layout import bundled_dir, trained_files
from galaxyzoo.tasks.registry import get_task
from galaxyzoo.training import fold_data, parts
from galaxyzoo.training.parts import Part
from galaxyzoo.training.run import Run
from galaxyzoo.training.trainer import first_network
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
    stages = [votes, {"name": "classes"}]
    if not elsewhere:
        return holdout_config(stages=stages)
    votes["dataset"] = elsewhere
    return holdout_config("labeled", stages=stages)


def finish_votes(config: Config, data: Dataset, fold: int) -> Path:
    """Stands for a training of the stage on the votes; returns its weights."""
    fingerprint = data.for_task(get_task("gz37")).fingerprint
    name = fold_name(fold)
    files = trained_files(config.stages[-2], data.dataset, fingerprint, name)
    files.folder.mkdir(parents=True)
    for name in (WEIGHTS, HISTORY):
        (files.folder / name).write_text("made up")
    files.seal({"start": "scratch"})
    return files.folder / WEIGHTS


def weights_before(config: Config, catalog: Catalog, fold: int = 0) -> Path:
    """Checked weights of the stage before."""
    files = fold_data.find_stage_before(config, catalog, fold_name(fold))
    assert files is not None
    return files.path(WEIGHTS)


def first_weights(config: Config, catalog: Catalog) -> tuple[Path | None, bool]:
    """File of fold 2's first weights in `weights/`, and whether they may have seen the fold."""
    part = Part("fold_2", np.empty(0, int), np.empty(0, int), stream=2)
    cache = ImageCache(catalog.ids, np.empty(0), np.empty(0, bool))
    nothing = fold_data.FoldData(cache, np.empty(0), part)
    data = fold_data.start_from_bundled(nothing, config, catalog)
    return data.weights, data.possible_leakage


def test_dropped_galaxies_are_in_neither_part(voted):
    data = Run(holdout_config(), voted).load_data("fold_1")
    whole = voted
    kept = (whole.train["Class1.3"] == 0).to_numpy()
    assert sorted([*data.train_rows, *data.val_rows]) == np.flatnonzero(kept).tolist()
    assert (whole.folds[data.val_rows] == 1).all()
    assert (whole.folds[data.train_rows] != 1).all()
    assert np.isnan(data.targets[~kept]).all()
    smooth = (whole.train["Class1.1"] == 1).to_numpy()
    assert data.targets[kept].tolist() == np.column_stack([smooth, ~smooth])[kept].tolist()


def test_a_part_with_next_to_nothing_to_train_on_is_refused(voted, monkeypatch):
    config = holdout_config()
    labeled = voted.for_task(get_task("elliptical_spiral"))
    allowed = labeled.folds != labeled.folds
    allowed[[0, 1]] = True  # of these two galaxies a fold leaves out one
    monkeypatch.setattr(parts, "may_learn_from", lambda *_: allowed)
    assert labeled.folds[0] != labeled.folds[1]
    folds = labeled.folds[:2]
    for fold in folds:
        with pytest.raises(InputError, match=f"fold {fold} has fewer than two training galaxies"):
            parts.fold_parts(config, voted, [fold])
    assert len(parts.part_named(config, voted, "refit_0").train_rows) == 2
    (other,) = {0, 1, 2} - {*folds.tolist()}
    assert len(parts.fold_parts(config, voted, [other])[0].train_rows) == 2
    allowed[1] = False
    with pytest.raises(InputError, match="refit 0 has fewer than two training galaxies"):
        parts.part_named(config, voted, "refit_0")


def test_a_start_from_the_box_has_not_seen_the_fold_or_is_marked(voted, monkeypatch):
    catalog = voted
    config = holdout_config(model={"name": "cnn", "weights_file": "bundled"})
    with pytest.raises(InputError, match=r"weights/ has no cnn networks of this kind"):
        Run(config, voted).load_data("fold_2")
    other, fingerprint, *_ = loading.load_run_config(bundled_dir() / "gz37/d4cnn_transfer")
    model = other.model.model_copy(update={"weights_file": "bundled"})
    config = config.model_copy(update={"model": model})
    given = Run(config, voted).load_data("fold_2")
    own = bundled_dir() / "gz37/d4cnn_transfer/fold_2" / WEIGHTS
    assert (given.weights, given.possible_leakage) == (own, True)
    assert fingerprint != catalog.fingerprint
    found = loading.SavedConfig(other, catalog.for_task(get_task("gz37")).fingerprint, None)
    monkeypatch.setattr(loading, "load_run_config", lambda _: found)
    assert first_weights(config, catalog) == (own, False)
    assert Run(holdout_config(), voted).load_data("fold_2").weights is None
    # Other labels of these galaxies: in the same folds they start from what has not seen them.
    labels = catalog.train[[FOLD, GROUP]].iloc[::2].assign(ring=1.0, other=0.0)
    moved = labels.copy()
    strange = labels.rename(index={labels.index[0]: 1})
    moved.iloc[3, 0] = (moved.iloc[3, 0] + 1) % 3
    cases: list[Any] = [
        (labels, {}, False),
        (moved, {}, True),
        (strange, {}, True),
        (labels, {"galaxy_ids": False}, True),
    ]
    for train, about, is_marked in cases:
        mine = Catalog("mine", train, np.empty(0, np.int64), about)
        assert first_weights(config, mine) == (own, is_marked)


@pytest.mark.parametrize(("task", "keeps_head"), [("gz37", True), ("elliptical_spiral", False)])
def test_votes_go_on_with_the_head_of_the_box_and_classes_get_a_new_one(voted, task, keeps_head):
    bundled = loading.load_run_config(bundled_dir() / "gz37/d4cnn_transfer").config
    model = bundled.model.model_copy(update={"weights_file": "bundled"})
    values = {"task": task, "run": f"{task}/cnn", "head": {"hidden": bundled.head.hidden}}
    config = holdout_config(model=model.model_dump(), **values)
    data = Run(config, voted).load_data("fold_1")
    network, _ = first_network(config, data)
    assert data.weights is not None
    given = load_weights(data.weights)
    for name, tensor in network.state_dict().items():
        is_equal = tensor.shape == given[name].shape and bool((tensor == given[name]).all())
        assert is_equal == (keeps_head or not name.startswith("head."))


def test_another_head_than_that_of_the_box_is_refused_before_anything_starts(voted):
    bundled = loading.load_run_config(bundled_dir() / "gz37/d4cnn_transfer").config
    model = bundled.model.model_copy(update={"weights_file": "bundled"})
    values = {"task": "gz37", "run": "gz37/cnn", "head": {"hidden": 7}}
    config = holdout_config(model=model.model_dump(), **values)
    with pytest.raises(InputError, match=r"gz37/cnn: .*head\.hidden=512: set it, too"):
        Run(config, voted).check()


def test_a_stage_starts_from_the_same_fold_of_the_one_before(voted):
    config = staged()
    expected = [finish_votes(config, voted, fold) for fold in range(3)]
    found = [Run(config, voted).load_data(fold_name(fold)) for fold in range(3)]
    assert [data.weights for data in found] == expected
    assert {data.origin for data in found} == {"scratch, then votes"}


def test_a_stage_that_is_not_trained_is_named(voted):
    with pytest.raises(FoldError, match=r"starts from stage votes of .* is unfinished: .*fold_0"):
        fold_data.find_stage_before(staged(), voted, "fold_0")


def test_a_stage_on_another_dataset_needs_the_same_folds(voted, root):
    config = staged(voted.dataset)
    weights = finish_votes(config, voted, 0)
    other = other_dataset(root, voted.ids[:20].tolist())
    assert weights_before(config, other) == weights
    frame = other.train.copy()
    frame.iloc[7, 0] = (frame.iloc[7, 0] + 1) % 3
    moved = Catalog("labeled", frame, other.test_ids)
    with pytest.raises(InputError, match=f"the fold of GalaxyID {frame.index[7]} differs between"):
        weights_before(config, moved)


def test_a_stage_on_a_dataset_of_other_folds_is_refused(voted, root):
    config = staged(voted.dataset)
    finish_votes(config, voted, 0)
    other = other_dataset(root, [1, 2, 3, 4, 5, 6, 7, 8], n_folds=2)
    with pytest.raises(InputError, match="the number of folds differs"):
        weights_before(config, other)


def test_a_stage_elsewhere_learns_from_no_test_galaxy_and_no_copy(voted, monkeypatch):
    ids = voted.ids
    asked = []

    def read_duplicates(own: str, other: str) -> list[int]:
        asked.append((own, other))
        return [int(ids[3])]

    recipe = replace(voted, dataset="labeled", test_ids=ids[[8, 5]])
    monkeypatch.setattr(parts, "load_catalog", {"labeled": recipe}.__getitem__)
    monkeypatch.setattr(parts, "read_duplicates", read_duplicates)
    stage = staged("voted").stages[0].model_copy(update={"own_dataset": "labeled"})
    assert np.flatnonzero(~parts.may_learn_from(stage, voted)).tolist() == [3, 5, 8]
    assert asked == [("labeled", voted.dataset)]
    assert parts.may_learn_from(staged(), voted).all()


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_stage_that_was_trained_on_another_split_is_refused(voted, root, elsewhere):
    """Its weights may have seen the galaxies of the fold, whatever its dataset's split says now."""
    config = staged(voted.dataset if elsewhere else "")
    train = voted.train.assign(fold=(voted.folds + 1) % 3)
    finish_votes(config, replace(voted, train=train), 0)
    other = other_dataset(root, voted.ids[:20].tolist())
    with pytest.raises(InputError, match="has another split"):
        weights_before(config, (other if elsewhere else voted))
