"""Optimizer steps as CUDA graphs on a GPU.

Starting a step's kernels one by one from Python takes longer than a small network's arithmetic. A
graph launches them as a whole: it is recorded once for each number of images, and reads them from a
fixed place.

Source of graphs: docs.pytorch.org/docs/stable/notes/cuda.html, "Whole-network capture".
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

# One optimizer step on (images, targets); gives the loss, on the device.
Step = Callable[[Tensor, Tensor], Tensor]
_WARM_UPS = 2  # steps before a recording, by which libraries choose their kernels


class _Recording(NamedTuple):
    """A CUDA graph with its input and output tensors."""

    graph: torch.cuda.CUDAGraph
    images: Tensor
    targets: Tensor
    loss: Tensor


@dataclass(eq=False)
class StepGraph:
    """Steps of a network and its optimizer.

    Args:
        model: the network.
        optimizer: with `capturable` groups, whose learning rates are tensors on the device.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    _recorded: dict[int, _Recording] = field(default_factory=dict)

    def __call__(self, take_step: Step, images: Tensor, targets: Tensor) -> Tensor:
        """Take one step; returns the loss.

        Args:
            take_step: the same at every call; not kept, since a reference cycle with its owner
                would hold on to the recordings' memory.
            images: (B, 3, H, W).
            targets: (B, column).
        Raises:
            RuntimeError: the step waits for the GPU, so it cannot be recorded; the model and
                optimizer are as before.
        """
        count = len(images)
        if count not in self._recorded:
            self._recorded[count] = self._record(take_step, images, targets)
        recorded = self._recorded[count]
        recorded.images.copy_(images)
        recorded.targets.copy_(targets)
        recorded.graph.replay()
        return recorded.loss.clone()

    def _record(self, take_step: Step, images: Tensor, targets: Tensor) -> _Recording:
        """Record a step on copies of the inputs, which later steps are copied into."""
        images = images.clone()
        targets = targets.clone()
        self._warm_up(take_step, images, targets)
        pool = None  # of memory, which all recordings share
        for recorded in self._recorded.values():
            pool = recorded.graph.pool()
        graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad()  # or the gradients would lie outside the graph's memory
        with torch.cuda.graph(graph, pool=pool, stream=_stream(images.device)):
            loss = take_step(images, targets)
        return _Recording(graph, images, targets, loss)

    def _warm_up(self, take_step: Step, images: Tensor, targets: Tensor) -> None:
        """Take steps and undo them."""
        before = [(tensor, tensor.detach().clone()) for tensor in self._state()]
        rng_state = torch.cuda.get_rng_state(images.device)
        stream = _stream(images.device)
        stream.wait_stream(torch.cuda.current_stream())
        try:
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UPS):
                    take_step(images, targets)
                # A recording that fails leaves torch's generator and memory unusable (2.11).
                with _no_waiting():
                    take_step(images, targets)
        finally:
            torch.cuda.current_stream().wait_stream(stream)
            self._restore(before)
            torch.cuda.set_rng_state(rng_state, images.device)

    @torch.no_grad()
    def _restore(self, before: list[tuple[Tensor, Tensor]]) -> None:
        """Undo steps: give each tensor its value from before; new ones get 0, as they begin.

        Args:
            before: tensors of the state, each with a copy of its value.
        """
        values = {id(tensor): value for tensor, value in before}
        for tensor in self._state():
            if id(tensor) in values:
                tensor.copy_(values[id(tensor)])
            else:
                tensor.zero_()

    def _state(self) -> list[Tensor]:
        """Tensors that a step changes."""
        tensors = [*self.model.parameters(), *self.model.buffers()]
        for state in self.optimizer.state.values():
            tensors += [value for value in state.values() if isinstance(value, Tensor)]
        return tensors


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    """Stream of all recordings: libraries keep some 30 MB for each stream, for ever."""
    return torch.cuda.Stream(device)


@contextmanager
def _no_waiting() -> Iterator[None]:
    """Make it an error to wait for the GPU."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that torch may overlook some waiting
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")
