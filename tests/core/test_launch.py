"""How an entry script begins and ends."""

import subprocess
import sys

import pytest

from galaxyzoo.core.paths import CODE_ROOT

SCRIPT = """
import atexit, gc
from galaxyzoo.core.launch import run_main, use_project_python
from galaxyzoo.core.errors import InputError
use_project_python()
print("imports", gc.isenabled())
def main():
    print("work", gc.isenabled())
    {end}
atexit.register(lambda: print("end", gc.get_freeze_count() > 0))
run_main(main)
"""


@pytest.mark.parametrize(
    ("end", "status"),
    [("pass", 0), ("raise InputError('no such run')", 1), ("raise KeyboardInterrupt", 130)],
)
def test_garbage_is_looked_for_during_the_work_alone(end: str, status: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(end=end)],
        cwd=CODE_ROOT / "src",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert done.stdout.split("\n")[:3] == ["imports False", "work True", "end True"]
