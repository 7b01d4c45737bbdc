"""Several processes of one entry script side by side, each on one core.

Two threads of one process train small networks hardly faster than one does; two processes do.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path


def run_workers(script: Path, words: Sequence[str], count: int) -> list[int]:
    """Start the script so many times and wait for all of them.

    Args:
        script: an entry script, which calls `end_with_parent`.
        words: of its command line.
        count: of processes.
    Returns:
        Their exit statuses.
    """
    command = [sys.executable, str(script), *words]
    # Progress bars of several processes would write over each other.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) for _ in range(count)
    ]
    return [worker.wait() for worker in workers]


def end_with_parent() -> None:
    """Let this process end when the one that started it does, also where that one is killed.

    What is half done then is as after a kill: files are whole, and the same command goes on.
    """

    def wait() -> None:
        while os.read(0, 1):  # the system closes the pipe with whoever holds its other end
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
