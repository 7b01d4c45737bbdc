"""What a fold learns from: the task's galaxies only, and weights that never saw its own."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from galaxyzoo.core import paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.inference.artifacts import WEIGHTS
from galaxyzoo.training import fold_data
from support.class_fixtures import holdout_config
from support.ensemble_fixtures import finish_fold
from support.fold_data_fixtures import IMAGE, MODEL, other_dataset


def write_weights(data: Dataset, fold: int) -> Path:
    path = paths.fold_dir(data.catalog.dataset, "gz37/cnn", fold) / WEIGHTS
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    write_config(data, "gz37/cnn", data.catalog.fingerprint)
    finish_fold("gz37/cnn", data.catalog, fold)
    return path


def write_config(data: Dataset, run: str, fingerprint: str, **model: str) -> None:
    """The config that training saves with a run."""
    values = {"task": run.split("/")[0], "run": run, "model": {"name": "cnn", **model}}
    path = paths.run_dir(data.catalog.dataset, run) / "config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"data_fingerprint": fingerprint, **values}))


def test_dropped_galaxies_are_in_neither_part(voted: Dataset) -> None:
    data = fold_data.make_fold_data(holdout_config(), voted, voted.train_images(IMAGE), 1)
    whole = voted.catalog
    kept = (whole.train["Class1.3"] == 0).to_numpy()
    assert sorted([*data.train_rows, *data.val_rows]) == np.flatnonzero(kept).tolist()
    assert (whole.folds[data.val_rows] == 1).all()
    assert (whole.folds[data.train_rows] != 1).all()
    assert np.isnan(data.targets[~kept]).all()
    smooth = (whole.train["Class1.1"] == 1).to_numpy()
    assert data.targets[kept].tolist() == np.column_stack([smooth, ~smooth])[kept].tolist()


def test_a_fold_with_next_to_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(InputError, match="fold 2 has fewer than two galaxies to train on"):
        fold_data.check_train_rows(holdout_config(), np.array([5]), 2)
    fold_data.check_train_rows(holdout_config(), np.array([5, 6]), 2)


def test_weights_of_the_same_fold_are_the_start(voted: Dataset) -> None:
    expected = [write_weights(voted, fold) for fold in range(3)]
    config = holdout_config(model=MODEL)
    found = [fold_data.find_start_weights(config, voted.catalog, fold) for fold in range(3)]
    assert found == expected
    assert fold_data.find_start_weights(holdout_config(), voted.catalog, 0) is None


def test_a_start_that_is_not_trained_says_what_to_do(voted: Dataset) -> None:
    write_config(voted, "gz37/cnn", voted.catalog.fingerprint)
    with pytest.raises(InputError, match=r"starts from gz37/cnn on kaggle-.*finished; train that"):
        fold_data.find_start_weights(holdout_config(model=MODEL), voted.catalog, 0)


def test_a_start_from_another_dataset_needs_the_same_folds(voted: Dataset, root: Path) -> None:
    weights = write_weights(voted, 0)
    other = other_dataset(root, voted.catalog.ids[:20].tolist())
    config = holdout_config(model={**MODEL, "start_dataset": voted.catalog.dataset})
    fold_data.check_required_runs(config, other.catalog)
    assert fold_data.find_start_weights(config, other.catalog, 0) == weights
    frame = other.catalog.train.copy()
    frame.iloc[7, 0] = (frame.iloc[7, 0] + 1) % 3
    moved = Catalog("labelled", frame, other.catalog.test_ids)
    with pytest.raises(InputError, match=f"GalaxyID {frame.index[7]} differs between the folds"):
        fold_data.check_required_runs(config, moved)


def test_a_start_from_a_split_into_other_folds_is_refused(voted: Dataset, root: Path) -> None:
    write_weights(voted, 0)
    other = other_dataset(root, [1, 2, 3, 4, 5, 6, 7, 8], n_folds=2)
    config = holdout_config(model={**MODEL, "start_dataset": voted.catalog.dataset})
    with pytest.raises(InputError, match="the number of folds differs"):
        fold_data.check_required_runs(config, other.catalog)


def test_a_start_that_was_trained_on_another_split_is_refused(voted: Dataset, root: Path) -> None:
    """Its weights may have seen the galaxies of the fold, whatever its dataset's split says now."""
    write_weights(voted, 0)
    write_config(voted, "gz37/cnn", "of another split")
    own, dataset = holdout_config(model=MODEL), voted.catalog.dataset
    other = other_dataset(root, voted.catalog.ids[:20].tolist())
    far = holdout_config(model={**MODEL, "start_dataset": dataset})
    for config, catalog in ((own, voted.catalog), (far, other.catalog)):
        with pytest.raises(InputError, match=r"cannot use gz37/cnn: .* another split of"):
            fold_data.check_required_runs(config, catalog)


def test_a_start_of_a_start_is_checked_too(voted: Dataset, root: Path) -> None:
    write_weights(voted, 0)
    write_config(voted, "gz37/cnn", voted.catalog.fingerprint, start_run="gz37/first")
    with pytest.raises(InputError, match="gz37/first holds no trained run"):
        fold_data.check_required_runs(holdout_config(model=MODEL), voted.catalog)
    write_config(voted, "gz37/first", "of another split")
    with pytest.raises(InputError, match=r"cannot use gz37/first: .* another split of"):
        fold_data.check_required_runs(holdout_config(model=MODEL), voted.catalog)
    write_config(voted, "gz37/first", voted.catalog.fingerprint)
    fold_data.check_required_runs(holdout_config(model=MODEL), voted.catalog)
