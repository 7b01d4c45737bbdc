"""Client of `fork_server.py`: the project's commands in forked processes."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

SCRIPT = Path(__file__).parent / "fork_server.py"


@dataclass(frozen=True)
class Job:
    """An entry script with its arguments; the files to which it prints may be the same one."""

    words: Sequence[str]
    folder: str  # in which it works
    environment: Mapping[str, str]
    output: str
    errors: str
    namespaces: Sequence[str] = ()  # of Linux, which it joins


class ForkServer:
    """Starts commands without their slow imports, some seconds each.

    All processes of a test run share one: the first that asks starts it, and it ends with that one,
    but for the connections made until then.

    Args:
        src: folder of the commands' code.
        environment: of the server.
    """

    def __init__(self, src: Path, environment: Mapping[str, str]) -> None:
        run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
        path = Path(tempfile.gettempdir()) / f"galaxyzoo_{run}" / "server"
        path.parent.mkdir(exist_ok=True)
        with FileLock(path.with_suffix(".lock")), socket.socket(socket.AF_UNIX) as connection:
            if connection.connect_ex(str(path)):
                self.process = start_server(path, environment)
                connection.connect(str(path))
            self.lines = connection.makefile("rw", encoding="utf-8")
        print(src, file=self.lines, flush=True)

    def run(self, *jobs: Job) -> list[int]:
        """Run entry scripts with their arguments, at once; exit statuses, negative for a signal."""
        self.start(*jobs)
        return self.finish()

    def start(self, *jobs: Job) -> list[int]:
        """Start them; numbers of their processes. `finish` must be called before the next ones."""
        print(json.dumps([asdict(job) for job in jobs]), file=self.lines, flush=True)
        return json.loads(self.lines.readline())

    def finish(self) -> list[int]:
        """Wait until they have ended; exit statuses."""
        return json.loads(self.lines.readline())


def start_server(path: Path, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start the server of that socket; it ends with its standard input, so with this process."""
    command = [sys.executable, str(SCRIPT), str(path)]
    pipe = subprocess.PIPE
    server = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    return server
