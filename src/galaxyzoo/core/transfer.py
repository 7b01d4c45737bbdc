"""Copies between the processor's memory and a GPU's, for which neither waits."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

_Batch = TypeVar("_Batch", bound=NamedTuple)


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Send a CPU tensor to a device without waiting for a GPU."""
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def prefetch_to_device(batches: Iterable[_Batch], device: torch.device) -> Iterator[_Batch]:
    """Iterate over batches on the device; a GPU gets each while it computes the one before.

    Args:
        batches: named tuples, whose tensors are sent.
        device: where to.
    """
    if device.type != "cuda":
        for batch in batches:
            yield _send_all(batch, device)
        return
    stream = torch.cuda.Stream(device)
    waiting = None
    for batch in batches:
        with torch.cuda.stream(stream):
            sent = _send_all(batch, device)
            copied = stream.record_event()
        if waiting:
            yield _await(*waiting)
        waiting = (sent, copied)
    if waiting:
        yield _await(*waiting)


def _send_all(batch: _Batch, device: torch.device) -> _Batch:
    sent = {}
    for name, value in batch._asdict().items():
        if isinstance(value, Tensor):
            sent[name] = to_device(value, device)
    return batch._replace(**sent)


def _await(batch: _Batch, copied: Any) -> _Batch:
    """Make the GPU, but not this process, wait for a batch's copy."""
    current = torch.cuda.current_stream()
    current.wait_event(copied)
    for value in batch:
        if isinstance(value, Tensor):
            value.record_stream(current)  # or its memory could be given to the next copy too soon
    return batch


def read_async(value: Tensor) -> Callable[[], float]:
    """Return a function that waits for a number on a device, but for nothing queued later."""
    if value.device.type != "cuda":
        return value.item
    copied = value.to("cpu", non_blocking=True)
    event = torch.cuda.Event()
    event.record()

    def read() -> float:
        event.synchronize()
        return copied.item()

    return read
