"""The processor's kernels: those that repeat themselves where that is asked for."""

from collections.abc import Iterator

import pytest
import torch

from galaxyzoo.core.devices import prepare_to_train
from galaxyzoo.training import trainer
from support.small_models import small_config
from support.training_fixtures import fold_data


@pytest.fixture(autouse=True)
def usual_kernels() -> Iterator[None]:
    yield
    torch.use_deterministic_algorithms(False)


def test_the_switch_is_for_cuda_and_goes_off_again() -> None:
    prepare_to_train(torch.device("cpu"), True)
    assert not torch.are_deterministic_algorithms_enabled()
    prepare_to_train(torch.device("cuda"), True)
    assert torch.are_deterministic_algorithms_enabled()
    prepare_to_train(torch.device("cuda"), False)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("wanted", [True, False])
def test_training_chooses_by_the_config(monkeypatch: pytest.MonkeyPatch, wanted: bool) -> None:
    chosen = []
    monkeypatch.setattr(trainer, "prepare_to_train", lambda device, on: chosen.append(on))
    config = small_config(train={"deterministic": wanted})
    trainer.Trainer(config, fold_data())
    assert chosen == [wanted]
    assert config.digest() == small_config().digest()
