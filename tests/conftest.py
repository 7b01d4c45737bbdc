"""Fixtures that every test file may use."""

import gc
import os
import shutil
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from galaxyzoo.core import paths
from galaxyzoo.data.catalog import folds_dir
from galaxyzoo.results.layout import oof_dir, submissions_dir

if TYPE_CHECKING:
    from galaxyzoo.data.prepare import Dataset
    from galaxyzoo.training.fold_data import FoldData

pytest_plugins = ["support.devices", "support.slowest", "support.thoroughness"]


def fsync(_handle: int) -> None:
    """Stand for `os.fsync`: no test cuts the power, and disks take a third of a small training."""


os.fsync = fsync  # type: ignore[assignment]
os.environ.pop("COLUMNS", None)  # which pytest-xdist sets: printed lines would break at 80 columns


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Have the garbage collector pass over all that was imported, a million objects each time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Imports leave nothing to collect, and looking for it takes a quarter of them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.fixture(autouse=True)
def _same_draws() -> None:
    """Untrained networks and noise are the same whatever other tests ran before."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, with `input/`, `folds/` and so on, in place of the real one everywhere."""
    monkeypatch.setenv("GALAXYZOO_ROOT", str(tmp_path))
    folders = [paths.cache_dir(), folds_dir(), oof_dir()]
    for folder in (*folders, submissions_dir(), paths.root() / "reports"):
        folder.mkdir(parents=True)
    return tmp_path


@pytest.fixture
def heeded_ctrl_c() -> Iterator[None]:
    """Ctrl-C reaches the commands that a test starts.

    A shell that runs the tests in the background has them ignore it, and what they start inherits
    that.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty configs folder in place of the real one."""
    monkeypatch.setenv("GALAXYZOO_CONFIGS", str(tmp_path))
    (tmp_path / "gz37").mkdir()
    return tmp_path


@pytest.fixture(scope="session")
def prepared_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with a small competition that is split; no test may change it."""
    from galaxyzoo.data.prepare import prepare
    from support.datasets import draw_competition

    folder = tmp_path_factory.mktemp("prepared")
    draw_competition(n_train=30, n_test=5).write_zips(folder / "input")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GALAXYZOO_ROOT", str(folder))
        prepare(n_folds=3)
    return folder


@pytest.fixture
def prepared(prepared_project: Path, root: Path) -> "Dataset":
    """A small competition in three folds."""
    from galaxyzoo.data.prepare import prepare

    shutil.copytree(prepared_project, root, dirs_exist_ok=True)
    return prepare(n_folds=3)


@pytest.fixture(scope="session")
def trained_project(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A project folder in which the whole path has run once; no test may change it.

    It is trained once for all processes of a test run, by the first that asks.
    """
    from support.commands import train_project

    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "trained"
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            train_project(folder.with_suffix(".part"), "--ensemble").rename(folder)
    return folder


@pytest.fixture(scope="module")
def project(trained_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the trained project, to which the tests of a file may add files."""
    return Path(shutil.copytree(trained_project, tmp_path_factory.mktemp("project") / "copy"))


@pytest.fixture
def copy(trained_project: Path, tmp_path: Path) -> Path:
    """A copy of the trained project for one test, to change."""
    return Path(shutil.copytree(trained_project, tmp_path / "copy"))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> "list[FoldData]":
    """What runs hand to their training, which costs nothing here."""
    from galaxyzoo.training import run
    from support.training_fixtures import fake_training

    return fake_training(monkeypatch, run)
