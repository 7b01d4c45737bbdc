"""The project's folders, reserved names, paths as messages print them, and where one may write."""

from __future__ import annotations  # the package's __init__.py says why

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from galaxyzoo.core.errors import InputError

_PACKAGE = Path(__file__).resolve().parents[1]
INSTALLED = (_PACKAGE / "configs").is_dir()  # a wheel has them inside; a checkout's are two above
# The checkout; of an installed package the current folder, whichever that is when a path is used.
CODE_ROOT = Path() if INSTALLED else _PACKAGE.parents[1]
RESOURCES = _PACKAGE if INSTALLED else CODE_ROOT  # folder of configs/, weights/ and LICENSE
_ARTEFACTS = ("folds", "oof", "submissions")
# Names of datasets, and of runs
DEMO = "demo"  # the dataset that the project draws itself, with short schedules (configs/demo.yaml)
DEMO_FULL = "demo-full"  # the same galaxies, trained as real ones are
DEMOS = (DEMO, DEMO_FULL)
WHOLE = "kaggle"  # the dataset of the whole competition
BUNDLED = "bundled"  # in place of a dataset: networks that come with the project, in `weights/`
RECORDS = "records"  # in submissions/: the committed results, which no command writes
ALL_RUNS = "all"  # name of the ensemble of every finished run of a task
STAGE = "stage."  # prefix of the last part of the names of runs that are earlier stages of others
REFIT_END = "_refit"  # after a run's name: the table of its refits
HOLDOUT_END = "_holdout"  # likewise: its hold-out


def root() -> Path:
    """The project's folder: `GALAXYZOO_ROOT`, else the checkout, installed the current folder.

    Read at each call, so that tests and notebooks can keep a whole set of artifacts elsewhere.
    """
    return Path(os.environ.get("GALAXYZOO_ROOT") or CODE_ROOT).resolve()


def configs_dir() -> Path:
    """Folder of the YAML configs: `GALAXYZOO_CONFIGS` where that is set, else the code's own."""
    return Path(os.environ.get("GALAXYZOO_CONFIGS") or RESOURCES / "configs").resolve()


def input_dir() -> Path:
    """Folder of users' files and of the demo set."""
    return root() / "input"


def cache_dir() -> Path:
    """Folder of decoded images; safe to delete."""
    return input_dir() / "cache"


def shown(path: Path) -> str:
    """Format a path for messages: relative to the project if inside."""
    for folder in (root(), CODE_ROOT, RESOURCES, Path.cwd()):
        if path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return str(path)


def check_output(
    option: str,
    path: Path,
    inputs: Iterable[Path] = (),
    is_own: Callable[[Path], bool] = lambda path: False,
) -> None:
    """Refuse to write where something would be lost, or where nothing can be written.

    Args:
        option: that names the path, for the message.
        path: file or folder to write.
        inputs: files and folders that the command reads.
        is_own: checks whether an existing path is this command's own output, which it may replace.
    Raises:
        InputError: the path is an input or holds one, is another command's artefact, exists and is
            not `is_own`, or lies where this process may not write.
    """
    target = path.resolve()
    output = f"{option} {shown(path)}"
    for source in inputs:
        if source.resolve().is_relative_to(target):
            raise InputError(f"{output} is or contains an input: choose another name")
    for folder in _reserved_folders(target):
        if target.is_relative_to(folder):
            raise InputError(f"{output} is inside {shown(folder)}/: choose a path outside it")
    is_empty = path.is_dir() and not any(path.iterdir())
    if (path.exists() or path.is_symlink()) and not is_empty and not is_own(path):
        raise InputError(f"{output} exists, with other content: move it, or choose another name")
    nearest = target if target.is_dir() else target.parent
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise InputError(f"{output} cannot be written: {shown(nearest)} is not a writable folder")


def _reserved_folders(target: Path) -> list[Path]:
    """Folders of this project's results, and those above the target that an extra has sealed."""
    from galaxyzoo.core.extras import installed  # not to be read by an old Python

    reserved = [root() / name for name in _ARTEFACTS]
    reserved.append(cache_dir())
    seals: list[str] = []
    for extra in installed().values():
        seals += extra.seals
    for folder in target.parent.parents:  # a file may lie beside a folder's parts
        if any((folder / seal).exists() for seal in seals):
            reserved.append(folder)
    return reserved
