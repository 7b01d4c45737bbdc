"""The equivariant network: each layer against turned inputs, the whole against turned images."""

from itertools import combinations

import pytest
import torch
from timm.utils import reparameterize_model
from torch import nn

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.geometry import DIHEDRAL, dihedral_view
from galaxyzoo.models.build import build_model
from galaxyzoo.models.equivariant import D4CNN, GroupConv, LiftingConv, P4MBatchNorm
from support.small_models import small_config

SQUARE = torch.arange(9.0).view(1, 1, 3, 3)

STRIDED = LiftingConv(3, 4, 6, stride=2)

LAYERS = {
    "group conv": GroupConv(5, 4),
    "group conv 1": GroupConv(5, 4, kernel=1),
    "group conv 5": GroupConv(5, 4, kernel=5),
    "norm": P4MBatchNorm(5),
    "norm in eval": P4MBatchNorm(5).eval(),
    "silu": nn.SiLU(),
    "pool": nn.MaxPool2d(2),
}


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def after(number: int, view: int) -> int:
    """The number of the view that is one view after another."""
    both = dihedral_view(dihedral_view(SQUARE, view), number)
    views = [dihedral_view(SQUARE, i).tolist() for i in range(DIHEDRAL)]
    return views.index(both.tolist())


def turn_maps(maps: torch.Tensor, number: int) -> torch.Tensor:
    """What becomes of (B, 8 · channels, H, W) maps when the image is turned."""
    copies = maps.unflatten(1, (DIHEDRAL, -1))
    turned = torch.empty_like(copies)
    for view in range(DIHEDRAL):
        turned[:, after(number, view)] = dihedral_view(copies[:, view], number)
    return turned.flatten(1, 2)


@pytest.mark.parametrize("number", range(DIHEDRAL))
@pytest.mark.parametrize("lift", [STRIDED, LiftingConv(3, 4, 5)], ids=["strided", "odd"])
def test_lifted_maps_of_a_turned_image_are_turned(lift, number):
    lift = lift.double()
    images = draw(2, 3, 12, 12)
    maps = lift(images)
    assert maps.shape == (2, 32, 12 // lift.stride, 12 // lift.stride)
    turned = lift(dihedral_view(images, number))
    torch.testing.assert_close(turned, turn_maps(maps, number))
    assert number == 0 or not torch.allclose(turned, maps, atol=0.1)


@pytest.mark.parametrize("number", range(DIHEDRAL))
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_each_layer_keeps_the_turn(layer, number):
    layer = layer.double()
    maps = draw(2, 40, 6, 6)
    if isinstance(layer, P4MBatchNorm):
        nn.init.uniform_(layer.weight, 0.5, 2.0)
        nn.init.uniform_(layer.bias)
    torch.testing.assert_close(layer(turn_maps(maps, number)), turn_maps(layer(maps), number))


def test_a_kernel_is_used_in_eight_different_forms_and_all_copies_are_heard():
    lifted = STRIDED.double()(draw(1, 3, 12, 12)).unflatten(1, (DIHEDRAL, -1))
    for first, second in combinations(range(DIHEDRAL), 2):
        assert not torch.allclose(lifted[:, first], lifted[:, second], atol=0.1)
    conv = GroupConv(5, 4).double()
    maps = draw(1, DIHEDRAL, 5, 6, 6)
    for copy in range(DIHEDRAL):
        changed = maps.clone()
        changed[:, copy] += 1
        effect = (conv(changed.flatten(1, 2)) - conv(maps.flatten(1, 2))).abs()
        by_copy = effect.unflatten(1, (DIHEDRAL, -1)).amax(dim=(0, 2, 3, 4))
        assert (by_copy > 0.01).all()


def test_each_copy_is_normed_by_itself_and_all_share_what_is_kept():
    maps = draw(3, 40, 4, 4)
    weight = draw(5)
    bias = draw(5, seed=1)
    norm = P4MBatchNorm(5).double()
    norm.load_state_dict({"weight": weight, "bias": bias}, strict=False)
    plain = nn.BatchNorm2d(40).double()
    repeated = {"weight": weight.repeat(DIHEDRAL), "bias": bias.repeat(DIHEDRAL)}
    plain.load_state_dict(repeated, strict=False)
    torch.testing.assert_close(norm(maps), plain(maps))
    for name in ("running_mean", "running_var"):
        means = getattr(plain, name).view(DIHEDRAL, 5).mean(dim=0)
        torch.testing.assert_close(getattr(norm, name), means)
        getattr(plain, name).copy_(means.repeat(DIHEDRAL))
    torch.testing.assert_close(norm.eval()(maps), plain.eval()(maps))


@pytest.mark.parametrize("training", [False, True])
@torch.no_grad()
def test_predictions_are_the_same_for_all_orientations(training):
    torch.manual_seed(0)
    config = small_config(model={"name": "d4cnn", "kwargs": {}}, image={"size_px": 64})
    model = build_model(config, initialize=False).train()
    images = torch.randint(0, 256, (6, 3, 64, 64), dtype=torch.uint8)
    for _ in range(0 if training else 8):  # so that the norms' running statistics are of images
        model(images)
    model.train(training)
    expected = model(images)
    other = model(images.flip(0)).flip(0)
    torch.testing.assert_close(other, expected, rtol=0, atol=1e-5)
    assert (expected[0] - expected[1]).abs().max() > 1e-3
    for number in range(DIHEDRAL):
        turned = model(dihedral_view(images, number))
        torch.testing.assert_close(turned, expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_a_reparameterized_network_predicts_the_same():
    torch.manual_seed(0)
    model = nn.Sequential(D4CNN(64))
    for layer in model.modules():
        if isinstance(layer, P4MBatchNorm):
            for values in layer.state_dict().values():
                values.copy_(0.5 + torch.rand(values.shape))
    images = torch.randn(3, 3, 64, 64)
    before = sum(1 for _ in model.modules())
    fused = reparameterize_model(model.eval())
    torch.testing.assert_close(fused(images), model(images), rtol=1e-4, atol=1e-5)
    assert sum(1 for _ in model.modules()) == before
    assert not any(isinstance(layer, GroupConv | P4MBatchNorm) for layer in fused.modules())


def test_bf16_cuts_nothing_off_the_sky_in_predictions():
    """One brightness in most of the image: its rounding would move all answers the same way."""
    torch.manual_seed(5)
    model = nn.Sequential(D4CNN(32)).eval()
    stem = reparameterize_model(model).get_submodule("0.stages.0")
    sky = torch.full((1, 3, 32, 32), -0.893)
    with torch.inference_mode():
        expected = stem(sky)
        with torch.autocast("cpu", torch.bfloat16):
            found = stem(sky)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("side", [48, 65, 80])
def test_a_side_that_cannot_be_halved_is_refused(side):
    with pytest.raises(InputError, match=r"image\.size_px: d4cnn needs a multiple of 32"):
        D4CNN(side)
    D4CNN(side - side % 8, widths=(2, 2))
