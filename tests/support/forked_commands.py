"""Client of `fork_server.py`: the project's commands in forked processes."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

SCRIPT = Path(__file__).parent / "fork_server.py"


class ForkServer:
    """Starts commands without their slow imports, some seconds each; one at a time.

    Args:
        environment: of the server.
        prefix: command that starts the server, such as `unshare`.
    """

    def __init__(self, environment: Mapping[str, str], prefix: Sequence[str] = ()) -> None:
        self.process = subprocess.Popen(
            [*prefix, sys.executable, str(SCRIPT)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "ready"

    def run(
        self,
        words: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        output: Path,
        errors: Path,
    ) -> int:
        """Run an entry script with its arguments; its exit status, negative for a signal.

        What it prints is appended to the two files, which may be the same.
        """
        job = {
            "words": words,
            "folder": str(folder),
            "environment": dict(environment),
            "output": str(output),
            "errors": str(errors),
        }
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return int(self._answer())

    def close(self) -> None:
        """End the server."""
        self.process.communicate()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()
