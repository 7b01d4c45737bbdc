"""Networks on a device, with the kernels and memory order that are fastest there."""

from typing import TypeVar

import torch
from torch import Tensor, nn

_Model = TypeVar("_Model", bound=nn.Module)


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
