"""Memory that is used up in training: smaller parts of a batch, with the same gradients."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from galaxyzoo.config.schema import Config
from galaxyzoo.core import console
from galaxyzoo.core.errors import FoldError
from galaxyzoo.core.memory import is_out_of_memory
from galaxyzoo.inference import network
from galaxyzoo.models.build import GalaxyNet, build_model
from galaxyzoo.models.weights import load_checkpoint
from galaxyzoo.results.fold_files import CHECKPOINT, HISTORY, WEIGHTS
from galaxyzoo.training import planning
from galaxyzoo.training.fold import train_fold
from galaxyzoo.training.fold_data import FoldData
from galaxyzoo.training.trainer import Trainer
from support.kills import Killed
from support.small_models import class_config, small_config
from support.training_fixtures import (
    NO_NORM,
    class_fold,
    config,
    fold_data,
    kill_after,
    limit_memory,
)


def gradients(settings: Config, data: FoldData, parts: int) -> tuple[float, list[np.ndarray]]:
    trainer = Trainer(settings, data)
    trainer.micro_batches = parts
    trainer.model.train()
    loss = trainer.step(0, next(iter(trainer.batches())))
    return loss.item(), [p.grad.numpy() for p in trainer.model.parameters() if p.grad is not None]


GO_ON = {"on_out_of_memory": "accumulate"}


def assert_same_training(one: Path, other: Path) -> None:
    """The same weights; validation, in batches of other sizes, may differ in its last bits."""
    assert (other / WEIGHTS).read_bytes() == (one / WEIGHTS).read_bytes()
    histories = [pd.read_csv(folder / HISTORY) for folder in (one, other)]
    pd.testing.assert_frame_equal(*histories, rtol=1e-6)


@pytest.mark.parametrize("loss", ["mse", "kl", "classes", "weights", "smoothing"])
@pytest.mark.parametrize("parts", [2, 3])
def test_the_parts_gradients_add_up_to_the_whole_batchs(loss, parts):
    train: dict[str, object] = {"batch_size": 10, "amp": "fp32", "optimizer": "sgd"}
    if loss in ("mse", "kl"):
        data = fold_data(40)
        settings = small_config(loss=loss, model=NO_NORM, train=train)
    else:
        data = class_fold(40)
        if loss != "classes":
            train["class_balance"] = "weights"
        if loss == "smoothing":
            train["label_smoothing"] = 0.1
        settings = class_config(model=NO_NORM, train=train)
    value, whole = gradients(settings, data, 1)
    summed, added = gradients(settings, data, parts)
    assert summed == pytest.approx(value, rel=1e-5)
    assert len(whole) == len(list(Trainer(settings, data).model.parameters()))
    for expected, gradient in zip(whole, added, strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-7)


def test_a_batch_is_cut_no_smaller_than_two_images(monkeypatch):
    sizes = limit_memory(monkeypatch, 100)
    gradients(config(batch_size=10, accumulation=5), fold_data(12), parts=99)
    assert sizes == [3, 2, 2, 2]


@pytest.mark.parametrize(
    ("most", "train", "advice"),
    [
        (4, {}, "add train.on_out_of_memory=accumulate"),
        # nothing smaller than two images is tried
        (1, {"accumulation": 4, **GO_ON}, "retrain with a smaller network"),
    ],
)
def test_stopping_says_what_would_help(tmp_path, monkeypatch, most, train, advice):
    limit_memory(monkeypatch, most)
    with pytest.raises(FoldError, match=advice):
        train_fold(config(**train), fold_data(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_accumulating_trains_as_with_so_many_parts_from_the_start(tmp_path, monkeypatch, capsys):
    data = fold_data()
    train_fold(config(accumulation=4), data, tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        sizes = limit_memory(patch, 3)
        train_fold(config(**GO_ON), data, tmp_path / "short")
    assert sizes[:3] == [8, 4, 2]  # refused, refused, and the first part that fits
    assert_same_training(tmp_path / "whole", tmp_path / "short")
    line = "gz37/small, fold 0: out of memory; resuming from the last complete epoch with "
    said = [text for text in capsys.readouterr().out.splitlines() if line in text]
    assert [text.split(line)[1] for text in said] == ["2 micro-batches", "4 micro-batches"]


def test_a_killed_fold_keeps_its_parts(tmp_path, capsys, monkeypatch):
    """Memory runs out in the second epoch, the kill comes in the third, when there is enough."""
    data = fold_data()
    ends = []
    for name, kill in (("whole", False), ("killed", True)):
        with pytest.MonkeyPatch.context() as patch:
            # An untrained look, an epoch and a validation take nine.
            limit_memory(patch, 4, after=12)
            if kill:
                kill_after(patch, 9)
                with pytest.raises(Killed):
                    train_fold(config(**GO_ON), data, tmp_path / name)
                state = load_checkpoint(tmp_path / name / CHECKPOINT, {})
                assert state is not None
                assert (state["epoch"], state["parts"]) == (2, 2)
            else:
                ends.append(train_fold(config(**GO_ON), data, tmp_path / name))
    monkeypatch.setattr(console, "_MINUTE_S", 0.0)  # else such a short training has no line
    ends.append(train_fold(config(**GO_ON), data, tmp_path / "killed"))
    line = "gz37/small, fold 0: 67 % (8/12), 00:00 elapsed, ? left"
    assert capsys.readouterr().err.startswith(line)
    assert ends[0] == ends[1]
    assert_same_training(tmp_path / "whole", tmp_path / "killed")


def test_a_plan_that_does_not_fit_says_so_or_is_made_in_parts(monkeypatch, prepared):
    limit_memory(monkeypatch, 4)
    with pytest.raises(FoldError, match=r"gz37/small: out of memory.*train\.accumulation=2"):
        planning.estimate(config(), prepared, 0)
    assert planning.estimate(config(**GO_ON), prepared, 0).train_s > 0


@pytest.mark.parametrize("allocate", [torch.empty, np.empty])
def test_real_errors_of_the_allocators_are_known(allocate):
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        allocate(10**17)
    assert is_out_of_memory(caught.value)


def test_other_errors_are_not_taken_for_it(tmp_path, monkeypatch):
    def broken(self: GalaxyNet, images: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(GalaxyNet, "forward", broken)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        train_fold(config(**GO_ON), fold_data(), tmp_path)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        network.predict(build_model(config()), fold_data().cache, np.arange(9), config())
