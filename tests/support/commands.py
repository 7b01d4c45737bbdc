"""Real commands on a tiny competition, and what they leave."""

import argparse
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pytest

from galaxyzoo import commands
from galaxyzoo.core import paths
from galaxyzoo.core.extras import installed, load_entry_point
from support.datasets import draw_competition
from support.forked_commands import ForkServer, Job
from support.refusals import listing

Done = subprocess.CompletedProcess[str]
SRC = paths.CODE_ROOT / "src"
TINY = ["image.size_px=32", "model.kwargs.widths=[8,16]", "head.hidden=16"]
TINY += ["train.epochs=2", "train.batch_size=8"]
TRAIN = ["train.py", "gz37/cnn", *TINY, "--folds", "3"]
OPTIONAL = sorted({name for extra in installed().values() for name in extra.packages})
COMPETITION = draw_competition(n_train=36, n_test=7, seed=3)


def environment(root: Path) -> dict[str, str]:
    """Of a command that works in that project folder, on one thread of the processor.

    pyarrow, which pandas imports, would start a thread for its memory, which no fork copies.
    """
    return {
        **os.environ,
        "GALAXYZOO_ROOT": str(root),
        "OMP_NUM_THREADS": "1",
        "JE_ARROW_MALLOC_CONF": "background_thread:false",
    }


@functools.cache
def fork_server(src: Path = SRC) -> ForkServer:
    """This process's connection to the test run's server."""
    return new_fork_server(src)


def new_fork_server(src: Path = SRC) -> ForkServer:
    """A further connection, for a command that runs while others do."""
    return ForkServer(src, {**environment(src), "PYTHONPATH": str(SRC)})


def call(root: Path, script: str, *words: str | Path, src: Path = SRC) -> Done:
    """Run a command as the user types it in that folder, with its imports done already.

    Args:
        root: project folder.
        script: entry script in `src`.
        words: its arguments.
        src: folder of the code.
    """
    command = [str(src / script), *map(str, words)]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output"
        errors = Path(folder) / "errors"
        job = Job(command, str(root), environment(root), str(output), str(errors))
        (status,) = fork_server(src).run(job)
        printed = output.read_text(encoding="utf-8")
        complaints = errors.read_text(encoding="utf-8")
    return subprocess.CompletedProcess(command, status, printed, complaints)


def succeed(root: Path, script: str, *words: str | Path, src: Path = SRC) -> Done:
    """The same for a command that must end well."""
    result = call(root, script, *words, src=src)
    assert result.returncode == 0, result.stderr
    return result


def train_project(root: Path, *words: str) -> Path:
    """A project folder with the small competition, in which its run has been trained."""
    COMPETITION.write_zips(root / "input")
    succeed(root, *TRAIN, *words)
    return root


def copy_checkout(folder: Path) -> Path:
    """A copy of the files in git as they are now; skips the test where there is no git."""
    if not (paths.CODE_ROOT / ".git").exists():
        pytest.skip("not a checkout")
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=paths.CODE_ROOT, text=True)
    for name in listed.split("\0"):
        if name and (paths.CODE_ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(paths.CODE_ROOT / name, folder / name)
    return folder


def complaint(result: Done) -> str:
    """The one line of a command that refuses its input."""
    assert result.returncode == 1, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr, result.stderr
    return lines[0]


def artifacts(root: Path, *more: str) -> dict[str, bytes]:
    """Path in the project -> content of all that a run leaves there, and of further folders.

    Without locks, and without the timings, which differ from run to run.
    """
    files = listing(*(root / name for name in ("folds", "oof", "submissions", *more)))
    kept = {str(Path(path).relative_to(root)): data for path, data in files.items()}
    return {path: data for path, data in kept.items() if not path.endswith("timings.csv")}


def dataset(root: Path) -> str:
    """Name of the only prepared dataset of a project."""
    return next((root / "folds").glob("*/dataset.json")).parent.name


def table(root: Path, folder: str, name: str = "gz37/cnn.csv") -> pd.DataFrame:
    return pd.read_csv(root / folder / dataset(root) / name, index_col="GalaxyID")


class ParsedError(Exception):
    """Carries a parser out of a command."""


def parser_of(name: str, *words: str) -> tuple[argparse.ArgumentParser, list[str]]:
    """A command's parser, taken as it is about to read the command line, and what it would read."""

    def take(parser: argparse.ArgumentParser, arguments: list[str] | None = None) -> None:
        raise ParsedError(parser, [*words] if arguments is None else arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_intermixed_args", take)
        patch.setattr(sys, "argv", [name, *words])
        with pytest.raises(ParsedError) as caught:
            load_entry_point(commands.references()[name])()
    return caught.value.args[0], caught.value.args[1]
