"""D4-equivariant CNN: maps turn with the image, features stay as they are.

Every map has eight copies, one for each symmetry of the square; rotating the image rotates the maps
and permutes the copies. A convolution applies its kernel in eight orientations, by one plain
convolution with all eight kernels. All other steps are symmetric too: odd kernels, a strided
stem with an even kernel, and pools, all on maps of even sides.

Source: Cohen & Welling 2016 (ICML), group-equivariant convolutional networks, for the group p4m.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.geometry import DIHEDRAL, dihedral_view


class LiftingConv(nn.Module):
    """Convolution from an image to maps with eight copies: one kernel in eight orientations.

    Args:
        inputs: channels of the image.
        outputs: channels of the result, eight copies each.
        kernel: side of the kernel; even with stride 2, odd with stride 1.
        stride: 1 or 2.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        self.stride, self.padding = stride, (kernel - 1) // 2
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def expand(self) -> Tensor:
        """Return the kernels of the equivalent plain convolution."""
        return torch.cat([dihedral_view(self.weight, number) for number in range(DIHEDRAL)])

    def forward(self, images: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, 8 · outputs, H / stride, W / stride), copies outermost."""
        return functional.conv2d(images, self.expand(), None, self.stride, self.padding)


class GroupConv(nn.Module):
    """Convolution from maps with eight copies to maps with eight copies.

    Args:
        inputs: channels, eight copies each.
        outputs: channels of the result, eight copies each.
        kernel: odd side of the kernel.
    """

    index: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, DIHEDRAL * inputs, kernel, kernel))
        self.stride, self.padding = 1, kernel // 2
        self.register_buffer("index", _orientations(inputs, kernel), persistent=False)
        nn.init.normal_(self.weight, std=math.sqrt(2 / (DIHEDRAL * inputs * kernel**2)))

    def expand(self) -> Tensor:
        """Return the kernels of the equivalent plain convolution."""
        # One gather takes a quarter of the time of eight turned copies, a tenth of a training.
        forms = self.weight.flatten(1).index_select(1, self.index).unflatten(1, (DIHEDRAL, -1))
        return forms.transpose(0, 1).reshape(-1, *self.weight.shape[1:])

    def forward(self, maps: Tensor) -> Tensor:
        """(B, 8 · inputs, H, W) -> (B, 8 · outputs, H, W), copies outermost."""
        return functional.conv2d(maps, self.expand(), padding=self.padding)


class P4MBatchNorm(nn.BatchNorm2d):
    """Batch norm whose weights and running statistics are shared by the eight copies of a channel.

    In training each copy is normed by its own batch statistics: over galaxies at random angles all
    eight are alike, and a step takes a tenth less time. Predictions are exactly equivariant.
    """

    momentum: float
    running_mean: Tensor
    running_var: Tensor

    def forward(self, maps: Tensor) -> Tensor:
        """(B, 8 · channels, H, W) -> the same shape."""
        running = self.running_mean, self.running_var
        mean, variance = (values.repeat(DIHEDRAL) for values in running)
        weight, bias = self.weight.repeat(DIHEDRAL), self.bias.repeat(DIHEDRAL)
        normed = functional.batch_norm(
            maps, mean, variance, weight, bias, self.training, self.momentum, self.eps
        )
        if self.training:
            for values, copies in zip(running, (mean, variance), strict=True):
                values.copy_(copies.unflatten(0, (DIHEDRAL, -1)).mean(dim=0))
        return normed


class D4CNN(nn.Module):
    """A small convolutional network whose features are invariant under the symmetries of a square.

    Like the plain `CNN`: a strided stem, then stages of 3 × 3 convolutions with batch norm and SiLU
    (Elfwing et al. 2018), each followed by max-pooling. The features are mean and maximum over the
    last map and the eight copies, so that they are the same for all orientations.

    Args:
        size_px: side of the input images, which the stem and each stage halve.
        widths: channels of each stage, eight copies each.
        depths: convolutions of each stage; default: one in the first and the last, two between.
        features: channels of the last, 1 × 1 convolution, eight copies each.
    Source: own, of the layers of Cohen & Welling 2016.
    """

    def __init__(
        self,
        size_px: int,
        widths: tuple[int, ...] = (8, 16, 32, 64),
        depths: tuple[int, ...] | None = None,
        features: int = 160,
    ) -> None:
        super().__init__()
        if depths is None:  # a second one in the outer stages gains nothing
            depths = tuple(2 if 0 < i < len(widths) - 1 else 1 for i in range(len(widths)))
        if len(depths) != len(widths):
            raise InputError(
                f"model.kwargs: d4cnn needs one depth per width, but has {len(depths)} depths for "
                f"{len(widths)} widths"
            )
        if size_px % 2 ** (1 + len(widths)):
            raise InputError(
                f"image.size_px: d4cnn needs a multiple of {2 ** (1 + len(widths))}, so that all "
                "feature maps have even sides"
            )

        def conv(inputs: int, outputs: int, kernel: int = 3) -> list[nn.Module]:
            return [GroupConv(inputs, outputs, kernel), P4MBatchNorm(outputs), nn.SiLU()]

        stem = LiftingConv(3, widths[0], 6, stride=2)
        stages: list[nn.Module] = [nn.Sequential(stem, P4MBatchNorm(widths[0]), nn.SiLU())]
        inputs = widths[0]
        for outputs, depth in zip(widths, depths, strict=True):
            layers: list[nn.Module] = []
            for _ in range(depth):
                layers += conv(inputs, outputs)
                inputs = outputs
            stages.append(nn.Sequential(*layers, nn.MaxPool2d(2)))
        stages.append(nn.Sequential(*conv(widths[-1], features, kernel=1)))
        self.stages = nn.Sequential(*stages)
        self.num_features = 2 * features

    def reparameterize(self) -> None:
        """Fuse each convolution and its norm into a plain one: predictions take half the time.

        `timm.utils.reparameterize_model` asks a copy of a network for it.
        """
        for number, stage in enumerate(self.stages):
            layers: list[Any] = []
            for layer in stage.children():
                if isinstance(layer, P4MBatchNorm):
                    layers.append(_fuse(layers.pop(), layer))
                else:
                    layers.append(layer)
            self.stages[number] = nn.Sequential(*layers)
        self.stages[0] = _SinglePrecision(*self.stages[0].children())

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) normalized images -> (B, num_features)."""
        maps = self.stages(images).unflatten(1, (DIHEDRAL, -1))  # (B, copy, channel, h, w)
        return torch.cat([maps.mean(dim=(1, 3, 4)), maps.amax(dim=(1, 3, 4))], dim=1)


class _SinglePrecision(nn.Sequential):
    """Layers that stay in single precision under autocast.

    The stem needs it: most of an image is sky of one brightness, which bf16 rounds in one direction
    everywhere, and that shifts every answer. In fp32 answers are up to four times as exact.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply to a tensor of any shape."""
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float())


def _fuse(conv: LiftingConv | GroupConv, norm: P4MBatchNorm) -> nn.Conv2d:
    """Fuse a convolution and its norm into one plain convolution, for eval mode."""
    values, kernels = norm.state_dict(), conv.expand()
    names = "running_mean", "running_var", "weight", "bias"
    mean, variance, scale, shift = (values[name].repeat(DIHEDRAL) for name in names)
    weight, bias = fuse_conv_bn_weights(kernels, None, mean, variance, norm.eps, scale, shift)
    fused = nn.Conv2d(kernels.shape[1], len(kernels), kernels.shape[2], conv.stride, conv.padding)
    fused.weight, fused.bias = weight, bias
    fused.weight.data = fused.weight.data.contiguous(memory_format=torch.channels_last)
    return fused


def _orientations(inputs: int, kernel: int) -> Tensor:
    """Indices of a `GroupConv` kernel's numbers in each of its eight orientations."""
    copies = torch.arange(DIHEDRAL * inputs * kernel**2).view(DIHEDRAL, inputs, kernel, kernel)
    forms = [
        dihedral_view(copies[source], number).flatten() for number, source in enumerate(_sources())
    ]
    return torch.cat(forms)


def _sources() -> Tensor:
    """(g, h) number u of the view that view g maps to view h: u = g⁻¹h in the group."""
    square = torch.arange(9).view(1, 1, 3, 3)
    views = [dihedral_view(square, number) for number in range(DIHEDRAL)]
    sources = torch.empty(DIHEDRAL, DIHEDRAL, dtype=torch.long)
    for u, view in enumerate(views):
        for g in range(DIHEDRAL):
            turned = dihedral_view(view, g)
            h = next(i for i, other in enumerate(views) if torch.equal(other, turned))
            sources[g, h] = u
    return sources
