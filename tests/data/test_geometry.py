"""The warp against slow sampling, the square's symmetries, and test-time views of both."""

import numpy as np
import pytest
import torch
from scipy.ndimage import center_of_mass

from galaxyzoo.config.schema import ImageConfig, TTAConfig
from galaxyzoo.data.geometry import DIHEDRAL, dihedral_view, iterate_views, warp, warp_matrices

# One input pixel is one cached pixel.
IMAGE = ImageConfig(crop_px=128, cache_px=64, field_px=64, size_px=32)


def images(count: int = 2, side: int = 5) -> torch.Tensor:
    pixels = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def matrix_of(
    angle_deg: float, flip: bool, zoom: float, shift_px: tuple[float, float]
) -> np.ndarray:
    """(2, 3) map of one image."""
    warps = [np.array([value]) for value in (angle_deg, flip, zoom, shift_px)]
    return warp_matrices(IMAGE, *warps)[0]


def random_image(seed: int = 0, side: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def sample_slowly(image: np.ndarray, matrix: np.ndarray, size_px: int) -> np.ndarray:
    """Bilinear sampling, one pixel at a time, for matrices that stay inside the image."""
    out = np.zeros((size_px, size_px, 3))
    for row in range(size_px):
        for column in range(size_px):
            x, y = matrix @ (column, row, 1.0)
            left = int(np.floor(x))
            top = int(np.floor(y))
            for near_y in (top, top + 1):
                for near_x in (left, left + 1):
                    weight = (1 - abs(y - near_y)) * (1 - abs(x - near_x))
                    if weight > 0:
                        out[row, column] += weight * image[near_y, near_x]
    return out


@pytest.mark.parametrize("quarter", [0, 1, 2, 3])
@pytest.mark.parametrize("flip", [False, True])
def test_right_angles_and_mirror_are_exact(quarter, flip):
    image = random_image()
    turned = np.rot90(image[16:48, 16:48], quarter)  # counter-clockwise
    expected = turned[:, ::-1] if flip else turned
    got = warp(image[None], matrix_of(90.0 * quarter, flip, 1.0, (0, 0)), 32)[0]
    assert np.array_equal(got, expected)


def test_any_warp_equals_slow_sampling():
    image = random_image(1)
    matrix = matrix_of(33.0, True, 1.2, (5.0, -3.0))
    got = warp(image[None], matrix, 32)[0].astype(float)
    # cv2 interpolates with 1/32 pixel steps, so neighbors that differ by 255 may be off by a few
    # values
    assert np.abs(got - sample_slowly(image, matrix, 32)).max() <= 9


def test_zoom_enlarges_and_shift_moves_by_original_pixels():
    image = np.zeros((64, 64, 3), np.uint8)
    image[31:33, 31:33] = 255  # the center
    small = warp(image[None], matrix_of(0.0, False, 1.0, (0, 0)), 32)
    large = warp(image[None], matrix_of(0.0, False, 2.0, (0, 0)), 32)
    assert (large > 127).sum() == pytest.approx(4 * (small > 127).sum(), rel=0.3)
    moved = warp(image[None], matrix_of(0.0, False, 1.0, (8, 0)), 32)[0, :, :, 0]
    # the field's center moves 8 original = 4 cached pixels to the right, so the galaxy moves 4 to
    # the left
    assert np.argwhere(moved > 127).mean(axis=0) == pytest.approx([15.5, 11.5])


def undo_dihedral_view(images: torch.Tensor, number: int) -> torch.Tensor:
    turned = torch.rot90(images, -(number % 4), dims=(-2, -1))
    return turned.flip(-1) if number >= 4 else turned


def test_views_are_eight_distinct_ones_and_undo():
    batch = images()
    views = [dihedral_view(batch, number) for number in range(DIHEDRAL)]
    assert len({view.contiguous().numpy().tobytes() for view in views}) == 8
    for number, view in enumerate(views):
        assert torch.equal(undo_dihedral_view(view, number), batch)


CPU = torch.device("cpu")
BATCH = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
ALONE = TTAConfig(dihedral=False)
ANGLES = TTAConfig(angles=2)
ZOOMED = TTAConfig(angles=3, zooms=(0.9, 1.1))


@pytest.mark.parametrize(
    ("tta", "count"), [(TTAConfig(), 8), (ALONE, 1), (ANGLES, 16), (ZOOMED, 48)]
)
def test_every_setting_makes_as_many_distinct_views_as_it_says(tta, count):
    made = iterate_views(BATCH, IMAGE, tta, CPU)
    views = [view.contiguous().numpy().tobytes() for view in made]
    assert tta.n_views == len(views) == len(set(views)) == count


def test_views_are_turned_by_equal_parts_of_90_degrees():
    """A spot right of the middle goes up and around, counter-clockwise."""
    y, x = np.mgrid[:64, :64] - 31.5
    spot = 255 * np.exp(-((x - 12) ** 2 + y**2) / 8)
    gray = spot.astype(np.uint8)
    pixels = np.dstack([gray, gray, gray])[None]
    angles = []
    for view in iterate_views(pixels, IMAGE, TTAConfig(dihedral=False, angles=6), CPU):
        row, column = center_of_mass(view[0, 0].numpy())
        angles.append(np.degrees(np.arctan2(15.5 - row, column - 15.5)))
    np.testing.assert_allclose(angles, [0, 15, 30, 45, 60, 75], atol=1)


def test_the_mean_over_views_does_not_depend_on_the_galaxys_orientation():
    turned = np.rot90(BATCH, axes=(1, 2)).copy()
    weights = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))

    def mean(pixels: np.ndarray) -> torch.Tensor:
        views = iterate_views(pixels, IMAGE, TTAConfig(), CPU)
        outputs = [(view * weights).sum((1, 2, 3)) for view in views]
        return torch.stack(outputs).mean(0)

    assert torch.allclose(mean(BATCH), mean(turned), rtol=1e-5)
