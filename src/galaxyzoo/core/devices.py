"""Devices: the GPU or CPU that trains, and its precision."""

import contextlib
import functools
import getpass
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import torch

from galaxyzoo.core import files, memory
from galaxyzoo.core.errors import InputError

_DEVICE = "GALAXYZOO_DEVICE"
_BF16 = "GALAXYZOO_BF16"  # 0 or 1: what tests assume of any processor


def get_device() -> torch.device:
    """Choose CUDA if there is a GPU, else the CPU; `GALAXYZOO_DEVICE=cpu` overrides.

    A device that this machine lacks is an InputError.
    """
    name = os.environ.get(_DEVICE)
    if not name:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with contextlib.suppress(RuntimeError):  # of a name that torch does not know
        device = torch.device(name)
        is_there = device.type == "cuda" and (device.index or 0) < torch.cuda.device_count()
        if device.type == "cpu" or is_there:
            return device
    raise InputError(
        f"{_DEVICE}={name}: this machine has no such device: set it to cpu, cuda or cuda:NUMBER, "
        "or unset it"
    )


def count_gpus() -> int:
    """Count the GPUs to share out: all, or the one that the user chose."""
    if os.environ.get(_DEVICE):
        return 1
    return torch.cuda.device_count()


@contextlib.contextmanager
def claim_gpu() -> Iterator[None]:
    """Use a GPU that no other process of this user has claimed, where there are several.

    With more processes than GPUs some are shared; a device that the user chose is kept.
    """
    count = count_gpus()
    if count < 2:
        yield
        return
    folder = Path(tempfile.gettempdir())
    user = getpass.getuser()
    with contextlib.ExitStack() as stack:
        shared_gpu = os.getpid() % count  # where all are claimed
        os.environ[_DEVICE] = f"cuda:{shared_gpu}"
        stack.callback(os.environ.pop, _DEVICE, None)
        for number in range(count):
            path = folder / f"galaxyzoo_{user}_gpu_{number}.lock"
            lock = stack.enter_context(files.try_lock(path))
            if lock.is_locked:
                os.environ[_DEVICE] = f"cuda:{number}"
                break
        yield


def autocast(amp: str, device: torch.device) -> AbstractContextManager[object]:
    """Mixed precision: `amp` is "fp32", "bf16", or "auto", bf16 where there are units for it."""
    if amp == "fp32" or (amp == "auto" and not has_bf16(device)):
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def prepare_to_train(device: torch.device, deterministic: bool) -> None:
    """Set this process up for training on a device: on a CPU its memory, on CUDA its kernels.

    Args:
        device: the device.
        deterministic: on CUDA, use only kernels that give the same bytes every time; torch warns of
            an operation for which it has none.
    """
    if device.type == "cpu":
        memory.keep_freed_memory()
    if device.type == "cuda":
        if device.index is not None:
            torch.cuda.set_device(device)  # default for streams and events
        # Read when cuBLAS is first called.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(deterministic, warn_only=True)


def describe_machine() -> str:
    """Short text for records: processor, cores, GPU."""
    if get_device().type == "cuda":
        return f"{torch.cuda.get_device_name(get_device())}, {os.cpu_count()} cores"
    cores = os.cpu_count()
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))  # that this process may use
    name = _cpuinfo("model name") or platform.processor() or platform.machine()
    return f"{name}, {cores} cores"


@functools.cache
def has_bf16(device: torch.device) -> bool:
    """Check whether a device has units for bf16; without them bf16 is slower than float32."""
    if device.type == "cuda":
        with torch.cuda.device(device):  # it answers for the current one
            return torch.cuda.is_bf16_supported(including_emulation=False)
    forced = os.environ.get(_BF16)
    if forced:
        return forced != "0"
    flags = _cpuinfo("flags").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _cpuinfo(key: str) -> str:
    """First value of a key of Linux's /proc/cpuinfo; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""
