"""Memory kept for the next step: checked in a process of its own, whose settings it changes."""

import os
import platform
import subprocess
import sys

import pytest

from support.commands import SRC

# Page faults of writing a block of 64 MB 16 times, each freed before the next is asked for.
FAULTS = """
import ctypes, resource
from galaxyzoo.core.devices import keep_freed_memory
if {kept}:
    assert keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
size = 64 << 20
for _ in range(16):
    block = libc.malloc(ctypes.c_size_t(size))
    ctypes.memset(block, 1, size)
    libc.free(ctypes.c_void_p(block))
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of the GNU C library")
def test_freed_memory_is_used_again_without_asking_the_system() -> None:
    def faults(kept: bool) -> int:
        command = [sys.executable, "-c", FAULTS.format(kept=kept)]
        environment = {**os.environ, "PYTHONPATH": str(SRC)}
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        return int(done.stdout)

    assert faults(kept=True) < 0.2 * faults(kept=False)


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    from galaxyzoo.core import devices

    assert not devices.keep_freed_memory()
