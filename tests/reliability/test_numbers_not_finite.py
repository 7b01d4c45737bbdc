"""Numbers that go wrong: a loss or a weight that is not finite stops its fold alone."""

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from galaxyzoo.config.schema import Config
from galaxyzoo.core.errors import FoldError
from galaxyzoo.ensemble import members
from galaxyzoo.models.weights import load_checkpoint
from galaxyzoo.results.fold_files import CHECKPOINT, HISTORY, WEIGHTS, FoldSummary
from galaxyzoo.tasks.registry import TASKS
from galaxyzoo.training import run as runs
from galaxyzoo.training.fold import train_fold
from galaxyzoo.training.fold_data import FoldData
from galaxyzoo.training.loader import Batch
from galaxyzoo.training.run import Run
from galaxyzoo.training.trainer import Trainer
from support.commands import TINY, call
from support.datasets import draw_competition
from support.small_models import SIZES, small_config
from support.training_fixtures import config, fake_training, fold_data


def test_all_galaxies_of_the_batch_are_named(tmp_path):
    data = fold_data()
    data.targets[5] = np.nan
    with pytest.raises(FoldError) as caught:
        train_fold(config(batch_size=16), data, tmp_path)
    text, _, ids = str(caught.value).partition("; GalaxyIDs in the batch: ")
    assert text.startswith("gz37/small, fold 0, epoch 1: the loss is nan: ")
    assert "train.lr" in text
    named = np.array([int(word) for word in ids.split(", ")])
    batches = Trainer(config(batch_size=16), data).batches()
    trained = [data.cache.ids[batch.rows] for batch in batches]
    assert any(np.array_equal(named, batch) for batch in trained)
    assert 1005 in named
    assert not (tmp_path / WEIGHTS).exists()


@pytest.mark.parametrize("network", ["model", "ema"])
def test_weights_spoilt_by_an_epochs_last_step_are_noticed(tmp_path, monkeypatch, network):
    step = Trainer.step

    def spoil(self: Trainer, number: int, batch: Batch) -> torch.Tensor:
        loss = step(self, number, batch)
        if number == 2 * self.loader.steps - 1:
            assert self.ema is not None
            spoilt = self.model if network == "model" else self.ema.module
            next(spoilt.head.parameters()).data[0, 0] = float("inf")
        return loss

    monkeypatch.setattr(Trainer, "step", spoil)
    with pytest.raises(FoldError, match=r"epoch 2: weights in head\.\S+ are not finite"):
        train_fold(config(), fold_data(), tmp_path)
    kept = load_checkpoint(tmp_path / CHECKPOINT, {})
    assert kept is not None
    assert kept["epoch"] == 1
    assert all(tensor.isfinite().all() for tensor in kept["model"].values())


def test_a_validation_loss_that_is_not_finite_stops_the_fold(tmp_path):
    data = fold_data()
    data.targets[data.val_rows[0]] = np.inf
    with pytest.raises(FoldError, match="epoch 1: the validation loss is inf"):
        train_fold(config(), data, tmp_path)
    assert not (tmp_path / CHECKPOINT).exists()


def test_a_stopped_fold_goes_on_from_its_last_whole_epoch(tmp_path, monkeypatch):
    data = fold_data()
    step = Trainer.step
    train_fold(config(), data, tmp_path / "whole")

    def spoilt(self: Trainer, number: int, batch: Batch) -> torch.Tensor:
        return step(self, number, batch) * (float("nan") if self.epoch == 2 else 1.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "step", spoilt)
        with pytest.raises(FoldError, match=r"epoch 3: the loss is nan: .*GalaxyIDs"):
            train_fold(config(), data, tmp_path / "stopped")
    batches = Trainer.batches
    started = []

    def spy(self: Trainer) -> Iterator[Batch]:
        started.append(self.epoch + 1)
        return batches(self)

    monkeypatch.setattr(Trainer, "batches", spy)
    train_fold(config(), data, tmp_path / "stopped")
    assert started == [3]
    for name in (WEIGHTS, HISTORY):
        expected = (tmp_path / "whole" / name).read_bytes()
        assert (tmp_path / "stopped" / name).read_bytes() == expected


def test_a_fold_stops_alone_and_is_tried_again(prepared, monkeypatch, capsys):
    seen = fake_training(monkeypatch, runs)
    trained = runs.train_fold
    networks = []

    def fail(config: Config, data: FoldData, folder: Path) -> FoldSummary:
        summary = trained(config, data, folder)
        if len(seen) == 2:
            network = torch.nn.Linear(2, 2)
            networks.append(weakref.ref(network))
            raise FoldError("gz37/small, fold 1, epoch 1: the loss is nan")
        return summary

    monkeypatch.setattr(runs, "train_fold", fail)
    run = Run(small_config(image=SIZES, tta={"dihedral": False}), prepared)
    card = run.train()
    assert card is not None
    assert card.folds == [0, 2]
    assert run.stopped == ["gz37/small, fold 1, epoch 1: the loss is nan"]
    assert run.stopped[0] in capsys.readouterr().out
    gc.collect()
    assert networks[0]() is None  # of a stopped fold nothing stays in memory
    left_out = members.find_runs(TASKS["gz37"], prepared, [], or_none=True)[1]
    assert left_out == ["gz37/small is skipped: only 2 of 3 folds are finished"]
    again = Run(run.config, prepared)
    whole = again.train()
    assert whole is not None
    assert (whole.folds, again.stopped) == ([0, 1, 2], [])
    assert [data.part.stream for data in seen] == [0, 1, 2, 1]


def test_a_stage_that_is_missing_stops_only_the_folds_that_need_it(prepared):
    run = Run(small_config(image=SIZES, stages=[{"name": "a"}, {"name": "b"}]), prepared)
    assert run.train(["fold_0", "fold_1"]) is None
    assert len(run.stopped) == 2
    assert all("starts from stage a of " in reason for reason in run.stopped)


def test_a_nights_other_runs_are_trained_and_combined(tmp_path):
    """Of three in one call the first stops and the second diverges."""
    draw_competition(n_train=18, n_test=3).write_zips(tmp_path / "input")
    for name, lr in (("bad", 1e30), ("wild", 100.0)):
        (tmp_path / f"{name}.yaml").write_text(
            f"task: gz37\nimage: {{size_px: 64}}\nmodel: {{name: cnn}}\ntrain: {{lr: {lr}}}\n"
        )
    words = ["bad.yaml", "wild.yaml", "gz37/cnn", *TINY, "tta.dihedral=false", "--folds", "2"]
    result = call(tmp_path, "train.py", *words, "--ensemble")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2  # one for each fold of the run
    assert all("gz37/bad, fold" in line for line in errors)
    assert "gz37/wild is skipped: fold 0 diverged: " in result.stdout
    assert not list(tmp_path.glob("folds/*/gz37/bad/*/weights.safetensors"))
    assert len(list(tmp_path.glob("folds/*/gz37/cnn/*/fold.json"))) == 2
    assert (tmp_path / "submissions" / "predictions.csv").exists()
