"""Several views of a galaxy in one network: exact symmetries, features, gradients."""

import pytest
import torch

from galaxyzoo.data.geometry import DIHEDRAL, dihedral_view
from galaxyzoo.models.build import GalaxyNet, build_model, pool_views
from support.small_models import small_config, without_gradient

VIEWS = ["cyclic4", "dihedral8"]


def images(count: int = 3, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)


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
def test_features_are_the_mean_over_views_one_by_one() -> None:
    backbone, batch = network("one").backbone, images().float()
    for views, count in (("cyclic4", 4), ("dihedral8", 8)):
        slow = [backbone(dihedral_view(batch, number)) for number in range(count)]
        pooled = pool_views(views, backbone, batch)
        torch.testing.assert_close(pooled, sum(slow) / count, rtol=1e-4, atol=1e-4)


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
    assert without_gradient(network(views, name).train()) == []
