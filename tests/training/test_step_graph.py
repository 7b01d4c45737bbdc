"""Recording an optimizer step without a GPU; `tests/gpu` has the rest."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from galaxyzoo.training import step_graph
from galaxyzoo.training.step_graph import Step, StepGraph
from galaxyzoo.training.trainer import Trainer
from support.training_fixtures import config, fold_data


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A stand-in for CUDA's streams and random numbers; the list has the modes of waiting."""
    modes: list[str] = []
    stream = SimpleNamespace(wait_stream=lambda other: None)
    stands_in: dict[str, Any] = {
        "get_rng_state": lambda device: torch.get_rng_state(),
        "set_rng_state": lambda state, device: torch.set_rng_state(state),
        "current_stream": lambda: stream,
        "stream": lambda one: nullcontext(),
        "set_sync_debug_mode": modes.append,
    }
    for name, value in stands_in.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(step_graph, "_stream", lambda device: stream)
    return modes


def values_of(trainer: Trainer) -> list[torch.Tensor]:
    """Copies of the weights, then of the optimizer's state."""
    values = list(trainer.model.state_dict().values())
    for state in trainer.optimizer.state.values():
        values += [value for value in state.values() if isinstance(value, torch.Tensor)]
    return [value.detach().clone() for value in values]


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd", "muon"])
@pytest.mark.parametrize("steps", [0, 2])  # with a fresh optimizer, and with one that has a state
def test_a_warm_up_leaves_no_trace(optimizer, steps, card):
    ends = []
    for is_warmed in (False, True):
        trainer = Trainer(config(optimizer=optimizer), fold_data())
        trainer.model.train()
        torch.manual_seed(0)
        batches = list(trainer.batches())
        for number in range(steps):
            trainer.step(number, batches[number])
        if is_warmed:
            graph = StepGraph(trainer.model, trainer.optimizer)
            before = values_of(trainer)
            graph._warm_up(trainer._take_step, batches[3].images, batches[3].targets)
            after = values_of(trainer)
            assert all(one.equal(two) for one, two in zip(before, after, strict=False))
            assert not any(value.any() for value in after[len(before) :])
            assert card == ["error", "default"]
        trainer.step(steps, batches[steps])  # with dropout
        ends.append(values_of(trainer))
    assert all(one.equal(two) for one, two in zip(*ends, strict=True))


def test_a_step_that_cannot_be_recorded_is_taken_plainly(card, capsys, monkeypatch):
    """The line is printed once; another error than that of memory is no reason to stop."""
    trainer = Trainer(config(), fold_data())
    other = Trainer(config(), fold_data())

    class Refusing(StepGraph):
        def __call__(
            self, take_step: Step, images: torch.Tensor, targets: torch.Tensor
        ) -> torch.Tensor:
            raise RuntimeError("called a synchronizing CUDA operation\nmore")

    trainer.graph = Refusing(trainer.model, trainer.optimizer)
    losses = []
    for one in (trainer, other):
        one.model.train()
        torch.manual_seed(0)
        losses.append([float(one.step(k, batch)) for k, batch in enumerate(one.batches())])
    assert losses[0] == losses[1]
    line = "training without CUDA graphs (called a synchronizing CUDA operation)"
    assert capsys.readouterr().out.count(line) == 1
