"""Fixtures that every test file may use."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from galaxyzoo.core import paths

if TYPE_CHECKING:
    from galaxyzoo.data.prepare import Prepared
    from galaxyzoo.training.fold_data import FoldData

pytest_plugins = [
    "support.competition_files",
    "support.image_files",
    "support.kaggle_connection",
    "support.reliability",
]

FOLDERS = ("INPUT", "CACHE", "FOLDS", "OOF", "SUBMISSIONS", "REPORTS")
REAL = {name: getattr(paths, name) for name in ("ROOT", *FOLDERS)}


@pytest.fixture(autouse=True)
def _same_draws() -> None:
    """Untrained networks and noise are the same whatever other tests ran before."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """An empty project, with `input/`, `folds/` and so on, in place of the real one everywhere."""
    moved = {name: tmp_path / path.relative_to(REAL["ROOT"]) for name, path in REAL.items()}
    for folder in moved.values():
        folder.mkdir(exist_ok=True)
    _replace(REAL, moved)
    try:
        yield tmp_path
    finally:
        _replace(moved, REAL)  # also in modules imported meanwhile


@pytest.fixture
def configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty configs folder in place of the real one."""
    from galaxyzoo.config import loading

    monkeypatch.setattr(loading, "CONFIGS", tmp_path)
    (tmp_path / "gz37").mkdir()
    return tmp_path


@pytest.fixture
def prepared(root: Path) -> "Prepared":
    """A small competition in three folds."""
    from galaxyzoo.data.prepare import prepare
    from support.kaggle_fixtures import draw_competition

    draw_competition(n_train=30, n_test=5).write_zips(root / "input")
    return prepare(n_folds=3)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> "list[FoldData]":
    """What runs hand to their training, which costs nothing here."""
    from galaxyzoo.training import run
    from support.training_fixtures import fake_training

    return fake_training(monkeypatch, run)


def _replace(old: dict[str, Path], new: dict[str, Path]) -> None:
    for module in _package_modules():
        for name in old:
            if getattr(module, name, None) == old[name]:
                setattr(module, name, new[name])


def _package_modules() -> list[ModuleType]:
    return [m for name, m in list(sys.modules.items()) if name.split(".")[0] == "galaxyzoo"]
