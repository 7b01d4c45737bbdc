"""The layers of a network whose outputs are spatial maps, and those maps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.geometry import to_tensor
from galaxyzoo.models.build import GalaxyNet
from galaxyzoo.models.equivariant import LiftingConv

_MIN_SIDE = 2
# Ends of the names of norms whose output attention reads: timm's, TNT's, torchvision's.
_BEFORE_ATTENTION = ("norm1", "norm_out", "ln_1")
_COLORS = 3


@dataclass(frozen=True)
class MapLayer:
    """A layer, and its maps of one image."""

    name: str  # inside the backbone, as its modules are named
    module: nn.Module
    maps: Tensor  # (channel, side, side) float32
    tokens: bool  # whether its output is a transformer's tokens
    # whether it ends in the second half of the network's modules, and the prediction depends on it
    late: bool

    @property
    def side(self) -> int:
        """Cells along each side."""
        return self.maps.shape[-1]

    @property
    def is_read(self) -> bool:
        """Check whether its output is tokens that attention reads."""
        return self.tokens and self.name.endswith(_BEFORE_ATTENTION)


@dataclass(frozen=True)
class _Output:
    """Maps that a module has returned."""

    call: int  # how many modules had returned by then
    module: nn.Module
    maps: Tensor
    tokens: bool


def find_layers(model: GalaxyNet, image: Tensor) -> list[MapLayer]:
    """Find layers whose outputs are maps, tokens included, in order of execution.

    Args:
        model: the network.
        image: (1, 3, H, W) uint8, its input.
    Raises:
        InputError: no layer has maps.
    """
    recorded: dict[str, _Output] = {}
    calls = 0
    names = {module: name for name, module in model.backbone.named_modules() if name}

    def record(module: nn.Module, _inputs: object, output: object) -> None:
        nonlocal calls
        calls += 1
        name = names[module]
        if not isinstance(output, Tensor) or output.ndim not in (3, 4):
            return
        # An inner transformer's batch is the patches; between tokens attention has a square, too.
        if len(output) != len(image) or name.endswith("attn_drop"):
            return
        maps = as_maps(output, model.backbone)
        if maps is not None and maps.shape[-1] >= _MIN_SIDE:
            recorded.pop(name, None)  # of a module that runs twice, the last output counts
            copied = maps[0].to("cpu", torch.float32, copy=True)  # later layers work in place
            recorded[name] = _Output(calls, module, copied, output.ndim == 3)

    handles = [module.register_forward_hook(record) for module in names]
    try:
        with torch.inference_mode():
            model.eval()(image.to(model.mean.device))
    finally:
        for handle in handles:
            handle.remove()
    if not recorded:
        raise InputError("no layer of this network has spatial maps: use another run")
    has_class_token = _prefix_tokens(model.backbone) > 0
    layers = []
    for name, output in recorded.items():
        late = output.call > calls / 2
        if output.tokens and has_class_token and not name.endswith(_BEFORE_ATTENTION):
            late = False  # attention does not read these tokens any more
        layers.append(MapLayer(name, output.module, output.maps, output.tokens, late))
    return layers


def pick_layers(layers: Sequence[MapLayer], names: Sequence[str]) -> list[MapLayer]:
    """The named layers; a name that none has is an error."""
    by_name = {layer.name: layer for layer in layers}
    for name in names:
        if name not in by_name:
            choices = ", ".join(layer.name for layer in last_of_each_side(layers))
            raise InputError(f"no layer '{name}' with spatial maps: choose from {choices}")
    return [by_name[name] for name in names]


def last_of_each_side(layers: Sequence[MapLayer]) -> list[MapLayer]:
    """The last layer of each resolution, finest first, that is not a part of another such layer.

    For a transformer, the last tokens that attention reads: a network that classifies by a token
    of its own does not use later patch tokens. Where no such name is known, any tokens, if all are
    patches.
    """
    usable = [layer for layer in layers if layer.is_read or not layer.tokens]
    if not any(layer.late for layer in usable):
        usable = list(layers)
    chosen: dict[int, MapLayer] = {}
    for layer in usable:
        before = chosen.get(layer.side)
        is_part = before is not None and layer.name.count(".") > before.name.count(".")
        if layer.is_read or not is_part:
            chosen[layer.side] = layer
    return sorted(chosen.values(), key=lambda layer: -layer.side)


def as_maps(output: Tensor, backbone: nn.Module) -> Tensor | None:
    """(B, channels, side, side) maps in a layer's output; None where it is no square map.

    Args:
        output: (B, C, H, W), (B, H, W, C) where the backbone's `output_fmt` is NHWC, or
            (B, token, C) with the patch tokens last.
        backbone: the network that contains the layer.
    """
    if output.ndim == 4:
        maps = output
        if str(getattr(backbone, "output_fmt", "")).endswith("NHWC"):
            maps = output.permute(0, 3, 1, 2)
        height, width = maps.shape[-2:]
        return maps if height == width else None
    patches = output.shape[1] - _prefix_tokens(backbone)
    side = math.isqrt(max(patches, 0))
    if side < _MIN_SIDE or side**2 != patches:
        return None
    return output[:, -patches:].transpose(1, 2).unflatten(2, (side, side))


def _prefix_tokens(backbone: nn.Module) -> int:
    """Tokens before those of the patches; torchvision's transformers have one, and no number."""
    return int(getattr(backbone, "num_prefix_tokens", hasattr(backbone, "class_token")))


def compute_feature_maps(
    model: GalaxyNet, image: np.ndarray, names: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """Feature maps of one image.

    Args:
        model: with a single input image.
        image: (1, H, W, 3) uint8, the network's input.
        names: layers; default the last of each resolution.
    Returns:
        Layer name -> (channel, h, w) float32.
    """
    layers = find_layers(model, to_tensor(image))
    chosen = pick_layers(layers, names) if names else last_of_each_side(layers)
    return {layer.name: layer.maps.numpy() for layer in chosen}


def first_filters(model: GalaxyNet) -> np.ndarray | None:
    """(channel, 3, h, w) kernels of the first convolution on colors; None where there is none."""
    for module in model.backbone.modules():
        if isinstance(module, (nn.Conv2d, LiftingConv)) and module.weight.shape[1] == _COLORS:
            return module.weight.detach().float().cpu().numpy()
    return None
