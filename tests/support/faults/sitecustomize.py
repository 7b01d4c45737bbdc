"""Strike a real command at a chosen file operation; Python imports this first from PYTHONPATH.

The operations are those that Python itself announces (audit events, PEP 578), so no line of the
project is changed or knows. `GALAXYZOO_FAULT` names a JSON file, see `faulty_commands.Fault`.

A power cut first takes back some of what this process changed in folders and did not sync: files
that were renamed and folders that were made are gone, files that were removed are there again.
"""

import json
import os
import random
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.truncate")


def install() -> None:
    """Begin to watch this process, where a fault is planned."""
    if "GALAXYZOO_FAULT" not in os.environ:
        return
    with open(os.environ["GALAXYZOO_FAULT"], encoding="utf-8") as file:
        plan = json.load(file)
    log = os.open(plan["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    folders = _Folders(plan) if plan["power"] else None
    struck = False

    def watch(event: str, args: tuple[Any, ...]) -> None:
        nonlocal struck
        operation = _name(event, args, plan["root"])
        if operation is None:
            return
        if struck and plan["errno"] and event in ("open", "os.mkdir"):  # a full disk stays full
            raise OSError(plan["errno"], os.strerror(plan["errno"]), str(args[0]))
        if not struck and plan["ranks"].get(operation, -1) >= plan["at"]:
            struck = True
            os.write(log, f"struck at {operation}\n".encode())
            if folders:
                folders.lose()
            _strike(plan, str(args[0]))
        os.write(log, f"{operation}\n".encode())

    sys.addaudithook(watch)


def _name(event: str, args: tuple[Any, ...], root: str) -> str | None:
    """Name of a changing operation under the root, the same in every run; None for all others."""
    if event == "open":
        if not args[2] & _WRITING:
            return None
    elif event not in _CHANGES:
        return None
    path = args[1] if event == "os.rename" else args[0]
    if isinstance(path, int):
        return None
    text = os.fsdecode(path)
    if not text.startswith(root):
        return None
    kept = re.sub(r"\.[a-z0-9_]{8}\.part", ".part", text[len(root) + 1 :])
    return f"{event.removeprefix('os.')} {kept}"


class _Folders:
    """Changes of folders under the root, and how to take them back until they are synced."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.backups = Path(plan["log"]).with_name("backups")
        self.backups.mkdir(exist_ok=True)
        # paths that were changed, inodes of their folders, what undoes it
        self.unsynced: list[tuple[list[Path], set[int], Callable[[], object]]] = []
        names = "rename", "replace", "unlink", "remove", "mkdir", "fsync"
        self.real = {name: getattr(os, name) for name in names}
        for name in names[:-1]:
            setattr(os, name, partial(self._change, name))
        setattr(os, "fsync", self._sync)  # noqa: B010 - not by its type

    def _change(self, name: str, *args: Any, **options: Any) -> Any:
        given = args[: 2 if name in ("rename", "replace") else 1]
        paths = [_absolute(path, options.get("dir_fd")) for path in given]
        if not str(paths[-1]).startswith(self.plan["root"]):
            return self.real[name](*args, **options)
        backup = self.backups / f"{os.getpid()}.{time.monotonic_ns()}"
        if name != "mkdir":
            with suppress(OSError):  # it is no file, or not there
                os.link(paths[-1], backup)
        result = self.real[name](*args, **options)

        def undo() -> None:
            if name == "mkdir":
                shutil.rmtree(paths[0], ignore_errors=True)
            elif len(paths) > 1:
                paths[1].rename(paths[0])
            if backup.exists():
                backup.rename(paths[-1])

        self.unsynced.append((paths, {path.parent.stat().st_ino for path in paths}, undo))
        return result

    def _sync(self, handle: int) -> None:
        self.real["fsync"](handle)
        for _, folders, _ in self.unsynced:
            folders.discard(os.fstat(handle).st_ino)
        self.unsynced = [entry for entry in self.unsynced if entry[1]]

    def lose(self) -> None:
        """Take back a part of the changes, but none before one that stays at the same path."""
        for name, function in self.real.items():
            setattr(os, name, function)
        rng = random.Random(self.plan["at"])
        on_disk = set[Path]()
        for paths, _, undo in reversed(self.unsynced):
            if rng.random() < 0.5 or on_disk & {*paths}:  # what came later is on disk with it
                on_disk |= {*paths, *(path for p in paths for path in p.parents)}
                continue
            with suppress(OSError):
                undo()


def _absolute(path: Any, folder: int | None) -> Path:
    """A path, of which `folder` may be the open folder that it is relative to."""
    return Path(f"/proc/self/fd/{folder}").resolve() / path if folder else Path(path)


def _strike(plan: dict[str, Any], path: str) -> None:
    """Kill this process (or all of its group), now or a little later; or fail the operation."""
    if plan["errno"]:
        raise OSError(plan["errno"], os.strerror(plan["errno"]), path)
    if plan["orphan_until"]:
        os.kill(os.getppid(), signal.SIGKILL)
        _wait_for_next_command(plan)
        return

    def kill() -> None:
        time.sleep(plan["delay_s"])
        if plan["group"]:
            os.killpg(0, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    if plan["delay_s"]:
        threading.Thread(target=kill, daemon=True).start()
    else:
        kill()


def _wait_for_next_command(plan: dict[str, Any]) -> None:
    """Wait until the next command, whose log is in place of ours, has come to `orphan_until`."""
    for _ in range(6000):  # a minute
        time.sleep(0.01)
        with suppress(FileNotFoundError):
            lines = Path(plan["log"]).read_text(encoding="utf-8").splitlines()
            if plan["orphan_until"] in lines and not any(x.startswith("struck") for x in lines):
                return


install()
