"""Memory of one training step is kept for the next, on a CPU with the GNU C library.

Its malloc asks the system for every large block and returns it on the spot, so that each
activation of each step is a fresh mapping whose pages the system has to clear. Kept instead,
MobileNetV2 trains 1.2 times as fast (64 and 96 px, batch 64, one core of a Xeon at 2.5 GHz), with
the same peak.
"""

import ctypes
import platform

# malloc.h
_TRIM_THRESHOLD = -1
_MMAP_MAX = -4
_ARENA_MAX = -8


def keep_freed_memory() -> bool:
    """Let this process reuse what it frees instead of returning it; whether that was possible."""
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # One arena: the blocks that the backward pass frees in its thread serve the next forward pass.
    done = [mallopt(_MMAP_MAX, 0), mallopt(_TRIM_THRESHOLD, -1), mallopt(_ARENA_MAX, 1)]
    return all(done)
