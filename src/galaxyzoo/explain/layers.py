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

_SMALLEST_SIDE = 2
_COLOURS = 3


@dataclass(frozen=True)
class MapLayer:
    """A layer, and its maps of one image."""

    name: str  # inside the backbone, as its modules are named
    module: nn.Module
    maps: Tensor  # (channel, side, side) float32
    tokens: bool  # whether its output is a transformer's tokens

    @property
    def side(self) -> int:
        """Cells along each side."""
        return self.maps.shape[-1]


def find_layers(model: GalaxyNet, image: Tensor) -> list[MapLayer]:
    """All layers whose outputs are maps, transformers' tokens included, in order of execution.

    Args:
        model: with a single input image.
        image: (1, 3, H, W) uint8, its input.
    """
    if model.views != "one":
        raise InputError(
            f"a network of several input views (model.views {model.views}) has no map of the "
            "image: take another run"
        )
    found: dict[str, MapLayer] = {}
    names = {module: name for name, module in model.backbone.named_modules() if name}

    def note(module: nn.Module, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim in (3, 4):
            maps = as_maps(output, model.backbone)
            if maps is not None and maps.shape[-1] >= _SMALLEST_SIDE:
                name = names[module]
                found.pop(name, None)  # of a module that runs twice, the last output counts
                own = maps[0].to("cpu", torch.float32, copy=True)  # later layers work in place
                found[name] = MapLayer(name, module, own, tokens=output.ndim == 3)

    handles = [
        module.register_forward_hook(lambda module, _, output: note(module, output))
        for module in names
    ]
    try:
        with torch.inference_mode():
            model.eval()(image.to(model.mean.device))
    finally:
        for handle in handles:
            handle.remove()
    if not found:
        raise InputError("no layer of this network has maps of the image: take another run")
    return list(found.values())


def pick_layers(layers: Sequence[MapLayer], names: Sequence[str]) -> list[MapLayer]:
    """The named layers."""
    known = {layer.name: layer for layer in layers}
    for name in names:
        if name not in known:
            sides = ", ".join(layer.name for layer in last_of_each_side(layers))
            raise InputError(f"no layer '{name}' has maps; some that have: {sides}")
    return [known[name] for name in names]


def last_of_each_side(layers: Sequence[MapLayer]) -> list[MapLayer]:
    """The last layer of each resolution, finest first, that is not a part of another such layer.

    For a transformer, the last tokens that attention reads: a network that classifies by a token
    of its own does not use later patch tokens.
    """
    chosen: dict[int, MapLayer] = {}
    for layer in layers:
        if layer.tokens and not layer.name.endswith("norm1"):
            continue
        before = chosen.get(layer.side)
        dots = layer.name.count(".")
        if before is None or layer.tokens or dots <= before.name.count("."):
            chosen[layer.side] = layer
    return sorted(chosen.values(), key=lambda layer: -layer.side) or list(layers[-1:])


def as_maps(output: Tensor, backbone: nn.Module) -> Tensor | None:
    """(B, channels, side, side) maps in a layer's output; None where it is no square map.

    Args:
        output: (B, C, H, W), (B, H, W, C) where the backbone's `output_fmt` is NHWC, or
            (B, token, C) with the patch tokens last.
        backbone: the network that contains the layer.
    """
    if output.ndim == 4:
        channels_last = str(getattr(backbone, "output_fmt", "")).endswith("NHWC")
        maps = output.permute(0, 3, 1, 2) if channels_last else output
        return maps if maps.shape[-1] == maps.shape[-2] else None
    patches = output.shape[1] - int(getattr(backbone, "num_prefix_tokens", 0))
    side = math.isqrt(max(patches, 0))
    if side < _SMALLEST_SIDE or side**2 != patches:
        return None
    return output[:, -patches:].transpose(1, 2).unflatten(2, (side, side))


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
    """(channel, 3, h, w) kernels of the first convolution on colours; None where there is none."""
    layers = (m for m in model.backbone.modules() if isinstance(m, nn.Conv2d))
    first = next((m for m in layers if m.in_channels == _COLOURS), None)
    return None if first is None else first.weight.detach().float().cpu().numpy()
