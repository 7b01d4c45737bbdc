"""Depthwise convolutions that are trained in fp32 where a processor trains the rest in bf16.

Processors have fast bf16 kernels for dense convolutions and, as of torch 2.13, none for the
gradient of depthwise ones: that alone takes two thirds of a bf16 step of MobileNetV2. In them every
channel is on its own, so they are a small part of the arithmetic and fp32 costs them little: on an
EPYC with bf16 units MobileNetV2 trains 1.3 (64 px) to 1.8 times (80 and 96 px) as fast as in fp32.
"""

import torch
from torch import Tensor, nn


class DepthwiseConv2d(nn.Conv2d):
    """As `nn.Conv2d`; under autocast in training it works in fp32 and returns the input's type."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W')."""
        if not (self.training and torch.is_autocast_enabled("cpu")):
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float()).to(input.dtype)


def train_depthwise_in_fp32(model: nn.Module) -> None:
    """Put `DepthwiseConv2d` in the place of a network's depthwise convolutions, in place.

    Names and values of parameters stay. Subclasses of `nn.Conv2d` are left alone: they do something
    of their own.
    """
    for module in model.modules():
        if type(module) is nn.Conv2d and module.groups == module.in_channels > 1:
            module.__class__ = DepthwiseConv2d  # it has no state besides that of its parent
