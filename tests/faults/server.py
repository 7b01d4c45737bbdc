"""Commands in forked processes: the slow imports are paid once, all else is a process's own.

Reads one job a line from standard input (JSON: words, fault, output), prints its exit status.
"""

import json
import os
import runpy
import sys
import traceback
from typing import Any, NoReturn

import sitecustomize

# Only imported: no thread runs yet, so that a fork is a clean copy.
import galaxyzoo.planning
import galaxyzoo.preparation
import galaxyzoo.reports
import galaxyzoo.runs  # noqa: F401


def main() -> None:
    """Serve until the input ends."""
    print("ready", flush=True)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            run(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def run(job: dict[str, Any]) -> NoReturn:
    """Be the command."""
    os.setsid()
    output = os.open(job["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.environ["GALAXYZOO_FAULT"] = job["fault"]
    sitecustomize.install()
    sys.argv = job["words"]
    status: object = 0
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as stop:
        status = stop.code
    except BaseException:  # noqa: BLE001 - what the interpreter does with an exception at its end
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 0 if status is None else 1)


main()
