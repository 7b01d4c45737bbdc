"""Layers of a network whose outputs are maps: where in the image something was found."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from galaxyzoo.core.errors import InputError
from galaxyzoo.models.build import GalaxyNet

_SMALLEST_SIDE = 2


@dataclass(frozen=True)
class MapLayer:
    """A layer, and the shape of what it makes of one image."""

    name: str  # inside the backbone, as its modules are named
    module: nn.Module
    channels: int
    side: int  # cells
    tokens: bool = False  # whether it makes a transformer's tokens


def find_layers(model: GalaxyNet, size_px: int) -> list[MapLayer]:
    """All layers that make maps, in the order in which they work.

    Args:
        model: any of ours; transformers' tokens count as maps too.
        size_px: side of its input.
    Raises:
        InputError: the network sees several views of an image at once, or makes no maps.
    """
    if model.views != "one":
        raise InputError(
            f"a network that sees several views at once (model.views {model.views}) has no map of "
            "the image: take another run"
        )
    found: dict[str, MapLayer] = {}
    names = {module: name for name, module in model.backbone.named_modules() if name}

    def note(module: nn.Module, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim in (3, 4):
            maps = as_maps(output, model.backbone)
            if maps is not None and maps.shape[-1] >= _SMALLEST_SIDE:
                name = names[module]
                found.pop(name, None)  # of a module that works twice, the last time counts
                tokens = output.ndim == 3
                found[name] = MapLayer(name, module, maps.shape[1], maps.shape[-1], tokens)

    handles = [
        module.register_forward_hook(lambda module, _, output: note(module, output))
        for module in names
    ]
    try:
        device = model.mean.device
        with torch.inference_mode():
            model.eval()(torch.zeros(1, 3, size_px, size_px, device=device))
    finally:
        for handle in handles:
            handle.remove()
    if not found:
        raise InputError("this network makes no maps of the image: take another run")
    return list(found.values())


def pick_layers(layers: Sequence[MapLayer], names: Sequence[str]) -> list[MapLayer]:
    """The named layers.

    Raises:
        InputError: there is no such layer.
    """
    known = {layer.name: layer for layer in layers}
    for name in names:
        if name not in known:
            sides = ", ".join(layer.name for layer in last_of_each_side(layers))
            raise InputError(f"no layer '{name}' makes maps; some that do: {sides}")
    return [known[name] for name in names]


def last_of_each_side(layers: Sequence[MapLayer]) -> list[MapLayer]:
    """Of each resolution, finest first, the last layer that is not a part of another such layer.

    Of a transformer's tokens the last ones that the attention reads: what comes later of the
    image's patches, a network that decides by a token of its own never looks at.
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
    """(B, channels, side, side) of a layer's output; None where it is no square map.

    Args:
        output: (B, C, H, W), or (B, H, W, C) of networks that say so, or (B, token, C) with the
            tokens of the image's patches last.
        backbone: the network that the layer is of.
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


@contextmanager
def watching(model: GalaxyNet, layers: Sequence[MapLayer]) -> Iterator[dict[str, Tensor]]:
    """Inside, every forward pass leaves the layers' maps in the dict, by name."""
    seen: dict[str, Tensor] = {}

    def note(layer: MapLayer) -> object:
        def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
            maps = as_maps(output, model.backbone)
            assert maps is not None
            seen[layer.name] = maps.detach().float().cpu()

        return layer.module.register_forward_hook(hook)

    handles = [note(layer) for layer in layers]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()  # type: ignore[attr-defined]
