"""Real commands that are struck while they work: killed, or refused by the disk."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from support.commands import SRC, TINY, artifacts, environment, fork_server
from support.fork_server import FAULTS
from support.forked_commands import Job

# The whole path on a small demo set: drawing, split, caches, two folds, tables, ensemble,
# submission.
TRAIN = [
    *(str(FAULTS / "train_on_small_demo.py"), "gz37/cnn", "--data", "demo-full", *TINY),
    *("tta.dihedral=false", "--folds", "2", "--ensemble"),
]


@dataclass(frozen=True)
class Fault:
    """When and how to strike; the default never does."""

    # operation -> how far the command has come when it does that for the last time
    ranks: dict[str, int] = field(default_factory=dict)
    at: int = 1 << 30  # strike at the first operation of this rank or a higher one
    delay_s: float = 0.0  # and so long after it
    group: bool = True  # kill the command's children too
    # kill the process that started this one, which goes on once the next command has come so far
    orphan_until: str = ""
    power: bool = False  # cut the power: lose what was not synced
    errno: int = 0  # fail the operation, and every later one that needs room, instead of killing


@dataclass(frozen=True)
class Result:
    """What a command did."""

    status: int
    output: str  # standard output and error
    operations: list[str]  # what it changed under the root; `struck at …` where it was struck

    @property
    def struck(self) -> bool:
        """Whether it was struck."""
        return any(line.startswith("struck at ") for line in self.operations)

    @property
    def completed(self) -> subprocess.CompletedProcess[str]:
        """As of a command that was not watched."""
        return subprocess.CompletedProcess([], self.status, "", self.output)


@dataclass(frozen=True)
class Project:
    """A project folder whose commands can be struck, and a folder for notes about them."""

    root: Path
    work: Path
    namespaces: tuple[str, ...] = ()  # that its forked commands join

    @classmethod
    def new(cls, folder: Path) -> "Project":
        """A project folder in which nothing has run."""
        (folder / "root").mkdir()
        return cls(folder / "root", folder / "work")

    def run(self, words: list[str], fault: Fault | None = None) -> Result:
        """Run a script with its arguments in a forked process, to its end."""
        (status,) = fork_server().run(self._job(words, fault or Fault()))
        return self._result(status)

    def run_twice(self, words: list[str]) -> list[Result]:
        """Run it in two forked processes at once."""
        both = [replace(self, work=self.work.with_name(name)) for name in ("one", "two")]
        jobs = [project._job(words, Fault()) for project in both]
        statuses = fork_server().run(*jobs)
        return [p._result(status) for p, status in zip(both, statuses, strict=True)]

    def run_alone(self, words: list[str], fault: Fault | None = None) -> Result:
        """Run it in a process of its own, as a user types it."""
        job = self._job(words, fault or Fault())
        with open(job.output, "w", encoding="utf-8") as output:
            how: dict[str, Any] = {"stdout": output, "stderr": output, "start_new_session": True}
            command = [sys.executable, *job.words]
            done = subprocess.run(command, env=job.environment, check=False, **how)
        return self._result(done.returncode)

    def clear(self) -> None:
        """Remove all that the commands have left."""
        shutil.rmtree(self.root)
        self.root.mkdir()

    def artifacts(self) -> dict[str, bytes]:
        """All that the commands have left, the demo set and its decoded images too."""
        return artifacts(self.root, "input")

    def _job(self, words: list[str], fault: Fault) -> Job:
        """Write down a command's fault; returns the command."""
        self.work.mkdir(parents=True, exist_ok=True)
        for left in ("operations", "output"):
            (self.work / left).unlink(missing_ok=True)
        path = self.work / "fault.json"
        output = str(self.work / "output")
        plan = {**asdict(fault), "root": str(self.root), "log": str(self.work / "operations")}
        path.write_text(json.dumps(plan), encoding="utf-8")
        script, *options = words
        variables = {
            **environment(self.root),
            "PYTHONPATH": f"{FAULTS}{os.pathsep}{SRC}",  # also of the processes that it starts
            "GALAXYZOO_FAULT": str(path),
            "GIT_DIR": os.devnull,  # a commit meanwhile is no other version of the code
        }
        command = [str(SRC / script), *options]
        return Job(command, str(self.work), variables, output, output, self.namespaces)

    def _result(self, status: int) -> Result:
        log = self.work / "operations"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        text = (self.work / "output").read_text(encoding="utf-8", errors="replace")  # maybe cut off
        return Result(status, text, lines)


def ranks(operations: list[str]) -> dict[str, int]:
    """Of each operation, the place of its last time in an undisturbed run.

    Folders and locks are left out: they come again in every part of the path.
    """
    return {
        operation: place
        for place, operation in enumerate(operations)
        if not operation.startswith("mkdir") and not operation.endswith(".lock")
    }
