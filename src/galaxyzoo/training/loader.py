"""Prefetch batches: copied to the GPU while the network computes."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from galaxyzoo.core.devices import send

Made = TypeVar("Made", bound=tuple[Any, ...])


class Batch(NamedTuple):
    """Images and targets of one optimizer step."""

    rows: np.ndarray  # (B,) of the fold's data; of mixed images, the first galaxy of each
    images: Tensor  # (B, 3, H, W) uint8; of several processes, this one's part of the batch
    targets: Tensor  # (B, column) of the whole batch


def prefetch_to_device(batches: Iterable[Made], device: torch.device) -> Iterator[Made]:
    """The batches on the device; each is copied to a GPU while it computes the one before.

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


def _send_all(batch: Made, device: torch.device) -> Made:
    return type(batch)(*(send(v, device) if isinstance(v, Tensor) else v for v in batch))


def _await(batch: Made, sent: Any) -> Made:
    """Let the GPU, but not this process, wait for a batch's copy."""
    current = torch.cuda.current_stream()
    current.wait_event(sent)
    for tensor in (value for value in batch if isinstance(value, Tensor)):
        tensor.record_stream(current)  # or its memory could be given to the next copy too soon
    return batch
