"""Strike a real command at a chosen file operation; Python imports this first from PYTHONPATH.

The operations are those that Python itself announces (audit events, PEP 578), so no line of the
project is changed or knows. `GALAXYZOO_FAULT` names a JSON file, see `faulty_commands.Fault`.
"""

import json
import os
import re
import signal
import sys
import threading
import time
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


def _strike(plan: dict[str, Any], path: str) -> None:
    """Kill this process (or all of its group), now or a little later; or fail the operation."""
    if plan["errno"]:
        raise OSError(plan["errno"], os.strerror(plan["errno"]), path)

    def kill() -> None:
        time.sleep(plan["delay_s"])
        if plan["group"]:
            os.killpg(0, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    if plan["delay_s"]:
        threading.Thread(target=kill, daemon=True).start()
    else:
        kill()


install()
