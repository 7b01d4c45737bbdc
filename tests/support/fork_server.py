"""Commands in forked processes: a test run pays the slow imports once, all else is a process's own.

Each connection to the socket that the command line names has a fork of its own. Its first line is
the folder of the project's code; each other one is a JSON list of jobs (`forked_commands.Job`) done
at once, answered by the list of their process numbers, and by that of their exit statuses. Modules
ask for folders at call time, so all commands share one set of them.
"""

import atexit
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import shutil
import signal
import socket
import sys
import threading
import traceback
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

FAULTS = Path(__file__).parent / "faults"
# Imported when they are needed, 3 s together.
LATE = (
    *("albumentations", "astropy.coordinates", "astropy.table", "jinja2", "pyarrow.dataset"),
    "sklearn.neighbors",
)
PATIENCE_S = 300  # a command that hangs is killed then


def main() -> None:
    """Serve until the input ends."""
    import_packages()
    forget_power_cuts()
    path = sys.argv[1]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
        while sys.stdin not in select.select([sys.stdin, listener], [], [])[0]:
            connection, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                serve(connection)
            connection.close()
    shutil.rmtree(Path(path).parent)


def forget_power_cuts() -> None:
    """Let nothing wait for the disk, as in conftest.py; neither do the databases of searches."""
    os.fsync = lambda _handle: None  # type: ignore[assignment]
    with suppress(ModuleNotFoundError):
        from sqlalchemy import Engine, event

        off = "PRAGMA synchronous = OFF"
        event.listen(Engine, "connect", lambda connection, _: connection.execute(off))


def serve(connection: socket.socket) -> NoReturn:
    """Do a client's jobs until it hangs up; ends this process."""
    with connection.makefile("rw", encoding="utf-8") as client:
        src = client.readline().strip()
        if src != sys.path[1]:  # another copy of the code
            sys.path[1] = src
            forget_project()
            import_packages()
        for line in client:
            pids = []
            for job in json.loads(line):
                pid = os.fork()
                if pid == 0:
                    be(job)
                pids.append(pid)
            print(json.dumps(pids), file=client, flush=True)
            ended = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
            print(json.dumps(ended), file=client, flush=True)
    os._exit(0)


def import_packages() -> None:
    """Import the project's modules but for the page's, and with them all that they import."""
    import galaxyzoo

    ours = [module.name for module in pkgutil.walk_packages(galaxyzoo.__path__, "galaxyzoo.")]
    for name in (*ours, *LATE):
        if not name.startswith("galaxyzoo.extras.app."):
            with suppress(ModuleNotFoundError):  # an extra's package that lacks
                importlib.import_module(name)
    gc.freeze()  # so that no command's collection copies their memory
    # What torch would take back of itself at each command's end copies 30 MB of it: 0.07 s.
    weakref.finalize._registry.clear()  # type: ignore[attr-defined]
    threads = len(list(Path("/proc/self/task").glob("*")))  # none on other systems than Linux
    assert threads <= 1, f"{threads} threads run: a fork would not be a clean copy"


def forget_project() -> None:
    """Let the project's modules be imported anew."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "galaxyzoo"]:
        del sys.modules[name]


def be(job: dict[str, Any]) -> NoReturn:
    """Be the command; ends this process."""
    os.setsid()
    signal.alarm(PATIENCE_S)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores Ctrl-C
    for namespace in job["namespaces"]:
        assert ctypes.CDLL(None).setns(os.open(namespace, os.O_RDONLY), 0) == 0, namespace
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["environment"])
    written = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for stream, path in ((1, job["output"]), (2, job["errors"])):
        os.dup2(os.open(path, written), stream)
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - until the end
    sys.argv = job["words"]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    if hidden := os.environ.get("HIDDEN_PACKAGES"):  # as if they were not installed
        forget_project()
        sys.modules.update(dict.fromkeys(hidden.split()))  # type: ignore[arg-type]
    if "GALAXYZOO_FAULT" in os.environ:
        sys.modules.pop("sitecustomize", None)  # the system's own
        sys.path.insert(1, str(FAULTS))
        importlib.import_module("sitecustomize")
    train: Any = importlib.import_module("galaxyzoo.commands.train")
    train.subprocess = SimpleNamespace(run=run_ensembler)
    status = do(lambda: runpy.run_path(sys.argv[0], run_name="__main__"))
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    end(status)


def run_ensembler(command: list[str], **_options: object) -> SimpleNamespace:
    """Stand for `subprocess.run` in the command `train`: a fork has the ensembler's imports."""
    pid = os.fork()
    if pid == 0:
        sys.argv = command[2:]
        end(do(importlib.import_module("galaxyzoo.commands").main))
    return SimpleNamespace(returncode=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def do(main: Callable[[], object]) -> int:
    """Call it as an interpreter does its script; returns the exit status."""
    status: object = 0
    try:
        main()
    except SystemExit as stop:
        status = stop.code
    except BaseException:  # noqa: BLE001 - what the interpreter does with an exception at its end
        traceback.print_exc()
        status = 1
    if isinstance(status, str):
        print(status, file=sys.stderr)
    return status if isinstance(status, int) else int(status is not None)


def end(status: int) -> NoReturn:
    """End without freeing what was imported: 0.7 s of each command."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
