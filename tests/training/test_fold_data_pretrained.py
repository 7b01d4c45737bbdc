"""Runs that start from a pretraining: all folds alike, whatever the split, no other galaxies."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from galaxyzoo.core.errors import FoldError, InputError
from galaxyzoo.data.prepare import Dataset, prepare
from galaxyzoo.inference.artifacts import load_weights
from galaxyzoo.training.fold_data import find_start_weights, make_fold_data
from galaxyzoo.training.holdout import train_holdout
from galaxyzoo.training.run import Run
from galaxyzoo.training.trainer import Trainer
from support.class_fixtures import write_labelled
from support.leak_fixtures import Project, tiny_config
from support.pretraining_fixtures import folder, pretrain
from support.training_fixtures import Killed

START = {"name": "cnn", "kwargs": {"widths": [8, 16]}, "start_run": "pretrain/small"}


def test_a_run_starts_from_it_in_every_fold(data: Dataset) -> None:
    pretrain(data)
    weights = load_weights(folder(data) / "weights.safetensors")
    assert {"mean", "std"} < set(weights)
    config = tiny_config(model=START)
    cache = Run(config, data).cache("train")
    for fold in range(3):
        trainer = Trainer(config, make_fold_data(config, data, cache, fold))
        state = trainer.model.state_dict()
        assert all((state[name] == value).all() for name, value in weights.items())
    card = Run(config, data).train([0])
    assert card is not None
    assert card.start == "pretrain/small (no labels; images of every fold)"
    assert not card.selected_on_validation


def test_the_split_may_change_and_the_galaxies_may_not(data: Dataset) -> None:
    config = tiny_config(model=START)
    pretrain(data)
    train = data.catalog.train.assign(fold=(data.catalog.folds + 1) % 3)
    assert find_start_weights(config, replace(data.catalog, train=train), 0)
    with pytest.raises(
        InputError, match=r"pretrain/small: .* on other galaxies than kaggle-\S+ has now"
    ):
        find_start_weights(config, replace(data.catalog, train=train.iloc[1:]), 0)


def test_a_missing_pretraining_is_said_before_anything_is_trained(data: Dataset) -> None:
    with pytest.raises(FoldError, match=r"type `python3 src/pretrain\.py pretrain/small` first"):
        Run(tiny_config(model=START), data).check()


def test_a_run_of_another_dataset_may_start_from_it(data: Dataset, root: Path) -> None:
    write_labelled(root / "input" / "labels")
    other = prepare("labels", n_folds=2, tasks={"zoo5"})  # other folds do not matter
    pretrain(data)
    config = tiny_config(model={**START, "start_dataset": data.catalog.dataset})
    found = find_start_weights(config, other.catalog, 1)
    assert found == folder(data) / "weights.safetensors"


def test_a_run_behind_a_run_may_start_from_it(data: Dataset) -> None:
    pretrain(data)
    project = Project(data, Run(tiny_config(), data).cache("train"))
    first = tiny_config(model=START)
    assert Run(first, data).train([0])
    second = tiny_config(run="gz37/second", model={**START, "start_run": "gz37/small"})
    assert make_fold_data(second, data, project.images, 0).start_weights
    assert Run(second, data).train([0])


def test_a_hold_out_may_start_from_it(data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its held-out galaxies' labels were not seen."""
    pretrain(data)
    seen: list[Path | None] = []

    def stop(config: object, fold: Any, *_: object) -> None:
        seen.append(fold.start_weights)
        raise Killed

    monkeypatch.setattr("galaxyzoo.training.holdout.train_fold", stop)
    with pytest.raises(Killed):
        train_holdout(Run(tiny_config(model=START), data))
    assert seen == [folder(data) / "weights.safetensors"]
