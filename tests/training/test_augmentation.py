"""The one warp: angles, mirror, zoom and shift do what they say; batches can be made again."""

import numpy as np
import pytest

from galaxyzoo.config.schema import AugmentConfig, ImageConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.geometry import warp, warp_matrix
from galaxyzoo.training.augmentation import augment_batch, check_transforms, random_matrices

IMAGE = ImageConfig(
    crop_px=128, cache_px=64, field_px=64, size_px=32
)  # one input pixel is one cached pixel


def random_image(seed: int = 0, side: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def sample_slowly(image: np.ndarray, matrix: np.ndarray, size_px: int) -> np.ndarray:
    """Bilinear sampling, one pixel at a time, for matrices that stay inside the image."""
    out = np.zeros((size_px, size_px, 3))
    for row in range(size_px):
        for column in range(size_px):
            x, y = matrix @ (column, row, 1.0)
            left, top = int(np.floor(x)), int(np.floor(y))
            for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
                weight = (1 - abs(y - top - dy)) * (1 - abs(x - left - dx))
                if weight > 0:
                    out[row, column] += weight * image[top + dy, left + dx]
    return out


def test_identity_warp_is_the_centre_crop() -> None:
    image = random_image()
    assert np.array_equal(warp(image[None], warp_matrix(IMAGE), 32)[0], image[16:48, 16:48])


@pytest.mark.parametrize("quarter", [0, 1, 2, 3])
@pytest.mark.parametrize("flip", [False, True])
def test_right_angles_and_mirror_are_exact(quarter: int, flip: bool) -> None:
    image = random_image()
    turned = np.rot90(image[16:48, 16:48], quarter)  # counter-clockwise
    expected = turned[:, ::-1] if flip else turned
    got = warp(image[None], warp_matrix(IMAGE, angle_deg=90.0 * quarter, flip=flip), 32)[0]
    assert np.array_equal(got, expected)


def test_any_warp_equals_slow_sampling() -> None:
    image = random_image(1)
    matrix = warp_matrix(IMAGE, angle_deg=33.0, flip=True, zoom=1.2, shift_px=(5.0, -3.0))
    got = warp(image[None], matrix, 32)[0].astype(float)
    # cv2 interpolates with 1/32 pixel steps, so neighbours that differ by 255 may be off by a few
    # values
    assert np.abs(got - sample_slowly(image, matrix, 32)).max() <= 9


def test_zoom_enlarges_and_shift_moves_by_original_pixels() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[31:33, 31:33] = 255  # the centre
    small, large = (warp(image[None], warp_matrix(IMAGE, zoom=z), 32)[0] for z in (1.0, 2.0))
    assert (large > 127).sum() == pytest.approx(4 * (small > 127).sum(), rel=0.3)
    moved = warp(image[None], warp_matrix(IMAGE, shift_px=(8.0, 0.0)), 32)[0, :, :, 0]
    # the field's centre moves 8 original = 4 cached pixels to the right, so the galaxy moves 4 to
    # the left
    assert np.argwhere(moved > 127).mean(axis=0) == pytest.approx([15.5, 11.5])


def test_random_warps_stay_within_their_settings_and_use_all_of_them() -> None:
    settings = AugmentConfig(rotate_deg=180, flip=True, zoom=1.3, shift_px=8)
    matrices = random_matrices(IMAGE, settings, 2000, np.random.default_rng(0))
    scales = np.sqrt(np.abs(np.linalg.det(matrices[:, :, :2])))
    assert scales.min() >= 1 / 1.3 - 1e-9
    assert scales.max() <= 1.3 + 1e-9
    assert np.median(np.log(scales)) == pytest.approx(0, abs=0.02)  # log-uniform
    mirrored = np.linalg.det(matrices[:, :, :2]) < 0
    assert 0.45 < mirrored.mean() < 0.55
    centres = matrices @ np.array([15.5, 15.5, 1.0]) - 31.5
    assert 3.9 < np.abs(centres).max() <= 4.0  # 8 original pixels are 4 cached ones
    angles = np.arctan2(matrices[:, 1, 1], matrices[:, 0, 1])
    assert np.histogram(angles, bins=8, range=(-np.pi, np.pi))[0].min() > 180


def test_a_batch_is_made_again_exactly_and_differs_for_another_seed() -> None:
    images = np.stack([random_image(i) for i in range(6)])
    settings = AugmentConfig(transforms=[{"name": "GaussNoise", "p": 1.0}])
    first, again, other = (
        augment_batch(images, IMAGE, settings, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ({"name": "GausNoise"}, "GausNoise"),
        ({"p": 0.5}, "None"),
        ({"name": "GaussNoise", "std_rang": [0.1, 0.2]}, "std_rang"),
        ({"name": "GaussNoise", "std_range": 5}, "GaussNoise"),
        ({"name": "Compose", "transforms": []}, "Compose"),
    ],
)
def test_unknown_transforms_are_named(setting: dict[str, object], named: str) -> None:
    with pytest.raises(InputError, match=named):
        check_transforms([setting])
