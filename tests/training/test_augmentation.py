"""Augmented batches: warps within their settings, made again exactly, transforms checked."""

from typing import Any

import albumentations
import numpy as np
import pytest

from galaxyzoo.config.schema import AugmentConfig, ImageConfig
from galaxyzoo.core.manifest import digest
from galaxyzoo.data.geometry import warp
from galaxyzoo.training.augmentation import (
    augment_batch,
    build_transforms,
    check_transforms,
    random_matrices,
)
from support.refusals import one_line_refusal
from support.small_models import small_config

# One input pixel is one cached pixel.
IMAGE = ImageConfig(crop_px=128, cache_px=64, field_px=64, size_px=32)
STILL = {"rotate_deg": 0, "flip": False, "zoom": 1, "shift_px": 0}


def test_random_warps_stay_within_their_settings_and_use_all_of_them():
    settings = AugmentConfig(rotate_deg=180, flip=True, zoom=1.3, shift_px=8)
    matrices = random_matrices(IMAGE, settings, 2000, np.random.default_rng(0))
    determinants = np.linalg.det(matrices[:, :, :2])
    scales = np.sqrt(np.abs(determinants))
    assert scales.min() >= 1 / 1.3 - 1e-9
    assert scales.max() <= 1.3 + 1e-9
    assert np.median(np.log(scales)) == pytest.approx(0, abs=0.02)  # log-uniform
    assert 0.45 < (determinants < 0).mean() < 0.55  # mirrored
    centers = matrices @ np.array([15.5, 15.5, 1.0]) - 31.5
    assert 3.9 < np.abs(centers).max() <= 4.0  # 8 original pixels are 4 cached ones
    angles = np.arctan2(matrices[:, 1, 1], matrices[:, 0, 1])
    assert np.histogram(angles, bins=8, range=(-np.pi, np.pi))[0].min() > 180


def test_without_flips_no_image_is_mirrored():
    settings = AugmentConfig(**{**STILL, "rotate_deg": 180})
    matrices = random_matrices(IMAGE, settings, 200, np.random.default_rng(0))
    assert (np.linalg.det(matrices[:, :, :2]) > 0).all()


def test_a_batch_is_made_again_exactly_and_differs_for_another_seed():
    images = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
    noise = {"name": "GaussNoise", "p": 1.0}
    settings = AugmentConfig(transforms=[noise, {**noise, "per_channel": False}])
    first = augment_batch(images, IMAGE, settings, np.random.default_rng(1))
    again = augment_batch(images, IMAGE, settings, np.random.default_rng(1))
    other = augment_batch(images, IMAGE, settings, np.random.default_rng(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def draw_flips(transforms: list[dict[str, Any]], count: int) -> np.ndarray:
    """Count pictures by (mirrored left to right, mirrored top to bottom)."""
    picture = np.arange(4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 3)
    seen = np.zeros((2, 2), int)
    for seed in range(count // 8):  # as many batches of eight
        transform = build_transforms(transforms, seed)
        for _ in range(8):
            made = transform(image=picture)["image"]
            row, column = np.argwhere((made == picture[0, 0]).all(axis=2))[0]
            seen[int(column > 0), int(row > 0)] += 1
    return seen


def test_each_of_two_flips_is_taken_on_its_own():
    flips = [{"name": "HorizontalFlip", "p": 0.5}, {"name": "VerticalFlip", "p": 0.5}]
    seen = draw_flips(flips, 640)
    assert seen.min() > 110  # 160 each, with a standard deviation of 11
    assert draw_flips([*flips, {"name": "HorizontalFlip", "p": 0.5}], 640).min() > 110


def test_two_strengths_are_drawn_apart():
    image = np.full((4, 4, 3), 128, np.uint8)
    lighter = {"name": "RandomBrightnessContrast", "p": 1.0, "contrast_limit": [0, 0]}
    settings = [{**lighter, "brightness_limit": [0, 0.2]} for _ in range(3)]
    draws = []
    for seed in range(100):
        transform: Any = build_transforms(settings, seed)
        for _ in range(4):
            steps = [image]
            for part in transform.transforms:
                steps.append(part(image=steps[-1])["image"])
            draws.append(np.diff([float(step.mean()) for step in steps]))
    correlations = np.corrcoef(np.transpose(draws))[np.triu_indices(3, k=1)]
    assert np.abs(correlations).max() < 0.2  # 0 ± 0.05


TRANSFORMS: list[dict[str, Any]] = [
    {"name": "GaussNoise", "p": 0.5},
    {"name": "HueSaturationValue"},
]
TRANSFORMS += [{"name": "RandomBrightnessContrast", "p": 1.0}, {"name": "CoarseDropout", "p": 0.7}]


@pytest.mark.parametrize("setting", TRANSFORMS, ids=lambda setting: setting["name"])
def test_a_transform_alone_draws_as_compose_does(setting):
    images = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
    settings = AugmentConfig(transforms=[setting])
    made = augment_batch(images, IMAGE, settings, np.random.default_rng((0, 1, 2, 3)))
    rng = np.random.default_rng((0, 1, 2, 3))
    warped = warp(images, random_matrices(IMAGE, settings, 6, rng), 32)
    arguments = {key: value for key, value in setting.items() if key != "name"}
    transform = getattr(albumentations, setting["name"])(**arguments)
    composed = albumentations.Compose([transform], seed=int(rng.integers(2**31)))
    expected = np.stack([composed(image=picture)["image"] for picture in warped])
    assert digest([made.tobytes()]) == digest([expected.tobytes()])
    assert not np.array_equal(made, warped)


UNKNOWN = [{"name": "GausNoise"}, {"p": 0.5}, {"name": "GaussNoise", "std_rang": [0.1, 0.2]}]
UNKNOWN += [{"name": "GaussNoise", "std_range": 5}, {"name": "Compose", "transforms": []}]
UNKNOWN += [{"name": "OneOf", "transforms": []}]  # whose parts would share one seed


NAMES = ["GausNoise': did you mean GaussNoise", "'None'", "std_rang", "GaussNoise", "'Compose'"]
NAMES += ["'OneOf'"]


@pytest.mark.parametrize(("setting", "named"), [*zip(UNKNOWN, NAMES, strict=True)])
def test_unknown_transforms_are_named(setting, named):
    config = small_config(augment={"transforms": [setting]})
    message = one_line_refusal(check_transforms, config)
    assert message.startswith("gz37/small: augment.transforms: ")
    assert named in message


RESHAPING: list[dict[str, Any]] = [{"name": "ToFloat"}, {"name": "ToTensorV2"}]
RESHAPING += [{"name": "Resize", "height": 16, "width": 16}]
RESHAPING += [{"name": "ToGray", "num_output_channels": 1}]


@pytest.mark.parametrize("setting", RESHAPING)
@pytest.mark.parametrize("share", [0.01, 1.0])
def test_transforms_that_change_an_images_form_are_refused(setting, share):
    setting = {**setting, "p": share}
    config = small_config(augment={"transforms": [setting]})
    message = one_line_refusal(check_transforms, config)
    assert setting["name"] in message
    assert "output must stay uint8 (H, W, 3) at image.size_px" in message


def test_albumentations_transforms_reach_the_images():
    hole = {
        "name": "CoarseDropout",
        "num_holes_range": [1, 1],
        "hole_height_range": [0.25, 0.25],
        "hole_width_range": [0.25, 0.25],
        "fill": 0,
        "p": 1.0,
    }
    settings = small_config(augment={**STILL, "transforms": [hole]})
    check_transforms(settings)
    images = np.full((4, 32, 32, 3), 200, np.uint8)
    made = augment_batch(images, settings.image, settings.augment, np.random.default_rng(0))
    assert ((made == 0).sum(axis=(1, 2, 3)) == 3 * 8 * 8).all()
    assert (made[made != 0] == 200).all()
