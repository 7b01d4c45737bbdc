"""Views of test-time augmentation: as many as the settings ask for, alike for turned galaxies."""

import numpy as np
import pytest
import torch

from galaxyzoo.config.schema import ImageConfig, TTAConfig
from galaxyzoo.data.geometry import iterate_views

IMAGE = ImageConfig(crop_px=128, cache_px=64, field_px=64, size_px=32)

CPU = torch.device("cpu")


def images(count: int = 2, side: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


ALONE, ANGLES = TTAConfig(dihedral=False), TTAConfig(angles=2)
ZOOMED = TTAConfig(angles=3, zooms=(0.9, 1.1))


@pytest.mark.parametrize(
    ("tta", "count"), [(TTAConfig(), 8), (ALONE, 1), (ANGLES, 16), (ZOOMED, 48)]
)
def test_every_setting_makes_as_many_distinct_views_as_it_says(tta, count):
    made = iterate_views(images(), IMAGE, tta, CPU)
    views = [view.contiguous().numpy().tobytes() for view in made]
    assert tta.n_views == len(views) == len(set(views)) == count


def test_views_are_turned_by_equal_parts_of_90_degrees():
    """A spot right of the middle goes up and around, counter-clockwise."""
    y, x = np.mgrid[:64, :64] - 31.5
    spot = 255 * np.exp(-((x - 12) ** 2 + y**2) / 8)
    pixels = np.repeat(spot.astype(np.uint8)[None, ..., None], 3, axis=3)
    tta, found = TTAConfig(dihedral=False, angles=6), []
    for view in iterate_views(pixels, IMAGE, tta, CPU):
        gray = view[0, 0].double().numpy()
        down, right = np.indices(gray.shape) - (gray.shape[0] - 1) / 2
        found.append(np.degrees(np.arctan2(-(gray * down).sum(), (gray * right).sum())))
    np.testing.assert_allclose(found, [0, 15, 30, 45, 60, 75], atol=1)


def test_the_mean_over_views_does_not_depend_on_the_galaxys_orientation():
    batch = images()
    turned = np.rot90(batch, axes=(1, 2)).copy()
    weights = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))

    def mean(pixels: np.ndarray) -> torch.Tensor:
        return torch.stack(
            [(v * weights).sum((1, 2, 3)) for v in iterate_views(pixels, IMAGE, TTAConfig(), CPU)]
        ).mean(0)

    assert torch.allclose(mean(batch), mean(turned), rtol=1e-5)
