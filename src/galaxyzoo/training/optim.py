"""Optimizer and learning rate schedule of a config, and its steps as CUDA graphs on a GPU.

Starting a step's kernels one by one from Python takes longer than a small network's arithmetic. A
graph launches them as a whole: it is recorded once for each number of images, and reads them from a
fixed place.

Source of graphs: docs.pytorch.org/docs/stable/notes/cuda.html, "Whole-network capture".
"""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import timm.optim.muon
import torch
from timm.optim.muon import Muon, zeropower_via_newtonschulz
from torch import Tensor, nn

from galaxyzoo.config.schema import TrainConfig
from galaxyzoo.core.devices import has_bf16


def _orthogonalize(*args: Any, **settings: Any) -> Tensor:
    """Run timm's Newton-Schulz iteration, in float32 on a device without units for bf16.

    On a CPU with AVX2 alone PyTorch has no fast products of bf16: a step takes 25 times as long.
    """
    settings["dtype"] = torch.bfloat16 if has_bf16(args[0].device) else torch.float32
    return zeropower_via_newtonschulz(*args, **settings)


def learning_rate(train: TrainConfig, step: int, steps_per_epoch: int) -> float:
    """Learning rate of a step, from 0 on: linear warm-up, then half a cosine to 0; or constant."""
    total = train.epochs * steps_per_epoch
    if train.schedule == "constant":
        return train.lr
    warmup = max(1, round(train.warmup * total))
    if step < warmup:
        return train.lr * (step + 1) / warmup
    done = (step - warmup + 0.5) / max(1, total - warmup)
    return train.lr * 0.5 * (1 + math.cos(math.pi * done))


def build_optimizer(
    model: nn.Module, train: TrainConfig, in_graph: bool = False
) -> torch.optim.Optimizer:
    """Build the optimizer; biases and norms (one-dimensional parameters) have no weight decay.

    For steps in a CUDA graph its learning rates are tensors, beside the parameters.

    Muon makes each kernel's step orthogonal, of the size that AdamW's would have, so that learning
    rates are alike; one-dimensional parameters are left to AdamW.

    Source of Muon: Jordan et al. 2024 (kellerjordan.github.io/posts/muon), its scale Liu et al.
    2025 (arXiv 2502.16982).
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": train.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    made: torch.optim.Optimizer
    if train.optimizer == "sgd":
        made = torch.optim.SGD(groups, lr=train.lr, momentum=0.9, nesterov=True, fused=True)
    elif train.optimizer == "muon":
        # timm's optimizer does not pass its function's dtype on (1.0.31).
        timm.optim.muon.zeropower_via_newtonschulz = _orthogonalize
        made = Muon(groups, lr=train.lr, capturable=in_graph)
    else:
        kind = torch.optim.AdamW if train.optimizer == "adamw" else torch.optim.Adam
        made = kind(groups, lr=train.lr, fused=True, capturable=in_graph)
    if in_graph:
        for group in made.param_groups:
            group["lr"] = torch.tensor(train.lr, device=parameters[0].device)
    return made


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Set the learning rate of all groups."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(value)
        else:
            group["lr"] = value


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
        recorded = self._recorded.get(len(images))
        if recorded is None:
            recorded = self._recorded[len(images)] = self._record(take_step, images, targets)
        recorded.images.copy_(images)
        recorded.targets.copy_(targets)
        recorded.graph.replay()
        return recorded.loss.clone()

    def _record(self, take_step: Step, images: Tensor, targets: Tensor) -> _Recording:
        images, targets = images.clone(), targets.clone()
        self._warm_up(take_step, images, targets)
        pool = next((recorded.graph.pool() for recorded in self._recorded.values()), None)
        graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad()  # or the gradients would lie outside the graph's memory
        with torch.cuda.graph(graph, pool=pool, stream=_stream(images.device)):
            loss = take_step(images, targets)
        return _Recording(graph, images, targets, loss)

    def _warm_up(self, take_step: Step, images: Tensor, targets: Tensor) -> None:
        """Take steps and undo them."""
        before = [(value, value.detach().clone()) for value in self._state()]
        rng_state, stream = torch.cuda.get_rng_state(images.device), _stream(images.device)
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
            known = {id(value) for value, _ in before}
            new = [value for value in self._state() if id(value) not in known]
            with torch.no_grad():
                for value, was in before:
                    value.copy_(was)
                for value in new:  # an optimizer's state begins at 0
                    value.zero_()
            torch.cuda.set_rng_state(rng_state, images.device)

    def _state(self) -> list[Tensor]:
        """Tensors that a step changes."""
        state = (value for each in self.optimizer.state.values() for value in each.values())
        values = [*self.model.parameters(), *self.model.buffers(), *state]
        return [value for value in values if isinstance(value, Tensor)]


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
