"""Heat maps for an answer: HiResCAM and Grad-CAM.

Source: Selvaraju et al. 2017 (ICCV), Grad-CAM; Draelos and Carin 2020 (arXiv:2011.08891), HiResCAM.
"""

from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, eq=False)
class HeatMap:
    """Heat map of an image for an answer."""

    image: np.ndarray  # (H, W, 3) uint8, the network's input
    heat: np.ndarray  # (H, W) float32, 0 to 1
    layer: str  # name of the layer; of several runs, of each


def average_gradcam(
    models: Mapping[int, GalaxyNet],
    image: np.ndarray,
    column: int,
    method: str = DEFAULT_METHOD,
    layer: str | None = None,
) -> HeatMap:
    """Heat map of one image for an answer, averaged over a run's networks.

    Args:
        models: networks by fold.
        image: (1, H, W, 3) uint8, the network's input.
        column: index of the answer or class among the task's columns.
        method: of `METHODS`.
        layer: default: the deepest layer whose maps show places.
    """
    maps = []
    for model in models.values():
        map_layer = choose_layer(model, image.shape[1], layer)
        maps.append(compute_gradcam(model, image, column, method, map_layer))
    return HeatMap(image[0], np.mean(maps, axis=0), map_layer.name)


def explain(
    predictor: Predictor, galaxy: Galaxy, column: int, method: str, layer: str | None = None
) -> HeatMap:
    """Heat map of a galaxy for an answer, of a run or averaged over an ensemble's runs.

    An ensemble for classes can have runs that predict votes; these have no map.

    Args:
        predictor: run or ensemble.
        galaxy: to explain.
        column: as of `average_gradcam`, which explains the other arguments.
        method: of `METHODS`.
        layer: of all networks.
    Returns:
        The map on the network input of the first run.
    Raises:
        InputError: no run has a map, or a network has no such layer.
    """
    runs = [run for run in predictor.runs if run.task.name == predictor.task.name]
    if not runs:
        raise InputError(
            f"no run of this ensemble predicts {predictor.task.name}'s classes directly: use "
            "a run that does"
        )
    first_config = runs[0].config.image
    maps = []
    layers = []
    for run in runs:
        image_config = run.config.image
        image = galaxy.as_input(image_config)
        of_run = average_gradcam(run.models, image, column, method, layer)
        maps.append(_onto(of_run.heat, image_config, first_config))
        layers.append(of_run.layer)
    first_image = galaxy.as_input(first_config)[0]
    return HeatMap(first_image, np.mean(maps, axis=0), ", ".join(dict.fromkeys(layers)))


def _onto(heat: np.ndarray, source: ImageConfig, target: ImageConfig) -> np.ndarray:
    """Resample a heat map onto the network input of another config."""
    if (source.size_px, source.field_px) == (target.size_px, target.field_px):
        return heat
    source_scale = source.field_px / source.size_px  # original pixels per pixel
    target_scale = target.field_px / target.size_px
    step = target_scale / source_scale
    shift = (source.size_px - 1) / 2 - step * (target.size_px - 1) / 2
    matrix = np.array([[step, 0, shift], [0, step, shift]])
    size = (target.size_px, target.size_px)
    return cv2.warpAffine(heat, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


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
    """The named layer; by default the deepest one whose maps are fine enough to show a place.

    Raises:
        InputError: there is no layer of that name, or only the stem has maps.
    """
    layers = find_layers(model, torch.zeros(1, 3, size_px, size_px))
    if name is not None:
        return pick_layers(layers, [name])[0]
    if not any(layer.late for layer in layers):
        raise InputError(
            "only the stem of this network has spatial maps, not its late layers: use another run"
        )
    last = last_of_each_side(layers)
    deepest = last[-1]
    alike = [layer for layer in last if layer.tokens == deepest.tokens]  # no transformer's stem
    fine = [layer for layer in alike if layer.side >= _MIN_SIDE]
    return fine[-1] if fine else alike[0]


def undo_dihedral(maps: Tensor, number: int) -> Tensor:
    """Undo `dihedral_view` of the same number: (B, H, W) maps of a view -> of the image."""
    turned = torch.rot90(maps, -(number % 4), dims=(-2, -1))
    is_mirrored = number >= 4
    return turned.flip(-1) if is_mirrored else turned


def likeliest(predictions: np.ndarray, task: Task) -> list[int]:
    """(galaxy,) the likeliest class, or answer to the first question, of (galaxy, column)."""
    return predictions[:, task.groups[0]].argmax(axis=1).tolist()
