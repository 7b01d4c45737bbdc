"""The training loop: resume replays exactly, schedules, checkpoints, what stops a fold."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from galaxyzoo.config.schema import Config, TTAConfig
from galaxyzoo.inference.predict import predict
from galaxyzoo.models.build import GalaxyNet, build_model
from galaxyzoo.tasks.metrics import rmse
from galaxyzoo.training import fold, trainer
from galaxyzoo.training.fold import train_fold
from galaxyzoo.training.loader import Batch
from galaxyzoo.training.trainer import Trainer
from support.training_fixtures import (
    Killed,
    assert_same_files,
    check_a_kill_changes_nothing,
    config,
    fold_data,
    train_until_killed,
)


@pytest.mark.parametrize(
    ("steps", "train"),  # four steps an epoch: killed in the first, at its end, in the third
    [(2, {"optimizer": "muon"}), (4, {}), (9, {"checkpoint": "best"}), (9, {"optimizer": "muon"})],
)
def test_a_killed_fold_ends_with_the_same_bytes(tmp_path, steps, train):
    check_a_kill_changes_nothing(tmp_path, config(**train), fold_data(), steps)


def test_a_kill_between_the_last_checkpoint_and_the_history_loses_nothing(tmp_path):
    data, settings = fold_data(), config()
    train_fold(settings, data, tmp_path / "whole", "whole")
    write = fold.write_history
    with pytest.MonkeyPatch.context() as patch:

        def killed_at_last(path: Path, rows: list[dict[str, object]], *more: object) -> None:
            if len(rows) == settings.train.epochs:
                raise Killed
            write(path, rows)

        patch.setattr(fold, "write_history", killed_at_last)
        with pytest.raises(Killed):
            train_fold(settings, data, tmp_path / "killed", "killed")
    train_fold(settings, data, tmp_path / "killed", "killed")
    assert_same_files(tmp_path / "killed", tmp_path / "whole")


def test_going_on_needs_no_pretrained_weights(tmp_path):
    data = fold_data()
    train_until_killed(config(), data, tmp_path, 5)
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        build = build_model

        def spy(settings: Config, initialize: bool) -> GalaxyNet:
            asked.append(initialize)
            return build(settings, initialize)

        patch.setattr(trainer, "build_model", spy)
        train_fold(config(), data, tmp_path, "again")
    assert asked == [False]


def test_best_keeps_the_weights_of_the_best_epoch(tmp_path, monkeypatch):
    scores = iter([(score, {"val_score": score}) for score in (0.3, 0.1, 0.2)])
    monkeypatch.setattr(Trainer, "validate", lambda self: next(scores))
    trainer, kept = Trainer(config(checkpoint="best"), fold_data()), []
    for _ in trainer.epochs():
        state = trainer.averaged_model.state_dict()
        kept.append({name: value.clone() for name, value in state.items()})
    weights = trainer.final_weights()
    assert all(torch.equal(weights[name], kept[1][name]) for name in weights)
    assert not all(torch.equal(weights[name], kept[2][name]) for name in weights)


def test_the_moving_average_is_that_of_a_plain_loop():
    """Its warm-up: after n steps, the newest weights count n^(-2/3), but at least 1 - decay."""
    trainer, decay = Trainer(config(ema_decay=0.6), fold_data()), 0.6
    trained = []

    def step(number: int, batch: Batch) -> torch.Tensor:
        loss = Trainer.step(trainer, number, batch)
        trained.append([p.detach().clone() for p in trainer.model.parameters()])
        return loss

    trainer.step = step  # type: ignore[method-assign]
    assert len([*islice(trainer.epochs(), 2)]) == 2
    average = trained[0]
    for n, weights in enumerate(trained, 1):
        share = max(n ** (-2 / 3), 1 - decay)
        average = [(1 - share) * a + share * w for a, w in zip(average, weights, strict=True)]
    assert len(trained) == 8
    torch.testing.assert_close(list(trainer.averaged_model.parameters()), average)


def test_the_moving_average_is_what_is_validated_and_kept():
    data, settings = fold_data(), config(ema_decay=0.6)
    trainer, rows, one_view = Trainer(settings, data), data.val_rows, TTAConfig(dihedral=False)
    score = next(trainer.epochs())["val_score"]
    last, average = (
        rmse(predict(model, data.cache, rows, settings, one_view), data.targets[rows])
        for model in (trainer.model, trainer.averaged_model)
    )
    assert score == pytest.approx(average, rel=1e-6)
    assert score != pytest.approx(last, rel=1e-4)
    kept = trainer.final_weights()
    for name, weights in trainer.averaged_model.state_dict().items():
        assert torch.equal(kept[name], weights)


def test_every_galaxy_trains_once_an_epoch_and_batches_are_even(tmp_path):
    trainer = Trainer(config(batch_size=16), fold_data(48))
    batches = [batch.rows for batch in trainer.batches()]
    assert sorted(np.concatenate(batches).tolist()) == trainer.data.train_rows.tolist()
    assert [len(rows) for rows in batches] == [12, 12, 12]
    trainer.epoch = 1
    assert not np.array_equal(batches[0], next(iter(trainer.batches())).rows)


def test_images_and_targets_of_a_batch_belong_together():
    data = fold_data()
    data.cache.images[:] = data.cache.ids[:, None, None, None] % 256  # each image shows its own id
    trainer = Trainer(config(), data)
    for rows, images, targets in trainer.batches():
        assert np.array_equal(images[:, 0, 16, 16].numpy(), data.cache.ids[rows] % 256)
        assert np.array_equal(targets.numpy(), data.targets[rows].astype(np.float32))


def test_an_epochs_loss_is_the_mean_over_its_steps(monkeypatch):
    """Each loss is read one step late, so that a GPU has work meanwhile."""
    losses, sizes, step = list[float](), list[int](), Trainer.step

    def noted(self, number, batch):
        loss = step(self, number, batch)
        losses.append(loss.item())
        sizes.append(len(batch.rows))
        return loss

    monkeypatch.setattr(Trainer, "step", noted)
    trained = Trainer(config(epochs=1), fold_data())
    (row,) = trained.epochs()
    assert len(losses) > 2
    assert row["train_loss"] == pytest.approx(np.average(losses, weights=sizes), rel=1e-6)
