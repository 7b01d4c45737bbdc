"""Train one fold in several processes that `torchrun` starts, and exchange data between them.

Without `torchrun` there is one process, and nothing here has an effect.
"""

import atexit
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from timm.layers import convert_sync_batchnorm
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.launch import is_started_by_torchrun

Model = TypeVar("Model", bound=nn.Module)
_PATIENCE = timedelta(hours=6)  # the first process decodes a competition while the others wait


def start() -> None:
    """Join the processes that `torchrun` started; each gets a GPU of its own if there are any."""
    if not is_started_by_torchrun():
        return
    local = int(os.environ["LOCAL_RANK"])
    gpus = torch.cuda.device_count()
    if gpus and not os.environ.get("GALAXYZOO_DEVICE"):
        if local >= gpus:
            raise InputError(f"torchrun: --nproc-per-node is more than the {gpus} GPUs here")
        os.environ["GALAXYZOO_DEVICE"] = f"cuda:{local}"
        torch.cuda.set_device(local)
    dist.init_process_group(timeout=_PATIENCE)
    atexit.register(dist.destroy_process_group)


def count() -> int:
    """Number of processes that train a fold."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Number of this process among them, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_main() -> bool:
    """Check whether this is the process that writes."""
    return rank() == 0


def local_slice(length: int) -> slice:
    """Slice of rows for this process: nearly equal parts, in the processes' order."""
    if count() == 1:
        return slice(0, length)
    bounds = np.linspace(0, length, count() + 1).round().astype(int)
    return slice(int(bounds[rank()]), int(bounds[rank() + 1]))


def wait() -> None:
    """Wait for all processes."""
    if count() > 1:
        dist.barrier()


@contextmanager
def main_process_first() -> Iterator[None]:
    """Let the main process work first; the others then find its work done."""
    if not is_main():
        wait()
    yield
    if is_main():
        wait()


def gather(rows: np.ndarray) -> np.ndarray:
    """Gather every process's rows, (local rows, …) -> (all rows, …), in `local_slice`'s order."""
    if count() == 1:
        return rows
    parts: list[Any] = [None] * count()
    dist.all_gather_object(parts, rows)
    return np.concatenate(parts)


def all_reduce(value: Tensor) -> Tensor:
    """Sum over all processes, the same in each."""
    if count() > 1:
        dist.all_reduce(value)
    return value


def sync_batchnorm(model: Model, device: torch.device) -> Model:
    """Synchronize batch norms over processes, on GPUs: torch has none for processors.

    There the statistics of the processes differ, until `broadcast_buffers` makes them equal.
    """
    if count() == 1 or device.type == "cpu":
        return model
    return convert_sync_batchnorm(model)


def data_parallel(model: nn.Module) -> nn.Module:
    """Wrap a network so that its backward pass leaves the mean of all processes' gradients.

    Wrap again when other parameters are trained than before.
    """
    if count() == 1:
        return model
    return DistributedDataParallel(model, forward_sync_buffers=False)


def no_sync(model: nn.Module) -> AbstractContextManager[Any]:
    """Return a context whose backward passes do not exchange gradients."""
    return getattr(model, "no_sync", nullcontext)()  # DDP's


@torch.no_grad()
def broadcast_buffers(*models: nn.Module) -> None:
    """Broadcast the main process's buffers, the statistics of batch norms."""
    if count() > 1:
        for buffer in (buffer for model in models for buffer in model.buffers()):
            shared: Tensor = buffer.contiguous()
            dist.broadcast(shared, 0)
            buffer.copy_(shared)
