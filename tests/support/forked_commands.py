"""Client of `fork_server.py`: the project's commands in forked processes."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

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

    Args:
        environment: of the server.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "ready"

    def run(self, *jobs: Job) -> list[int]:
        """Run entry scripts with their arguments, at once; exit statuses, negative for a signal."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([asdict(job) for job in jobs]) + "\n")
        self.process.stdin.flush()
        return json.loads(self._answer())

    def close(self) -> None:
        """End the server."""
        self.process.communicate()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()
