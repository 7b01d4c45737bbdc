"""Heat maps: which parts of an image speak for an answer, by the methods of the grad-cam package.

Source: Selvaraju et al. 2017 (ICCV), Grad-CAM, and what the package names for the other methods
(github.com/jacobgil/pytorch-grad-cam).
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from galaxyzoo.errors import InputError
from galaxyzoo.map_layers import MapLayer, as_maps, find_layers, last_of_each_side
from galaxyzoo.models import GalaxyNet
from galaxyzoo.views import DIHEDRAL, dihedral_view


@dataclass(frozen=True)
class Method:
    """One of the package's methods."""

    class_name: str
    # whether its maps are averaged over the image's eight orientations; others take minutes
    all_views: bool = True


METHODS = {
    "gradcam": Method("GradCAM"),
    "gradcam++": Method("GradCAMPlusPlus"),
    "hirescam": Method("HiResCAM"),
    "layercam": Method("LayerCAM"),
    "xgradcam": Method("XGradCAM"),
    "eigencam": Method("EigenCAM"),
    "scorecam": Method("ScoreCAM", all_views=False),
    "ablationcam": Method("AblationCAM", all_views=False),
}
_FINE_ENOUGH = 5  # cells of a side below which a map shows no place


def heat_maps(
    model: GalaxyNet,
    images: np.ndarray,
    columns: Sequence[int],
    method: str = "gradcam",
    layer: MapLayer | None = None,
) -> np.ndarray:
    """Where in each image the network finds what speaks for an answer.

    Args:
        model: trained; left in eval mode, with all gradients gone.
        images: (B, H, W, 3) uint8, of the network's input size.
        columns: of each image, the answer's or class's place among the task's columns.
        method: of `METHODS`.
        layer: whose maps are used; default `default_layer`.
    Returns:
        (B, H, W) float32, 0 to 1, the largest of each image 1 (all 0 where nothing speaks for it).
    Raises:
        InputError: the network makes no maps of the image.
    """
    layer = layer or default_layer(find_layers(model, images.shape[1]))
    device = model.mean.device
    batch = torch.from_numpy(images).permute(0, 3, 1, 2).float().to(device)
    targets = [answer_of(column) for column in columns]
    chosen = METHODS[method]
    numbers = range(DIHEDRAL if chosen.all_views else 1)
    maps = np.zeros(images.shape[:3], np.float32)
    kind = getattr(_package(), chosen.class_name)
    with kind(
        model=model,
        target_layers=[layer.module],
        reshape_transform=partial(_reshape, backbone=model.backbone),
    ) as explainer:
        if hasattr(explainer, "batch_size"):
            explainer.batch_size = 32
        for number in numbers:
            view = dihedral_view(batch, number).contiguous().requires_grad_()
            turned = explainer(view, targets)
            maps += turn_back(torch.from_numpy(np.asarray(turned, np.float32)), number).numpy()
    model.zero_grad(set_to_none=True)
    largest = maps.max(axis=(1, 2), keepdims=True)
    return np.divide(maps, largest, out=np.zeros_like(maps), where=largest > 0)


def default_layer(layers: Sequence[MapLayer]) -> MapLayer:
    """The deepest one whose maps are not too coarse to show a place."""
    last = last_of_each_side(layers)
    fine = [layer for layer in last if layer.side >= _FINE_ENOUGH]
    return fine[-1] if fine else last[0]


def answer_of(column: int) -> Callable[[Tensor], Tensor]:
    """What the package explains: of (column,) or (B, column) predictions, one column."""
    return lambda output: output[..., column]


def turn_back(maps: Tensor, number: int) -> Tensor:
    """Undo `dihedral_view` of the same number: (B, H, W) maps of a view -> of the image."""
    upright = torch.rot90(maps, -(number % 4), dims=(-2, -1))
    return upright.flip(-1) if number >= 4 else upright


def find_method(name: str) -> str:
    """The name of a method, however it is written.

    Raises:
        InputError: there is no such method.
    """
    wanted = name.lower().replace("-", "").replace("_", "").replace("plusplus", "++")
    if wanted not in METHODS:
        raise InputError(f"no method '{name}': there are {', '.join(METHODS)}")
    return wanted


def _reshape(output: Tensor, backbone: torch.nn.Module) -> Tensor:
    maps = as_maps(output, backbone)
    assert maps is not None
    return maps


def _package() -> ModuleType:
    """Imported only here: it takes seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pytorch_grad_cam

    return pytorch_grad_cam
