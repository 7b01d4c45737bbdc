"""Real commands that are struck while they work: killed, or refused by the disk."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from support.commands import SRC, artefacts, environment
from support.forked_commands import ForkServer

FAULTS = Path(__file__).parent / "faults"
# The whole path on a tiny competition: split, caches, three folds, tables, ensemble, submission.
TRAIN = [
    *("train.py", "gz37/cnn", "--folds", "3", "--ensemble", "image.size_px=32", "head.hidden=16"),
    *("model.kwargs.widths=[8,16]", "train.epochs=3", "train.batch_size=8"),
]


@dataclass(frozen=True)
class Fault:
    """When and how to strike; the default never does."""

    # operation -> how far the command has come when it does that for the last time
    ranks: dict[str, int] = field(default_factory=dict)
    at: int = 1 << 30  # strike at the first operation of this rank or a higher one
    delay_s: float = 0.0  # and so long after it
    group: bool = True  # kill the command's children too
    errno: int = 0  # fail the operation, and every later one that needs room, instead of killing


@dataclass(frozen=True)
class Result:
    """What a command did."""

    status: int
    output: str  # standard output and error
    operations: list[str]  # what it changed under the root; `struck at …` where it was struck

    @property
    def struck(self) -> str:
        """The operation at which it was struck; empty where it was not."""
        found = [line for line in self.operations if line.startswith("struck at ")]
        return found[0].removeprefix("struck at ") if found else ""


class Server:
    """Runs commands under one project folder in forked processes."""

    def __init__(self, root: Path, work: Path, prefix: tuple[str, ...] = ()) -> None:
        self.root, self.work = root, work
        self.forks = ForkServer(faulty_environment(root), "--one-project", prefix=prefix)

    def run(self, words: list[str], fault: Fault | None = None) -> Result:
        """Run an entry script with its words to its end, whatever that is."""
        words, environment = prepare(self.root, self.work, words, fault or Fault())
        printed = self.work / "output"
        status = self.forks.run(words, self.work, environment, printed, printed)
        return result(self.work, status)


@contextmanager
def serving(root: Path, work: Path, prefix: tuple[str, ...] = ()) -> Iterator[Server]:
    """A server, ended with the block."""
    work.mkdir(parents=True)
    server = Server(root, work, prefix)
    try:
        yield server
    finally:
        server.forks.close()


def call(root: Path, work: Path, words: list[str], fault: Fault | None = None) -> Result:
    """The same without a server: as a user types it."""
    work.mkdir(parents=True, exist_ok=True)
    words, environment = prepare(root, work, words, fault or Fault())
    with open(work / "output", "w", encoding="utf-8") as output:
        done = subprocess.run(
            [sys.executable, *words],
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
            check=False,
        )
    return result(work, done.returncode)


def faulty_environment(root: Path) -> dict[str, str]:
    """That of every command, with the faults on Python's path."""
    return {**environment(root), "PYTHONPATH": f"{FAULTS}{os.pathsep}{SRC}"}


def all_artefacts(root: Path) -> dict[str, bytes]:
    """All that the commands leave, the decoded images too."""
    return artefacts(root, "input/cache")


def ranks(operations: list[str]) -> dict[str, int]:
    """Of each operation, the place of its last time in an undisturbed run.

    Folders and locks are left out: they come again in every part of the path.
    """
    return {
        operation: place
        for place, operation in enumerate(operations)
        if not operation.startswith("mkdir") and not operation.endswith(".lock")
    }


def prepare(
    root: Path, work: Path, words: list[str], fault: Fault
) -> tuple[list[str], dict[str, str]]:
    """Write the plan of a command's fault; returns the command's words and environment."""
    plan = {**asdict(fault), "root": str(root), "log": str(work / "operations")}
    for left in ("operations", "output"):
        (work / left).unlink(missing_ok=True)
    (work / "fault.json").write_text(json.dumps(plan), encoding="utf-8")
    script, *options = words
    planned = {"GALAXYZOO_FAULT": str(work / "fault.json")}
    return [str(SRC / script), *options], {**faulty_environment(root), **planned}


def result(work: Path, status: int) -> Result:
    """What the command left in its work folder."""
    log = work / "operations"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    output = (work / "output").read_text(encoding="utf-8", errors="replace")  # cut off by a kill
    return Result(status, output, lines)
