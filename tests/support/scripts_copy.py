"""A copy of the shell scripts with stand-ins for whatever is slow to install."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from galaxyzoo.core.paths import CODE_ROOT as ROOT

TOOLS = "bash basename cat cksum cp dirname env flock mkdir mv rm sed sleep tail touch"
# Stands for python3, .venv/bin/python, uv and lint-imports; notes each call in $LOG.
STAND_IN = r"""#!/bin/bash
[[ "$*" == "-I -S -c"* ]] && exec "$REAL_PYTHON" "$@"
echo "$(basename "$0") $*" >>"$LOG"
case "$*" in
    "-V") echo "Python 3.99" ;;
    "-m venv .venv")
        [[ -z ${NO_VENV:-} ]] || exit 1
        mkdir -p .venv/bin
        cp "$0" .venv/bin/python ;;
    "-m pip install"*) cp "$0" .venv/bin/uv ;;
    "pip install --compile-bytecode --requirements"*)
        trap 'exit 1' INT
        sleep "${INSTALL_S:-0}"
        [[ -z ${INSTALL_FAILS:-} ]] || exit 1
        cp "$0" .venv/bin/lint-imports
        mkdir -p .venv/lib/python3/site-packages
        touch .venv/lib/python3/site-packages/opencv_python-1.dist-info ;;
    "pip uninstall"*) rm -f .venv/lib/python3/site-packages/opencv_python* ;;
    "pip install --no-deps opencv-python-headless=="*)
        touch .venv/lib/python3/site-packages/opencv_python_headless-1.dist-info ;;
    "-c import cv2") [[ -z ${NO_DISPLAY:-} || -e $(echo .venv/lib/*/*/opencv_python_headless*) ]] ;;
    "-c import torch,"*)
        [[ -z ${NO_GOMP:-} ]] || { echo "OSError: libgomp.so.1: cannot open" >&2; exit 1; } ;;
esac
"""


class ScriptsCopy:
    """A copy of the scripts in an empty folder, with stand-ins for whatever is slow to install."""

    def __init__(self, root: Path) -> None:
        self.root, self.log = root / "project", root / "log"
        self.started: list[int] = []
        shutil.copytree(ROOT / "scripts", self.root / "scripts")
        for name in ("__init__", "core/errors", "core/floors", "core/paths"):
            (self.root / f"src/galaxyzoo/{name}.py").parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / f"src/galaxyzoo/{name}.py", self.root / f"src/galaxyzoo/{name}.py")
        self.bin = root / "bin"
        self.bin.mkdir()
        for name in TOOLS.split():
            if found := shutil.which(name):
                (self.bin / name).symlink_to(found)
        self.write("python3", STAND_IN)

    def write(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def start(self, script: str, *arguments: str, **extra: str) -> subprocess.Popen[str]:
        command = ["bash", str(self.root / "scripts" / script), *arguments]
        own = {"PATH": str(self.bin), "LOG": str(self.log), "REAL_PYTHON": sys.executable}
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            command, env=own | extra, stdout=pipe, stderr=pipe, text=True, start_new_session=True
        )
        self.started.append(process.pid)
        return process

    def stop(self) -> None:
        """End what a failed test has left running."""
        for session in self.started:
            with suppress(ProcessLookupError):
                os.killpg(session, signal.SIGKILL)

    def run(self, script: str, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        process = self.start(script, *arguments, **extra)
        printed = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, *printed)

    def set_up(self, *arguments: str, **extra: str) -> tuple[int, str]:
        """Exit status and everything printed."""
        done = self.run("setup.sh", *arguments, **extra)
        return done.returncode, done.stdout + done.stderr

    def calls(self, start: str = "") -> int:
        """How many noted calls begin so."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return sum(line.startswith(start) for line in lines)

    @property
    def installs(self) -> int:
        return self.calls("uv pip install --compile-bytecode --requirements")
