"""Devices: the GPU or CPU that trains, its precision and kernels, and running out of memory."""

import contextlib
import ctypes
import functools
import gc
import getpass
import os
import platform
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from galaxyzoo.core import files
from galaxyzoo.core.errors import FoldError

_Model = TypeVar("_Model", bound=nn.Module)
_Made = TypeVar("_Made", bound=tuple[Any, ...])
_DEVICE = "GALAXYZOO_DEVICE"
_BF16 = "GALAXYZOO_BF16"  # 0 or 1: what tests assume of any processor


def get_device() -> torch.device:
    """Choose CUDA if there is a GPU, else the CPU; `GALAXYZOO_DEVICE=cpu` overrides."""
    return torch.device(os.environ.get(_DEVICE) or ("cuda" if torch.cuda.is_available() else "cpu"))


@contextlib.contextmanager
def claim_gpu() -> Iterator[None]:
    """Use a GPU that no other process of this user has claimed, where there are several.

    With more processes than GPUs some are shared; a device that the user chose is kept.
    """
    count = torch.cuda.device_count()
    if count < 2 or os.environ.get(_DEVICE):
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


def place(model: _Model, device: torch.device) -> _Model:
    """Move a network to the device, with the memory order and kernels that are fastest there."""
    model.to(device)
    if device.type == "cpu":
        train_depthwise_in_fp32(model)
    for module in model.modules():
        # In place they would copy their input for its gradient: 8 % of a step of MobileNetV2.
        if isinstance(module, nn.Hardtanh | nn.SiLU | nn.Hardswish):
            module.inplace = False
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Send a CPU tensor to a device without waiting for a GPU."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def prefetch_to_device(batches: Iterable[_Made], device: torch.device) -> Iterator[_Made]:
    """Iterate over batches on the device; a GPU gets each while it computes the one before.

    Args:
        batches: named tuples, whose tensors are sent.
        device: where to.
    """
    if device.type != "cuda":
        yield from (_send_all(batch, device) for batch in batches)
        return
    stream, waiting = torch.cuda.Stream(device), None
    for batch in batches:
        with torch.cuda.stream(stream):
            sent = _send_all(batch, device), stream.record_event()
        if waiting:
            yield _await(*waiting)
        waiting = sent
    if waiting:
        yield _await(*waiting)


def _send_all(batch: _Made, device: torch.device) -> _Made:
    return type(batch)(*(to_device(v, device) if isinstance(v, Tensor) else v for v in batch))


def _await(batch: _Made, sent: Any) -> _Made:
    """Make the GPU, but not this process, wait for a batch's copy."""
    current = torch.cuda.current_stream()
    current.wait_event(sent)
    for tensor in (value for value in batch if isinstance(value, Tensor)):
        tensor.record_stream(current)  # or its memory could be given to the next copy too soon
    return batch


def read_async(value: Tensor) -> Callable[[], float]:
    """Return a function that waits for a number on a device, but for nothing queued later."""
    if value.device.type != "cuda":
        return value.item
    copied, event = value.to("cpu", non_blocking=True), torch.cuda.Event()
    event.record()

    def read() -> float:
        event.synchronize()
        return copied.item()

    return read


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
        keep_freed_memory()
    if device.type == "cuda":
        if device.index is not None:
            torch.cuda.set_device(device)  # default for streams and events
        # Read when cuBLAS is first called.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(deterministic, warn_only=True)


def describe_machine() -> str:
    """Short text for records: processor, cores, GPU."""
    if get_device().type == "cuda":
        return f"{torch.cuda.get_device_name()}, {os.cpu_count()} cores"
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    name = _cpuinfo("model name") or platform.processor() or platform.machine()
    return f"{name}, {usable} cores"


@functools.cache
def has_bf16(device: torch.device) -> bool:
    """Check whether a device has units for bf16; without them bf16 is slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if forced := os.environ.get(_BF16):
        return forced != "0"
    flags = _cpuinfo("flags").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _cpuinfo(key: str) -> str:
    """First value of a key of Linux's /proc/cpuinfo; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in pairs if name.strip() == key), "")


# malloc.h
_TRIM_THRESHOLD = -1
_MMAP_MAX = -4
_ARENA_MAX = -8


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


class DepthwiseConv2d(nn.Conv2d):
    """`nn.Conv2d` that works in fp32 under autocast in training and returns the input's type.

    Processors have fast bf16 kernels for dense convolutions and, as of torch 2.13, none for the
    gradient of depthwise ones: that alone takes two thirds of a bf16 step of MobileNetV2. Every
    channel is on its own in them, so they are a small part of the arithmetic and fp32 costs them
    little: on an EPYC with bf16 units MobileNetV2 trains 1.3 (64 px) to 1.8 times (80 and 96 px) as
    fast as in fp32.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W')."""
        if not (self.training and torch.is_autocast_enabled("cpu")):
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float()).to(input.dtype)


def train_depthwise_in_fp32(model: nn.Module) -> None:
    """Replace a network's depthwise convolutions by `DepthwiseConv2d`, in place.

    Names and values of parameters stay. Subclasses of `nn.Conv2d` are left alone: they do something
    of their own.
    """
    for module in model.modules():
        if type(module) is nn.Conv2d and module.groups == module.in_channels > 1:
            module.__class__ = DepthwiseConv2d  # it has no state besides that of its parent


def is_out_of_memory(error: BaseException) -> bool:
    """Check whether an error means that the memory of the GPU or the machine is used up."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)  # the CPU's allocator and CUDA's libraries raise a plain RuntimeError
    # The last ones are oneDNN's, and cuBLAS's and cuDNN's.
    signs = (
        "DefaultCPUAllocator",
        "bad_alloc",
        "could not create a primitive",
        "_STATUS_ALLOC_FAILED",
    )
    return isinstance(error, RuntimeError) and any(sign in text for sign in signs)


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
