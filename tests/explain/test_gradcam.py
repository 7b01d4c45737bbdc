"""Heat maps, the layers that they come from, and whether they mean anything."""

import numpy as np
import pytest
import torch
from torch import nn

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.geometry import DIHEDRAL, dihedral_view
from galaxyzoo.explain import gradcam
from galaxyzoo.explain.gradcam import (
    METHODS,
    default_layer,
    explain,
    find_method,
    heat_maps,
    turn_back,
)
from galaxyzoo.explain.layers import as_maps, find_layers, last_of_each_side, pick_layers, watching
from galaxyzoo.models.build import GalaxyNet, build_model
from support.small_models import small_config

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
    model = build_model(
        small_config(
            task="elliptical_spiral",
            loss="cross_entropy",
            image={"size_px": SIDE},
            head={"hidden": 16, "output": "softmax", "dropout": 0.0},
        ),
        initialise=False,
    )
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
def test_the_heat_is_where_the_answer_comes_from(method: str) -> None:
    """The maps are known, and a place that is unlike its mirror images."""
    model = bright_counts()
    layer = pick_layers(find_layers(model, SIDE), ["both"])[0]
    heat = heat_maps(model, with_spot(4, 20), [0], method, layer)[0]
    inside = np.zeros((SIDE, SIDE), bool)
    inside[4:12, 20:28] = True
    assert heat.shape == (SIDE, SIDE)
    assert heat.max() == pytest.approx(1)
    assert inside[np.unravel_index(heat.argmax(), heat.shape)]
    assert heat[inside].mean() > 3 * heat[~inside].mean()
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not [m for m in model.modules() if m._forward_hooks]


def test_each_image_has_its_own_answer() -> None:
    model = bright_counts()
    layer = pick_layers(find_layers(model, SIDE), ["both"])[0]
    images = np.concatenate([with_spot(4, 20), with_spot(4, 20)])
    bright, dark = heat_maps(model, images, [0, 1], "gradcam", layer)
    assert bright[8, 24] > 0.9 > 0.3 > bright[24, 8]
    assert dark[24, 8] > 0.9 > 0.3 > dark[8, 24]


@pytest.mark.parametrize("number", range(DIHEDRAL))
def test_a_view_is_turned_back(number: int) -> None:
    maps = torch.arange(2 * 5 * 5.0).view(2, 5, 5)
    assert torch.equal(turn_back(dihedral_view(maps[:, None], number)[:, 0], number), maps)


def network(name: str, size: int, seed: int = 0) -> GalaxyNet:
    torch.manual_seed(seed)
    settings = {"name": name, "kwargs": {}}
    config = small_config(model=settings, image={"size_px": size})
    return build_model(config, initialise=False).eval()


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("resnet18", 80, {"act1": 40, "layer1": 20, "layer2": 10, "layer3": 5, "layer4": 3}),
        ("mobilenetv2_100", 80, {"blocks.4": 5, "bn2": 3}),
        ("cnn", 64, {"stages.2": 8, "stages": 2}),
        ("d4cnn", 64, {"stages.2": 8}),
        ("test_vit", 160, {"blocks.5.norm1": 10}),
        ("test_convnext", 64, {"stages.1": 8}),
    ],
)
def test_layers_of_each_kind_of_network(name: str, size: int, expected: dict[str, int]) -> None:
    model = network(name, size)
    layers = find_layers(model, size)
    sides = {layer.name: layer.side for layer in last_of_each_side(layers)}
    assert expected.items() <= sides.items()
    chosen = default_layer(layers)
    assert chosen.side >= 4
    with watching(model, [chosen]) as seen, torch.inference_mode():
        model(torch.zeros(2, 3, size, size))
    assert seen[chosen.name].shape == (2, chosen.channels, chosen.side, chosen.side)
    assert not [m for m in model.modules() if m._forward_hooks]
    images = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
    heat = heat_maps(model, images, [0], "gradcam")
    assert heat.shape == (1, size, size)
    assert np.isfinite(heat).all()


def test_tokens_become_maps_row_by_row() -> None:
    backbone = nn.Module()
    backbone.num_prefix_tokens = 1  # type: ignore[assignment]
    tokens = torch.arange(7 * 2.0).view(1, 7, 2)
    assert as_maps(tokens[:, :5], backbone) is not None
    maps = as_maps(tokens[:, :5], backbone)
    assert maps is not None
    assert maps[0, 0].tolist() == [[2, 4], [6, 8]]  # without the first token
    assert as_maps(tokens, backbone) is None  # six patches are no square
    assert as_maps(torch.zeros(1, 3, 4, 5), backbone) is None
    backbone.output_fmt = "NHWC"  # type: ignore[assignment]
    last = as_maps(torch.zeros(1, 4, 4, 3), backbone)
    assert last is not None
    assert last.shape == (1, 3, 4, 4)


def test_a_runs_map_is_the_mean_over_its_folds() -> None:
    # One in four untrained networks shows nothing at all, as no place speaks for the answer; these
    # two show something.
    models = {fold: network("cnn", 64, seed=fold) for fold in (0, 1)}
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    single = [explain({fold: model}, image, 3)[0] for fold, model in models.items()]
    both, layer = explain(models, image, 3)
    assert layer == "stages.2"
    assert np.allclose(both, np.mean(single, axis=0))
    assert min(each.max() for each in single) > 0
    assert not np.allclose(single[0], single[1])


def test_a_faithful_map_scores_above_the_controls() -> None:
    model = bright_counts()
    layer = pick_layers(find_layers(model, SIDE), ["both"])[0]
    places = [(r, c) for r in (0, 4, 18, 23) for c in (1, 5, 19, 23)]
    images = np.concatenate([with_spot(*place) for place in places])
    scores = {
        method: gradcam.measure(model, images, [0] * len(places), method, layer).scores.mean()
        for method in ("gradcam", "random", "centre")
    }
    assert scores["gradcam"] > 0.05
    assert scores["gradcam"] > 2 * max(scores["random"], scores["centre"])


def test_what_is_not_there_is_named() -> None:
    model = network("cnn", 64)
    with pytest.raises(InputError, match=r"no layer 'layer4' makes maps; .*stages"):
        pick_layers(find_layers(model, 64), ["layer4"])
    with pytest.raises(InputError, match=r"no method 'gradcan': there are gradcam, gradcam\+\+"):
        find_method("gradcan")
    assert find_method("Grad-CAM++") == find_method("GradCAMPlusPlus") == "gradcam++"
    several = small_config(model={"name": "cnn", "views": "cyclic4"}, image={"size_px": 64})
    with pytest.raises(InputError, match=r"several views at once \(model.views cyclic4\)"):
        find_layers(build_model(several, initialise=False), 64)
