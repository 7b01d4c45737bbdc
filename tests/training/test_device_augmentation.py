"""Batches made on a device, here the processor, beside those that the processor's own way makes."""

import albumentations
import numpy as np
import pytest
import torch

from galaxyzoo.config.schema import AugmentConfig, ImageConfig, TTAConfig
from galaxyzoo.data.decoding import decode
from galaxyzoo.data.geometry import (
    grid_matrices,
    iterate_views,
    to_tensor,
    warp,
    warp_matrices,
    warp_on_device,
)
from galaxyzoo.training.augmentation import augment_batch
from galaxyzoo.training.device_augmentation import (
    PendingBatch,
    augment_on_device,
    draw_batch,
    has_device_transforms,
    put_on_device,
)
from galaxyzoo.training.trainer import Trainer
from support.pictures import draw_image, encode
from support.small_models import small_config
from support.training_fixtures import fold_data

CPU = torch.device("cpu")
IMAGE = ImageConfig(crop_px=212, cache_px=106, field_px=207, size_px=64)
PICTURES = [encode(draw_image(np.random.default_rng(i), 424)) for i in range(12)]
GALAXIES = np.stack([decode(data, IMAGE.crop_px, IMAGE.cache_px) for data in PICTURES])
WIDE = AugmentConfig(rotate_deg=180, flip=True, zoom=1.3, shift_px=8)
BRIGHT = {"name": "RandomBrightnessContrast", "brightness_limit": 0.1, "contrast_limit": 0.15}


def is_close(found: np.ndarray, expected: np.ndarray) -> bool:
    """Equal to 1 of 255 on 99.9 % of the pixels: OpenCV rounds places to 1/32 of a pixel."""
    difference = np.abs(found.astype(int) - expected)
    return bool((difference <= 1).mean() >= 0.999 and difference.max() <= 4)


def pixels_of(images: torch.Tensor) -> np.ndarray:
    return images.permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("size_px", [32, 64, 160])
@pytest.mark.parametrize("zoom", [0.5, 1.0, 1.7])  # at 0.5 much of it is mirrored at the edges
def test_the_devices_warp_is_opencvs(zoom, size_px):
    image = IMAGE.model_copy(update={"size_px": size_px})
    galaxies = np.arange(12)
    zooms = np.full(12, zoom)
    shifts = np.column_stack([galaxies - 5.0, np.full(12, 3.0)])
    matrices = warp_matrices(image, 31.0 * galaxies, galaxies % 2 == 1, zooms, shifts)
    found = pixels_of(warp_on_device(to_tensor(GALAXIES), matrices, size_px))
    assert is_close(found, warp(GALAXIES, matrices, size_px))


def test_views_are_the_same_on_either(monkeypatch):
    tta = TTAConfig(dihedral=True, angles=2, zooms=[0.9, 1.2])
    expected = [view.numpy() for view in iterate_views(GALAXIES, IMAGE, tta, CPU)]

    class Card:
        """A device that is no processor, whose tensors lie in memory all the same."""

        type = "card"

    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, device: tensor)
    found = [view.numpy() for view in iterate_views(GALAXIES, IMAGE, tta, Card())]  # type: ignore[arg-type]
    assert len(found) == tta.n_views == 32
    assert all(is_close(one, two) for one, two in zip(found, expected, strict=True))


def draw(rows: np.ndarray, augment: AugmentConfig, seed: int = 0) -> PendingBatch:
    config = small_config(image=IMAGE.model_dump(), augment=augment.model_dump())
    return draw_batch(config, rows, torch.zeros(len(rows), 1), np.random.default_rng(seed))


def make(batch: PendingBatch) -> torch.Tensor:
    images = put_on_device([GALAXIES], CPU)
    assert images is not None
    return augment_on_device(batch, images, IMAGE.size_px)


def test_a_batch_has_the_warps_of_the_processors():
    rows = np.array([1, 3, 4, 9])
    expected = augment_batch(GALAXIES[rows], IMAGE, WIDE, np.random.default_rng(7))
    images = make(draw(rows, WIDE, seed=7))
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert is_close(pixels_of(images), expected)


@pytest.mark.parametrize(("missing", "fits"), [(1, False), (0, True)])
def test_images_fit_into_half_of_the_cards_free_memory_or_are_left_to_the_processor(
    missing, fits, monkeypatch
):
    free = 2 * GALAXIES.nbytes - missing
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10**9))
    monkeypatch.setattr(torch.Tensor, "to", lambda tensor, device: tensor)
    assert (put_on_device([GALAXIES], torch.device("cuda")) is not None) == fits


@pytest.mark.parametrize(("brightness", "contrast"), [(0.1, 0.0), (-0.07, 0.2), (0.3, -0.5)])
def test_brightness_and_contrast_are_albumentations(brightness, contrast):
    """By one draw of each: limits that leave no choice (albumentations 2.0.8)."""
    limits = {
        "brightness_limit": (brightness, brightness),
        "contrast_limit": (contrast, contrast),
        "p": 1.0,
    }
    transform = albumentations.RandomBrightnessContrast(**limits)
    setting = {"name": "RandomBrightnessContrast", **limits}
    batch = draw(np.arange(12), AugmentConfig(transforms=[setting]))
    plain = make(batch._replace(gains=batch.gains[:, :0], offsets=batch.offsets[:, :0]))
    expected = np.stack([transform(image=image)["image"] for image in pixels_of(plain)])
    difference = np.abs(pixels_of(make(batch)).astype(int) - expected)
    assert difference.max() <= 1
    assert (difference == 0).mean() >= 0.99


def test_they_are_of_the_same_distribution():
    batch = draw(np.arange(4000), AugmentConfig(transforms=[BRIGHT]))
    gains = batch.gains[:, 0].numpy() - 1
    offsets = batch.offsets[:, 0].numpy()
    assert 0.47 < (gains != 0).mean() < 0.53  # p is 0.5 where it is not given
    assert ((gains != 0) == (offsets != 0)).all()
    for values, limit in ((gains, 0.15), (offsets, 0.1)):
        taken = values[values != 0]
        assert np.abs(taken).max() <= limit + 1e-6
        assert taken.std() == pytest.approx(limit / np.sqrt(3), rel=0.05)  # uniform


@pytest.mark.parametrize(
    ("transforms", "expected"),
    [
        ([], True),
        ([BRIGHT, BRIGHT], True),
        ([{**BRIGHT, "brightness_by_max": False}], False),
        ([BRIGHT, {"name": "GaussNoise"}], False),
    ],
)
def test_other_transforms_go_by_the_processor(transforms, expected):
    assert has_device_transforms(AugmentConfig(transforms=transforms)) == expected


def test_an_epoch_has_the_same_galaxies_targets_and_warps_and_is_made_again():
    config = small_config(train={"batch_size": 8})
    data = fold_data()
    expected = list(Trainer(config, data).batches())
    trainer = Trainer(config, data)
    trainer.loader.on_device = put_on_device(data.images, CPU)
    made = list(trainer.batches())
    again = list(trainer.batches())
    assert len(made) == len(expected) > 1
    for one, two, other in zip(made, expected, again, strict=True):
        assert np.array_equal(one.rows, two.rows)
        assert torch.equal(one.targets, two.targets)
        assert np.abs(one.images.numpy().astype(int) - two.images.numpy()).mean() < 1
        assert torch.equal(one.images, other.images)


def test_one_value_a_galaxy_stays_in_its_image():
    """Rows, matrices and brightness are not exchanged between the images of a batch."""
    flat = np.zeros((3, 64, 64, 3), np.uint8)
    flat[0] = 10
    flat[1] = 20
    flat[2] = 30
    flat[:, 32, 32] = 255
    matrix = np.array([[4.0, 0, 1.5], [0, 4, 1.5]])  # from the 16 px of the output
    rows = np.array([2, 0])
    batch = PendingBatch(
        rows,
        torch.from_numpy(rows),
        torch.from_numpy(grid_matrices(matrix, 64, 16)).expand(2, -1, -1),
        gains=torch.tensor([[1.0], [2.0]]),
        offsets=torch.tensor([[0.0], [0.1]]),
        targets=torch.zeros(2, 1),
    )
    corners = pixels_of(augment_on_device(batch, to_tensor(flat), 16))[:, :2, :2]
    assert corners.mean(axis=(1, 2, 3)).tolist() == [30, 45]
