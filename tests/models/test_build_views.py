"""Several views of a galaxy in one network: exact symmetries, the winner's parts, gradients."""

import numpy as np
import pytest
import torch

from galaxyzoo.data.geometry import DIHEDRAL, dihedral_view
from galaxyzoo.models.build import (
    GalaxyNet,
    _turn,
    build_model,
    inner_side,
    pool_views,
    winner_parts,
)
from galaxyzoo.models.pretrained import fill_network
from support.small_models import small_config

VIEWS = ["cyclic4", "dihedral8", "winner16"]


def images(count: int = 3, side: int = 32, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)


def network(views: str, name: str = "cnn") -> GalaxyNet:
    torch.manual_seed(0)
    kwargs = {"cnn": {"widths": [8, 16]}, "layers": {"layers": ["conv4", "pool"]}}.get(name, {})
    model = build_model(
        small_config(model={"name": name, "kwargs": kwargs, "views": views}), initialise=False
    )
    with torch.no_grad():
        for seed in range(20):  # until the norms' running statistics are those of images
            model.train()(images(8, seed=seed))
    return model.eval()


@pytest.mark.parametrize(("views", "same"), [("one", 1), ("cyclic4", 4), ("dihedral8", 8)])
@torch.inference_mode()
def test_predictions_of_turned_images_are_the_same(views: str, same: int) -> None:
    model, batch = network(views), images()
    expected = model(batch)
    for number in range(DIHEDRAL):
        off = (model(dihedral_view(batch, number)) - expected).abs().max().item()
        assert (off < 1e-6) == (number < same)


@torch.inference_mode()
def test_features_are_the_mean_over_views_seen_one_by_one() -> None:
    backbone, batch = network("one").backbone, images().float()
    for views, count in (("cyclic4", 4), ("dihedral8", 8)):
        slow = [backbone(dihedral_view(batch, number)) for number in range(count)]
        pooled = pool_views(views, backbone, batch)
        torch.testing.assert_close(pooled, sum(slow) / count, rtol=1e-4, atol=1e-4)


def test_winners_parts_are_the_corners_turned_alike() -> None:
    batch = images(2, 98).float()
    parts = winner_parts(batch)
    side = inner_side(98)
    assert (side, len(parts), {part.shape for part in parts}) == (68, 16, {(2, 3, 44, 44)})
    assert len({part.contiguous().numpy().tobytes() for part in parts}) == 16
    view = batch[:, :, 15:83, 15:83].numpy()
    corners = [view[..., :44, :44], view[..., :44, 24:], view[..., 24:, 24:], view[..., 24:, :44]]
    for quarter, corner in enumerate(corners):  # the upper right one comes with one quarter turn
        np.testing.assert_array_equal(parts[quarter], np.rot90(corner, quarter, axes=(2, 3)))
    mirrored = [corner[..., ::-1] for corner in (corners[1], corners[0], corners[3], corners[2])]
    for quarter, corner in enumerate(mirrored):
        np.testing.assert_array_equal(parts[4 + quarter], np.rot90(corner, quarter, axes=(2, 3)))


def test_a_galaxys_centre_is_in_the_same_place_of_every_part() -> None:
    batch = torch.zeros(1, 1, 96, 96)
    batch[:, :, 47:49, 47:49] = 1
    for part in winner_parts(batch):
        place = np.argwhere(part[0, 0].numpy() > 0.2).mean(axis=0)
        np.testing.assert_allclose(place, inner_side(96) / 2 - 0.5, atol=0.01)


def test_turning_is_counter_clockwise_and_looks_at_nothing_outside() -> None:
    batch = torch.zeros(1, 1, 64, 64)
    batch[:, :, 41, 41] = 1  # 9.5 px right of and below the centre
    turned = _turn(batch, 45.0, 44)[0, 0].numpy()
    rows, columns = np.indices(turned.shape)
    place = [(turned * axis).sum() / turned.sum() for axis in (rows, columns)]
    np.testing.assert_allclose(place, [21.5, 21.5 + 9.5 * np.sqrt(2)], atol=0.1)
    for side in range(20, 40):
        kept = _turn(torch.ones(1, 1, side, side), 45.0, inner_side(side))
        torch.testing.assert_close(kept, torch.ones_like(kept))


@pytest.mark.parametrize("views", VIEWS)
@torch.inference_mode()
def test_galaxies_of_a_batch_do_not_mix(views: str) -> None:
    model, batch = network(views), images()
    whole = model(batch)
    for number in range(len(batch)):
        torch.testing.assert_close(model(batch[number : number + 1])[0], whole[number])


@pytest.mark.parametrize("views", VIEWS)
@pytest.mark.parametrize("name", ["cnn", "layers", "resnet18"])
def test_gradients_reach_every_parameter(name: str, views: str) -> None:
    model = network(views, name).train()
    for parameter in model.backbone.parameters():
        if not parameter.any():  # timm starts residual branches at zero, which lets nothing through
            torch.nn.init.constant_(parameter, 0.5)
    model(images(4)).square().sum().backward()
    without = [
        n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert without == []


@pytest.mark.parametrize("views", VIEWS)
def test_a_backbone_that_saw_one_view_is_a_start(views: str) -> None:
    start, model = network("one"), network(views)
    for parameter in start.parameters():
        parameter.data.fill_(0.25)
    fill_network(model, start.state_dict(), "start")
    assert all((parameter == 0.25).all() for parameter in model.backbone.parameters())
