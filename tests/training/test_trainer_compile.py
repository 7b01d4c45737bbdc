"""The switch for compiled networks; the compiler itself, which takes minutes, is stood in for."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch._dynamo.exc import BackendCompilerFailed

from galaxyzoo.core.errors import FoldError
from galaxyzoo.training.fold import train_fold
from support.small_models import small_config
from support.training_fixtures import fold_data

COMPILED = small_config(train={"compile": True})


def test_training_steps_go_through_the_compiled_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    class Compiled(nn.Module):
        def __init__(self, network: nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.append(len(images))
            return self.network(images)

    monkeypatch.setattr(torch, "compile", Compiled)
    for name, config in {"plain": small_config(), "compiled": COMPILED}.items():
        train_fold(config, fold_data(), tmp_path / name, name)
        assert sum(seen) == (config.train.epochs * len(fold_data().train_rows) if seen else 0)
    assert seen
    plain, compiled = (tmp_path / name / "weights.safetensors" for name in ("plain", "compiled"))
    assert plain.read_bytes() == compiled.read_bytes()
    assert COMPILED.digest() == small_config().digest()


def test_a_compiler_that_fails_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(network: nn.Module) -> Callable[..., None]:
        def forward(images: torch.Tensor) -> None:
            raise BackendCompilerFailed(fail, RuntimeError("No working C++ compiler found"), None)

        return forward

    monkeypatch.setattr(torch, "compile", fail)
    with pytest.raises(
        FoldError, match=r"train\.compile does not work here: leave it out \(.*C\+\+"
    ):
        train_fold(COMPILED, fold_data(), tmp_path, "compiled")
