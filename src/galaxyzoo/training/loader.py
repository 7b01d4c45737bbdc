"""Batches made ahead in threads, and brought to the GPU, while the network works."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

Made = TypeVar("Made")
# Batches prepared while the network works; their order and content do not depend on it.
_AHEAD = max(3, min(8, os.cpu_count() or 1))


class Batch(NamedTuple):
    """What one step learns from."""

    rows: np.ndarray  # (B,) of the cache; of mixed images, the galaxies that come first
    images: Tensor  # (B, 3, H, W) uint8; of several processes, this one's part of the batch
    targets: Tensor  # (B, column) of the whole batch


def prefetch(make: Callable[[int], Made], count: int) -> Iterator[Made]:
    """Batches 0 to count - 1 in order, made in threads (cv2 lets go of Python's lock).

    Args:
        make: makes a batch of its number, and depends on nothing else.
        count: how many.
    """
    with ThreadPoolExecutor(max_workers=_AHEAD) as pool:
        pending = [pool.submit(make, number) for number in range(min(_AHEAD, count))]
        for number in range(count):
            if number + _AHEAD < count:
                pending.append(pool.submit(make, number + _AHEAD))
            yield pending.pop(0).result()


def prefetch_to_device(batches: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    """The batches on the device; to a GPU each is copied while the one before is worked on."""
    if device.type != "cuda":
        yield from (_move(batch, device) for batch in batches)
        return
    stream, waiting = torch.cuda.Stream(device), None
    for batch in batches:
        with torch.cuda.stream(stream):
            copied = _move(batch, device), stream.record_event()
        if waiting:
            yield _arrived(*waiting)
        waiting = copied
    if waiting:
        yield _arrived(*waiting)


def _move(batch: Batch, device: torch.device) -> Batch:
    def move(tensor: Tensor) -> Tensor:
        pinned = tensor.pin_memory() if device.type == "cuda" else tensor
        return pinned.to(device, non_blocking=True)

    return batch._replace(images=move(batch.images), targets=move(batch.targets))


def _arrived(batch: Batch, copied: Any) -> Batch:
    """A batch whose copy the GPU waits for, though this process does not."""
    current = torch.cuda.current_stream(batch.images.device)
    current.wait_event(copied)
    for tensor in (batch.images, batch.targets):
        tensor.record_stream(current)  # or its memory could be given to the next copy too soon
    return batch
