"""The eight symmetries of the square and the angles between them."""

import numpy as np
import pytest
import torch

from galaxyzoo.config.schema import ImageConfig, TTAConfig
from galaxyzoo.data.geometry import DIHEDRAL, dihedral_view
from galaxyzoo.inference.tta import count_views, iterate_views

IMAGE = ImageConfig(crop_px=128, cache_px=64, field_px=64, size_px=32)

CPU = torch.device("cpu")


def images(count: int = 2, side: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def undo_dihedral_view(images: torch.Tensor, number: int) -> torch.Tensor:
    turned = torch.rot90(images, -(number % 4), dims=(-2, -1))
    return turned.flip(-1) if number >= 4 else turned


def test_views_are_eight_distinct_ones_and_undo() -> None:
    batch = torch.from_numpy(images(side=5)).permute(0, 3, 1, 2)
    views = [dihedral_view(batch, number) for number in range(DIHEDRAL)]
    assert len({view.contiguous().numpy().tobytes() for view in views}) == 8
    for number, view in enumerate(views):
        assert torch.equal(undo_dihedral_view(view, number), batch)


def test_views_form_the_dihedral_group() -> None:
    batch = torch.from_numpy(images(1, 5)).permute(0, 3, 1, 2)
    views = {
        dihedral_view(batch, number).contiguous().numpy().tobytes() for number in range(DIHEDRAL)
    }
    for first in range(DIHEDRAL):
        for second in range(DIHEDRAL):
            both = dihedral_view(dihedral_view(batch, first), second)
            assert both.contiguous().numpy().tobytes() in views


@pytest.mark.parametrize("number", [-1, 8])
def test_no_such_view(number: int) -> None:
    with pytest.raises(ValueError, match="view"):
        dihedral_view(torch.zeros(1, 3, 4, 4), number)


def test_oblong_images_have_no_dihedral_views() -> None:
    with pytest.raises(ValueError, match="shape"):
        dihedral_view(torch.zeros(1, 3, 4, 5), 0)


@pytest.mark.parametrize(
    ("tta", "count"),
    [
        (TTAConfig(), 8),
        (TTAConfig(dihedral=False), 1),
        (TTAConfig(angles=2), 16),
        (TTAConfig(angles=3, zooms=(0.9, 1.1)), 48),
    ],
)
def test_every_setting_makes_as_many_distinct_views_as_it_says(tta: TTAConfig, count: int) -> None:
    views = [
        view.contiguous().numpy().tobytes() for view in iterate_views(images(), IMAGE, tta, CPU)
    ]
    assert count_views(tta) == len(views) == len(set(views)) == count


def test_the_mean_over_views_does_not_depend_on_the_galaxys_orientation() -> None:
    batch = images()
    turned = np.rot90(batch, axes=(1, 2)).copy()
    weights = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))

    def mean(pixels: np.ndarray) -> torch.Tensor:
        return torch.stack(
            [(v * weights).sum((1, 2, 3)) for v in iterate_views(pixels, IMAGE, TTAConfig(), CPU)]
        ).mean(0)

    assert torch.allclose(mean(batch), mean(turned), rtol=1e-5)
