"""The training loop: resume replays exactly, schedules, checkpoints, what stops a fold.

Training of classes: a frozen backbone, classes alike, the start of a stage.
"""

from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from galaxyzoo.config.schema import Config, TTAConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.geometry import to_tensor
from galaxyzoo.inference.network import predict
from galaxyzoo.models.build import GalaxyNet, build_model
from galaxyzoo.models.weights import save_weights
from galaxyzoo.results.fold_files import WEIGHTS
from galaxyzoo.tasks.metrics import rmse
from galaxyzoo.tasks.registry import CLASS_TASKS, TASKS
from galaxyzoo.training import fold, trainer
from galaxyzoo.training.fold import train_fold
from galaxyzoo.training.loader import Batch
from galaxyzoo.training.trainer import Trainer
from support.kills import Killed
from support.small_models import class_config, small_config
from support.training_fixtures import (
    assert_same_files,
    check_a_kill_changes_nothing,
    class_fold,
    config,
    fold_data,
    train_until_killed,
)

SAMPLED = {"class_balance": "sampling", "checkpoint": "best"}


@pytest.mark.parametrize(
    ("steps", "settings", "data"),  # four steps an epoch: killed in the first, at its end, in later
    [
        (2, config(optimizer="muon"), fold_data()),
        (4, config(), fold_data()),
        (9, config(checkpoint="best"), fold_data()),
        (9, config(optimizer="muon"), fold_data()),
        (2, class_config(train={"freeze": "backbone"}), class_fold()),
        (6, class_config(train={"optimizer": "sgd", "lr": 0.01}), class_fold()),
        (10, class_config(train=SAMPLED), class_fold()),
    ],
)
def test_a_killed_fold_ends_with_the_same_bytes(tmp_path, steps, settings, data):
    check_a_kill_changes_nothing(tmp_path, settings, data, steps)


def test_a_kill_between_the_last_checkpoint_and_the_history_loses_nothing(tmp_path):
    data = fold_data()
    settings = config()
    train_fold(settings, data, tmp_path / "whole")
    write = fold.write_history
    with pytest.MonkeyPatch.context() as patch:

        def killed_at_last(path: Path, rows: list[dict[str, object]], *more: object) -> None:
            if len(rows) == settings.train.epochs:
                raise Killed
            write(path, rows)

        patch.setattr(fold, "write_history", killed_at_last)
        with pytest.raises(Killed):
            train_fold(settings, data, tmp_path / "killed")
    train_fold(settings, data, tmp_path / "killed")
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
        train_fold(config(), data, tmp_path)
    assert asked == [False]


def test_best_keeps_the_weights_of_the_best_epoch(tmp_path, monkeypatch):
    scores = iter([(0.3, {"val_score": 0.3}), (0.1, {"val_score": 0.1}), (0.2, {"val_score": 0.2})])
    monkeypatch.setattr(Trainer, "validate", lambda self: next(scores))
    trainer = Trainer(config(checkpoint="best"), fold_data())
    kept = []
    for _ in trainer.epochs():
        state = trainer.averaged_model.state_dict()
        kept.append({name: value.clone() for name, value in state.items()})
    weights = trainer.final_weights()
    assert all(torch.equal(weights[name], kept[1][name]) for name in weights)
    assert not all(torch.equal(weights[name], kept[2][name]) for name in weights)


def test_the_moving_average_is_that_of_a_plain_loop():
    """Its warm-up: after n steps, the newest weights count n^(-2/3), but at least 1 - decay."""
    trainer = Trainer(config(ema_decay=0.6), fold_data())
    decay = 0.6
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
    data = fold_data()
    settings = config(ema_decay=0.6)
    trainer = Trainer(settings, data)
    rows = data.val_rows
    one_view = TTAConfig(dihedral=False)
    score = next(trainer.epochs())["val_score"]

    def score_of(model: GalaxyNet) -> float:
        return rmse(predict(model, data.cache, rows, settings, one_view), data.targets[rows])

    assert score == pytest.approx(score_of(trainer.averaged_model), rel=1e-6)
    assert score != pytest.approx(score_of(trainer.model), rel=1e-4)
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
    five = Trainer(config(batch_size=2), fold_data(7)).batches()
    assert [len(batch.rows) for batch in five] == [3, 2]  # one alone has no batch statistics


def test_images_and_targets_of_a_batch_belong_together():
    data = fold_data()
    data.cache.images[:] = data.cache.ids[:, None, None, None] % 256  # each image shows its own id
    trainer = Trainer(config(), data)
    for rows, images, targets in trainer.batches():
        assert np.array_equal(images[:, 0, 16, 16].numpy(), data.cache.ids[rows] % 256)
        assert np.array_equal(targets.numpy(), data.targets[rows].astype(np.float32))


def test_an_epochs_loss_is_the_mean_over_its_steps(monkeypatch):
    """Each loss is read one step late, so that a GPU has work meanwhile."""
    losses = list[float]()
    sizes = list[int]()
    step = Trainer.step

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


# A class run after a stage on the same classes, and after one on votes.
AGAIN = {"stages": [{"name": "classes"}, {"name": "again"}]}
AFTER_VOTES = {"stages": [{"name": "votes", "task": "gz37"}, {"name": "classes"}]}


def state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def run_epochs(trainer: Trainer, count: int) -> None:
    list(islice(trainer.epochs(), count))


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_frozen_backbone_keeps_every_byte(optimizer):
    config = class_config(train={"freeze": "backbone", "optimizer": optimizer})
    trainer = Trainer(config, class_fold())
    networks = (trainer.model, trainer.averaged_model)
    assert networks[0] is not networks[1]
    before = [state(network) for network in networks]
    run_epochs(trainer, 2)
    for network, old in zip(networks, before, strict=True):
        heads = {name for name in old if name.startswith("head.")}
        assert changed(old, state(network)) == heads
    free = Trainer(class_config(), class_fold())
    old = state(free.model)
    run_epochs(free, 1)
    moved = changed(old, state(free.model))
    assert moved >= {name for name, _ in free.model.named_parameters()}
    assert any("running_mean" in name for name in moved)


def test_sampling_draws_classes_evenly_and_the_same_each_time():
    config = class_config(train={"class_balance": "sampling"})
    trainer = Trainer(config, class_fold(400))
    again = Trainer(config, class_fold(400))
    classes = trainer.data.targets.argmax(axis=1)
    drawn = []
    for epoch in range(10):
        trainer.epoch = epoch
        again.epoch = epoch
        batches = [batch.rows for batch in trainer.batches()]
        for found, batch in zip(again.batches(), batches, strict=True):
            np.testing.assert_array_equal(found.rows, batch)
        rows = np.concatenate(batches)
        assert len(rows) == len(trainer.data.train_rows)
        assert set(rows) <= set(trainer.data.train_rows)
        drawn.append(np.bincount(classes[rows], minlength=5) / len(rows))
    # Standard error of a mean share: sqrt(0.2 · 0.8 / (10 · 300)) = 0.007.
    np.testing.assert_allclose(np.mean(drawn, axis=0), 0.2, atol=0.02)


def test_weights_are_the_inverse_frequencies_and_equal_ones_without_balance():
    data = class_fold(80)
    trainer = Trainer(class_config(train={"class_balance": "weights"}), data)
    counts = data.targets[data.train_rows].sum(axis=0)
    weights = trainer.class_weights
    assert weights is not None
    np.testing.assert_allclose(weights.numpy(), counts.sum() / (5 * counts), rtol=1e-6)
    assert np.average(weights.numpy(), weights=counts) == pytest.approx(1)
    probs = torch.full((5, 5), 0.1) + 0.5 * torch.eye(5)
    probs[0] = torch.tensor([0.1, 0.6, 0.1, 0.1, 0.1])  # wrong on the frequent class
    plain = Trainer(class_config(), data)
    assert plain.class_weights is None
    assert trainer.loss(probs, torch.eye(5)) < plain.loss(probs, torch.eye(5))


@pytest.mark.parametrize("balance", ["weights", "sampling"])
def test_the_saved_network_gives_natural_probabilities(tmp_path, balance):
    """Proportional to the prior times what the balanced network gave."""
    config = class_config(train={"class_balance": balance, "amp": "fp32"})
    data = class_fold(80)
    trainer = Trainer(config, data)
    history = next(trainer.epochs())
    images = torch.from_numpy(data.cache.images[:6]).permute(0, 3, 1, 2)
    before = trainer.averaged_model.eval()(images).detach().numpy()
    model = build_model(config, initialize=False)
    model.load_state_dict(trainer.final_weights())
    after = model.eval()(images).detach().numpy()
    expected = before * data.targets[data.train_rows].mean(axis=0)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(after, expected, atol=1e-5)
    # Epochs are judged by the network that is saved.
    rows = data.val_rows
    saved = predict(model, data.cache, rows, config, TTAConfig(dihedral=False))
    score = config.predicted_task.score(saved, data.targets[rows])
    assert history["val_score"] == pytest.approx(score, rel=1e-5)
    again = trainer.averaged_model.eval()(images).detach().numpy()
    np.testing.assert_array_equal(again, before)  # training goes on from the balanced one
    plain = Trainer(class_config(), data)
    assert changed(plain.averaged_model.state_dict(), plain.final_weights()) == set()


def test_the_stage_before_fills_the_backbone_and_not_the_head(tmp_path):
    config = class_config(**AFTER_VOTES)
    torch.manual_seed(5)
    source = build_model(small_config(model={"mean": [0.1, 0.2, 0.3]}))
    path = tmp_path / WEIGHTS
    save_weights(path, source.state_dict())
    plain = Trainer(class_config(), class_fold())
    trainer = Trainer(config, class_fold(weights=path, origin="scratch, then votes"))
    assert trainer.start == "scratch, then votes"
    weights = load_file(path)
    ours = trainer.model.state_dict()
    kept = [name for name in weights if not name.startswith("head.")]
    assert {"mean", "std"} <= set(kept)  # its normalization belongs to it
    assert all(torch.equal(ours[name], weights[name]) for name in kept)
    averaged = trainer.averaged_model.state_dict()
    assert all(torch.equal(averaged[name], weights[name]) for name in kept)
    heads = {name: tensor for name, tensor in ours.items() if name.startswith("head.")}
    assert changed(heads, plain.model.state_dict()) == set()  # as drawn by the run's own seed


def test_a_stage_of_the_same_task_fills_the_head_too(tmp_path):
    torch.manual_seed(5)
    path = tmp_path / WEIGHTS
    save_weights(path, build_model(class_config()).state_dict())
    trainer = Trainer(class_config(**AGAIN), class_fold(weights=path))
    weights = load_file(path)
    assert changed(weights, trainer.model.state_dict()) == set()
    assert changed(weights, trainer.averaged_model.state_dict()) == set()


def test_by_the_rule_a_network_of_votes_predicts_classes_before_it_learns_them(tmp_path):
    torch.manual_seed(5)
    votes = build_model(small_config(loss="kl"))
    path = tmp_path / WEIGHTS
    save_weights(path, votes.state_dict())
    fold = class_fold(weights=path)
    classes = {"name": "classes", "head": {"output": "rule"}}
    trainer = Trainer(class_config(stages=[AFTER_VOTES["stages"][0], classes]), fold)
    images = to_tensor(fold.cache.images)
    with torch.no_grad():
        table = pd.DataFrame(votes.eval()(images).numpy(), columns=list(TASKS["gz37"].columns))
        probs = trainer.averaged_model.eval()(images).numpy()
    rule = CLASS_TASKS["zoo5"].rule
    assert rule is not None
    np.testing.assert_allclose(probs, rule.shares(table), rtol=0, atol=1e-6)
    before = state(trainer.model)
    run_epochs(trainer, 1)
    assert {"head.0.weight", "head.3.bias"} <= changed(before, state(trainer.model))


@pytest.mark.parametrize(
    ("source", "stages", "named"),
    [
        (class_config(head={"hidden": 7}), AGAIN, r"head\."),
        (small_config(model={"kwargs": {"widths": [8, 24]}}), AFTER_VOTES, ""),
    ],
    ids=["head", "width"],
)
def test_a_start_of_another_form_is_refused(tmp_path, source, stages, named):
    path = tmp_path / WEIGHTS
    save_weights(path, build_model(source).state_dict())
    with pytest.raises(InputError, match=rf"weights\.safetensors does not fit the model.*{named}"):
        Trainer(class_config(**stages), class_fold(weights=path))
