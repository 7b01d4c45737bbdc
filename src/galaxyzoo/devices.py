"""Which processor trains, in which precision."""

import contextlib
import getpass
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from galaxyzoo import locks
from galaxyzoo.allocator import keep_freed_memory
from galaxyzoo.config import TrainConfig
from galaxyzoo.depthwise import train_depthwise_in_fp32

Model = TypeVar("Model", bound=nn.Module)

_DEVICE = "GALAXYZOO_DEVICE"


def get_device() -> torch.device:
    """CUDA where there is one, else the CPU; `GALAXYZOO_DEVICE=cpu` overrides."""
    return torch.device(os.environ.get(_DEVICE) or ("cuda" if torch.cuda.is_available() else "cpu"))


@contextlib.contextmanager
def claiming_gpu() -> Iterator[None]:
    """Of several GPUs take one that no other process of this user has claimed.

    Where there are more processes than GPUs, some are shared; where the user chose, that counts.
    """
    count = torch.cuda.device_count()
    if count < 2 or os.environ.get(_DEVICE):
        yield
        return
    with contextlib.ExitStack() as stack:
        names = (f"galaxyzoo_{getpass.getuser()}_gpu_{number}.lock" for number in range(count))
        paths = (Path(tempfile.gettempdir()) / name for name in names)
        free = (i for i, path in enumerate(paths) if stack.enter_context(locks.trying(path)))
        os.environ[_DEVICE] = f"cuda:{next(free, os.getpid() % count)}"
        stack.callback(os.environ.pop, _DEVICE, None)
        yield


def place(model: Model, device: torch.device) -> Model:
    """Move a network to the device, with the memory order and kernels that are fastest there."""
    model.to(device)
    if device.type == "cpu":
        train_depthwise_in_fp32(model)
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def autocast(train: TrainConfig, device: torch.device) -> AbstractContextManager[object]:
    """Mixed precision as the config asks: bf16 where wanted, or where "auto" finds units for it."""
    if train.amp == "fp32" or (train.amp == "auto" and not _has_bf16(device)):
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def prepare_to_train(device: torch.device, deterministic: bool) -> None:
    """Set this process up: on a CPU its memory, on CUDA its kernels.

    Args:
        device: that it trains on.
        deterministic: use only kernels that give the same bytes every time; torch warns of an
            operation for which it has none.
    """
    if device.type == "cpu":
        keep_freed_memory()
    if device.type == "cuda":
        # Read when cuBLAS is first called.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(deterministic, warn_only=True)


def describe_machine() -> str:
    """Short text for records: processor, cores, GPU."""
    if get_device().type == "cuda":
        return f"{torch.cuda.get_device_name()}, {os.cpu_count()} cores"
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{_cpu_name()}, {usable} cores"


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    flags = _cpuinfo("flags").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _cpu_name() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpuinfo(key: str) -> str:
    """First value of a key of Linux's /proc/cpuinfo; empty elsewhere."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(
                (
                    line.partition(":")[2].strip()
                    for line in file
                    if line.split(":")[0].strip() == key
                ),
                "",
            )
    except OSError:
        return ""
