"""Layers with maps: found in each kind of network, recorded, and refused by name."""

import numpy as np
import pytest
import torch
from torch import nn

from galaxyzoo.extras.explain.gradcam import choose_layer, compute_gradcam
from galaxyzoo.extras.explain.layers import (
    as_maps,
    compute_feature_maps,
    find_layers,
    first_filters,
    last_of_each_side,
)
from support.small_models import small_network


@pytest.mark.parametrize(
    ("name", "channels"), [("resnet18", 64), ("cnn", 48), ("d4cnn", 8), ("test_vit", None)]
)
def test_the_first_filters_are_those_on_colors(name, channels):
    filters = first_filters(small_network(name, 160))
    assert filters is not None
    assert filters.shape[1] == 3
    assert channels is None or len(filters) == channels


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
def test_layers_of_each_kind_of_network(name, size, expected):
    model = small_network(name, size)
    layers = find_layers(model, torch.zeros(1, 3, size, size))
    sides = {layer.name: layer.side for layer in last_of_each_side(layers)}
    assert expected.items() <= sides.items()
    chosen = choose_layer(model, size)
    assert chosen.side >= 4
    image = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
    maps = compute_feature_maps(model, image)
    assert [some.shape[-1] for some in maps.values()] == sorted(sides.values(), reverse=True)
    own = compute_feature_maps(model, image, [chosen.name])[chosen.name]
    assert own.shape == chosen.maps.shape
    assert not [m for m in model.modules() if m._forward_hooks]
    heat = compute_gradcam(model, image, 0, "gradcam", chosen)
    assert heat.shape == (size, size)
    assert np.isfinite(heat).all()


def test_maps_are_a_layers_own_where_the_next_works_in_place():
    model = small_network("resnet18", 64)
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    maps = compute_feature_maps(model, image, ["bn1", "act1"])
    assert maps["bn1"].min() < 0
    assert np.array_equal(maps["bn1"].clip(min=0), maps["act1"])


def test_tokens_become_maps_row_by_row():
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
