"""Training that costs nothing, for tests of what goes on around it."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from galaxyzoo import training
from galaxyzoo.checkpoints import save_weights
from galaxyzoo.config import Config
from galaxyzoo.fold_summary import FoldSummary
from galaxyzoo.models import build_model
from galaxyzoo.training import WEIGHTS, FoldData


def fake_training(
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    summarise: Callable[[], FoldSummary] = lambda: FoldSummary("scratch"),
) -> list[FoldData]:
    """Replace a module's training loop by random weights; returns what each call is handed.

    What is trained for no epochs keeps the networks of its start, as ever, and is not among them.
    """
    seen: list[FoldData] = []

    def train_fold(config: Config, data: FoldData, folder: Path, label: str) -> FoldSummary:
        if not config.train.epochs:
            return training.train_fold(config, data, folder, label)
        seen.append(data)
        save_weights(folder / WEIGHTS, build_model(config).state_dict())
        return summarise()

    monkeypatch.setattr(module, "train_fold", train_fold)
    return seen
