"""Grad-CAM: maps of a network whose answer is known, and averages."""

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from galaxyzoo.data.geometry import DIHEDRAL, dihedral_view
from galaxyzoo.extras.explain import gradcam
from galaxyzoo.extras.explain.galaxy import Galaxy
from galaxyzoo.extras.explain.gradcam import (
    METHODS,
    HeatMap,
    average_gradcam,
    choose_layer,
    compute_gradcam,
    undo_dihedral,
)
from galaxyzoo.inference.predict import RunNetworks
from galaxyzoo.models.build import GalaxyNet, build_model
from support.small_models import small_config, small_network

SIDE = 32


class Corner(nn.Module):
    """Two maps: how bright each 4 × 4 block is, and how dark; the features are their means."""

    num_features = 2

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.AvgPool2d(4)
        self.both = Both()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.both(self.blocks(images.mean(dim=1, keepdim=True))).mean(dim=(2, 3))


class Both(nn.Module):
    """(B, 1, h, w) -> (B, 2, h, w): what is above zero, and what is below."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return torch.cat([maps.relu(), (-maps).relu()], dim=1)


def bright_counts() -> GalaxyNet:
    """A network whose first answer grows with brightness, and whose second falls."""
    head = {"hidden": 16, "output": "softmax", "dropout": 0.0}
    task: dict[str, Any] = {"task": "elliptical_spiral", "loss": "cross_entropy"}
    config = small_config(**task, image={"size_px": SIDE}, head=head)
    model = build_model(config, initialize=False)
    model.backbone = Corner()
    model.mean.fill_(100.0)
    model.std.fill_(50.0)
    last = nn.Linear(2, 2)
    with torch.no_grad():
        last.weight.copy_(torch.tensor([[1.0, -1.0], [-1.0, 1.0]]))
        last.bias.zero_()
    model.head = nn.Sequential(last)
    return model.eval()


def with_spot(row: int, column: int) -> np.ndarray:
    """(1, SIDE, SIDE, 3): dark but for a bright square of 8 pixels."""
    image = np.full((1, SIDE, SIDE, 3), 60, np.uint8)
    image[:, row : row + 8, column : column + 8] = 250
    return image


@pytest.mark.parametrize("method", METHODS)
def test_the_heat_is_where_the_answer_comes_from(method):
    """The maps are known, and a place that is unlike its mirror images."""
    model = bright_counts()
    layer = choose_layer(model, SIDE, "both")
    heat = compute_gradcam(model, with_spot(4, 20), 0, method, layer)
    inside = np.zeros((SIDE, SIDE), bool)
    inside[4:12, 20:28] = True
    assert heat.shape == (SIDE, SIDE)
    assert heat.max() == pytest.approx(1)
    assert inside[np.unravel_index(heat.argmax(), heat.shape)]
    assert heat[inside].mean() > 3 * heat[~inside].mean()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not [m for m in model.modules() if m._forward_hooks]


def compute_view(
    model: GalaxyNet, view: torch.Tensor, column: int, method: str, module: nn.Module
) -> np.ndarray:
    """Of one view; the layer's output is a variable of its own, given to the rest."""
    leaves: list[torch.Tensor] = []

    def replace(_module: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        leaves.append(output.detach().clone().requires_grad_())
        return leaves[0] * 1

    handle = module.register_forward_hook(replace)
    model(view)[0, column].backward()
    handle.remove()
    (leaf,) = leaves
    assert leaf.grad is not None
    maps = leaf.detach()[0].numpy()
    weights = leaf.grad[0].numpy()
    if method == "gradcam":
        weights = weights.mean(axis=(1, 2), keepdims=True)
    heat = np.maximum((weights * maps).sum(axis=0), 0)
    heat = cv2.resize(heat, view.shape[2:])
    return np.asarray((heat - heat.min()) / (np.ptp(heat) or 1))


def compute_slowly(model: GalaxyNet, image: np.ndarray, *how: Any) -> np.ndarray:
    """One view at a time."""
    total = np.zeros(image.shape[1:3], np.float32)
    for number in range(DIHEDRAL):
        view = dihedral_view(torch.from_numpy(image).permute(0, 3, 1, 2), number)
        heat = torch.from_numpy(compute_view(model, view, *how))
        total += undo_dihedral(heat[None], number)[0].numpy()
    return np.asarray(total / total.max())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("name", "column"),
    [("layer3", 3), ("layer4", 0), ("layer3.0.bn1", 3)],  # the last one's maps change in place
)
def test_maps_against_slow_ones(method, name, column):
    torch.manual_seed(0)
    settings: dict[str, Any] = {"name": "test_resnet", "kwargs": {"zero_init_last": False}}
    model = build_model(small_config(model=settings, image={"size_px": 64}), initialize=False)
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    layer = choose_layer(model.eval(), 64, name)
    slow = compute_slowly(model, image, column, method, layer.module)
    model.zero_grad()
    heat = compute_gradcam(model, image, column, method, layer)
    np.testing.assert_allclose(heat, slow, atol=1e-5)
    assert heat.std() > 0.05
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_map_on_which_nothing_depends_is_zero():
    settings: dict[str, Any] = {"name": "test_resnet", "kwargs": {"zero_init_last": True}}
    model = build_model(small_config(model=settings, image={"size_px": 64}), initialize=False)
    image = np.full((1, 64, 64, 3), 9, np.uint8)
    layer = choose_layer(model.eval(), 64, "layer3.0.bn1")  # the weights after it are zero
    assert not compute_gradcam(model, image, 3, "gradcam", layer).any()


def test_each_answer_has_its_own_map():
    model = bright_counts()
    layer = choose_layer(model, SIDE, "both")
    image = with_spot(4, 20)
    bright = compute_gradcam(model, image, 0, "gradcam", layer)
    dark = compute_gradcam(model, image, 1, "gradcam", layer)
    assert bright[8, 24] > 0.9
    assert bright[24, 8] < 0.3
    assert dark[24, 8] > 0.9
    assert dark[8, 24] < 0.3


@pytest.mark.parametrize("number", range(DIHEDRAL))
def test_a_view_is_turned_back(number):
    maps = torch.arange(2 * 5 * 5.0).view(2, 5, 5)
    assert torch.equal(undo_dihedral(dihedral_view(maps[:, None], number)[:, 0], number), maps)


def test_a_runs_map_is_the_mean_over_its_folds():
    # Of one in four untrained networks the map is empty; not of these two.
    models = {0: small_network("cnn", 64, seed=0), 1: small_network("cnn", 64, seed=1)}
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    first = average_gradcam({0: models[0]}, image, 3).heat
    second = average_gradcam({1: models[1]}, image, 3).heat
    both = average_gradcam(models, image, 3)
    assert both.layer == "stages.2"
    assert np.allclose(both.heat, (first + second) / 2)
    assert first.any()
    assert second.any()
    assert not np.allclose(first, second)


def test_maps_of_runs_that_see_other_parts_of_the_sky_lie_on_the_first_ones_input(monkeypatch):
    """A hot place 40 original pixels right of the middle and 20 above it is there in the mean."""
    first = small_config(image={"size_px": 65, "field_px": 130.0})  # 2 original pixels each
    wide = small_config(image={"size_px": 51, "field_px": 204.0})  # 4 each
    places = {65: (32 - 10, 32 + 20), 51: (25 - 5, 25 + 10)}  # by the side of the input

    def one_hot(_models, image, *_):
        heat = np.zeros(image.shape[1:3], np.float32)
        heat[places[image.shape[1]]] = 1
        return HeatMap(image[0], heat, "layer")

    monkeypatch.setattr(gradcam, "average_gradcam", one_hot)
    picture = np.zeros((64, 64, 3), np.uint8)
    galaxy = Galaxy("one", cv2.imencode(".png", picture)[1].tobytes(), "here")
    runs = [RunNetworks(config, {}) for config in (first, wide)]
    both: Any = SimpleNamespace(runs=runs, task=runs[0].task)
    explained = gradcam.explain(both, galaxy, 0, "gradcam")
    heat = explained.heat
    assert explained.image.shape[:2] == heat.shape == (65, 65)
    assert np.argwhere(heat == heat.max()).tolist() == [list(places[65])]
    assert heat.max() == pytest.approx(1)
    both.runs = runs[::-1]
    alone = gradcam.explain(both, galaxy, 0, "gradcam").heat
    assert np.argwhere(alone == alone.max()).tolist() == [list(places[51])]
