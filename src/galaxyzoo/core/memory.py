"""Memory of the GPU or the machine: how much there is; kept between steps, freed, or used up."""

import ctypes
import gc
import os
import platform
from pathlib import Path

import torch

from galaxyzoo.core.errors import FoldError

# In messages of a plain RuntimeError: of the CPU's allocator, of oneDNN, and of cuBLAS and cuDNN
_SIGNS = (
    "DefaultCPUAllocator",
    "bad_alloc",
    "could not create a primitive",
    "_STATUS_ALLOC_FAILED",
)
# malloc.h
_TRIM_THRESHOLD = -1
_MMAP_MAX = -4
_ARENA_MAX = -8
# of memory, in a container by cgroup v2 and v1
_CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def memory_bytes() -> int:
    """Memory of this machine, or of the container where that has less."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in _CONTAINER_LIMITS:
        limit = path.read_text().strip() if path.exists() else "max"
        if limit.isdecimal():
            memory = min(memory, int(limit))
    return memory


def keep_freed_memory() -> None:
    """Keep freed memory for the next training step, where the C library is GNU's.

    GNU malloc asks the system for every large block and returns it on the spot, so that each
    activation of each step is a fresh mapping whose pages the system has to clear. Kept instead,
    MobileNetV2 trains 1.2 times as fast (64 and 96 px, batch 64, one core of a Xeon at 2.5 GHz),
    with the same peak.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    # One arena: the blocks that the backward pass frees in its thread serve the next forward pass.
    for name, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_ARENA_MAX, 1)):
        ctypes.CDLL(None).mallopt(name, value)


def is_out_of_memory(error: BaseException) -> bool:
    """Check whether an error means that the memory of the GPU or the machine is used up."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if not isinstance(error, RuntimeError):
        return False
    message = str(error)
    return any(sign in message for sign in _SIGNS)


def release() -> None:
    """Free unused memory; call it once the error, which holds tensors, is gone."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def split_batch(batch_size: int, micro_batches: int, title: str, accumulate: bool) -> int:
    """Double the micro-batches, of at least two images each, which batch norm needs.

    Args:
        batch_size: images in a batch.
        micro_batches: their number in a batch when memory ran out.
        title: run and fold, for the error message.
        accumulate: whether to go on with smaller ones.
    Raises:
        FoldError: says what to change, unless `accumulate` is set and they can be smaller.
    """
    most = max(1, batch_size // 2)
    doubled = min(2 * micro_batches, most)
    if accumulate and micro_batches < most:
        return doubled
    happened = f"{title}: out of memory with batches of {batch_size} images"
    if micro_batches > 1:
        happened += f" in {micro_batches} micro-batches"
    if micro_batches >= most:
        raise FoldError(f"{happened}: retrain with a smaller network or image.size_px")
    raise FoldError(
        f"{happened}: add train.on_out_of_memory=accumulate to resume with smaller micro-batches, "
        f"or retrain with train.accumulation={doubled} or a smaller train.batch_size"
    )
