"""Heat maps for an answer: HiResCAM and Grad-CAM.

Source: Selvaraju et al. 2017 (ICCV), Grad-CAM; Draelos and Carin 2020 (arXiv:2011.08891), HiResCAM.
"""

from collections.abc import Mapping
from typing import cast

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from galaxyzoo.config.schema import ImageConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.geometry import DIHEDRAL, dihedral_view, to_tensor
from galaxyzoo.extras.explain.galaxy import Galaxy
from galaxyzoo.extras.explain.layers import (
    MapLayer,
    as_maps,
    find_layers,
    last_of_each_side,
    pick_layers,
)
from galaxyzoo.inference.predict import Predictor
from galaxyzoo.models.build import GalaxyNet
from galaxyzoo.tasks.kinds import Task

METHODS = {"hirescam": "HiResCAM", "gradcam": "Grad-CAM"}
DEFAULT_METHOD = "hirescam"  # marks the places of one image; Grad-CAM weighs whole feature maps
_MIN_SIDE = 5  # cells; a map with fewer on a side shows no place


def average_gradcam(
    models: Mapping[int, GalaxyNet],
    image: np.ndarray,
    column: int,
    method: str = DEFAULT_METHOD,
    layer: str | None = None,
) -> tuple[np.ndarray, str]:
    """Heat map of one image for an answer, averaged over a run's networks.

    Args:
        models: networks by fold.
        image: (1, H, W, 3) uint8, the network's input.
        column: index of the answer or class among the task's columns.
        method: of `METHODS`.
        layer: default: the deepest layer whose maps show places.
    Returns:
        (H, W) float32, 0 to 1, and the layer's name.
    """
    maps = []
    for model in models.values():
        used = choose_layer(model, image.shape[1], layer)
        maps.append(compute_gradcam(model, image, column, method, used))
    return np.mean(maps, axis=0), used.name


def explain(
    predictor: Predictor, galaxy: Galaxy, column: int, method: str, layer: str | None = None
) -> tuple[np.ndarray, np.ndarray, str]:
    """Heat map of a galaxy for an answer, of a run or averaged over an ensemble's runs.

    An ensemble for classes can have runs that predict votes; these have no map.

    Args:
        predictor: run or ensemble.
        galaxy: to explain.
        column: as of `average_gradcam`, which explains the other arguments.
        method: of `METHODS`.
        layer: of all networks.
    Returns:
        (H, W, 3) uint8 network input of the first run, (H, W) float32 heat map, 0 to 1, and names
        of the layers.
    """
    runs = [run for run in predictor.runs if run.task.name == predictor.task.name]
    if not runs:
        raise InputError(
            f"no run of this ensemble predicts {predictor.task.name}'s classes directly: use "
            "a run that does"
        )
    first, maps, names = runs[0].config.image, [], []
    for run in runs:
        image_config = run.config.image
        heat, name = average_gradcam(
            run.models, galaxy.as_input(image_config), column, method, layer
        )
        maps.append(_onto(heat, image_config, first))
        names.append(name)
    return galaxy.as_input(first)[0], np.mean(maps, axis=0), ", ".join(dict.fromkeys(names))


def _onto(heat: np.ndarray, source: ImageConfig, target: ImageConfig) -> np.ndarray:
    """Resample a heat map onto the network input of another config."""
    if (source.size_px, source.field_px) == (target.size_px, target.field_px):
        return heat
    step = (target.field_px / target.size_px) / (source.field_px / source.size_px)
    shift = (source.size_px - 1) / 2 - step * (target.size_px - 1) / 2
    matrix = np.array([[step, 0, shift], [0, step, shift]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(heat, matrix, (target.size_px, target.size_px), flags=flags)


def compute_gradcam(
    model: GalaxyNet, image: np.ndarray, column: int, method: str, layer: MapLayer
) -> np.ndarray:
    """Heat map of one network, averaged over the image's eight orientations.

    Args:
        model: trained; left in eval mode.
        image: (1, H, W, 3) uint8, of the network's input size.
        column: index of the answer or class among the task's columns.
        method: of `METHODS`.
        layer: of the maps.
    Returns:
        (H, W) float32, 0 to 1, its maximum 1 (all 0 where no place counts).
    """
    pixels = to_tensor(image).float().to(model.mean.device)
    orientations = range(DIHEDRAL)
    # All in one batch: passes of one image each take ten times as long where cores are shared.
    views = torch.cat([dihedral_view(pixels, number) for number in orientations]).requires_grad_()
    outputs: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        outputs.append(output)
        return output.clone()  # the next layer may work in place

    with layer.module.register_forward_hook(keep):
        answers = model.eval()(views)[..., column]
    gradients = torch.autograd.grad(answers.sum(), outputs)
    # (view, channel, side, side) each; `find_layers` offers no layer without them
    maps = cast(Tensor, as_maps(outputs[0].detach(), model.backbone))
    weights = cast(Tensor, as_maps(gradients[0], model.backbone))
    if method == "gradcam":
        weights = weights.mean(dim=(2, 3), keepdim=True)
    heat = (weights * maps).sum(dim=1, keepdim=True).relu()
    heat = functional.interpolate(heat, pixels.shape[-2:], mode="bilinear").squeeze(1)
    heat = _scale(heat - heat.amin(dim=(1, 2), keepdim=True))
    upright = [undo_dihedral(heat[[number]], number) for number in orientations]
    return _scale(torch.cat(upright).sum(dim=0, keepdim=True))[0].cpu().numpy()


def _scale(maps: Tensor) -> Tensor:
    """(B, H, W) maps with a maximum of 1 each; those that are 0 everywhere stay so."""
    most = maps.amax(dim=(1, 2), keepdim=True)
    return maps / torch.where(most > 0, most, 1)


def choose_layer(model: GalaxyNet, size_px: int, name: str | None = None) -> MapLayer:
    """The named layer; by default the deepest one whose maps are fine enough to show a place."""
    layers = find_layers(model, torch.zeros(1, 3, size_px, size_px))
    if name is not None:
        return pick_layers(layers, [name])[0]
    if not any(layer.late for layer in layers):
        raise InputError(
            "only the stem of this network has spatial maps, not its late layers: use another run"
        )
    last = last_of_each_side(layers)
    last = [layer for layer in last if layer.tokens == last[-1].tokens]  # no transformer's stem
    fine = [layer for layer in last if layer.side >= _MIN_SIDE]
    return fine[-1] if fine else last[0]


def undo_dihedral(maps: Tensor, number: int) -> Tensor:
    """Undo `dihedral_view` of the same number: (B, H, W) maps of a view -> of the image."""
    upright = torch.rot90(maps, -(number % 4), dims=(-2, -1))
    return upright.flip(-1) if number >= 4 else upright


def likeliest(predictions: np.ndarray, task: Task) -> list[int]:
    """(galaxy,) the likeliest class, or answer to the first question, of (galaxy, column)."""
    return [int(i) for i in predictions[:, task.groups[0]].argmax(axis=1)]
