"""Mixed images: shares of images and targets agree, and any batch can be made again."""

from pathlib import Path

import numpy as np
import pytest

from galaxyzoo.config.schema import AugmentConfig, Config
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.training.augmentation import augment_batch, check_transforms, mix_batch
from galaxyzoo.training.trainer import Trainer
from support.small_models import small_config
from support.training_fixtures import assert_a_kill_changes_nothing, fold_data

STILL = {"rotate_deg": 0, "flip": False, "zoom": 1, "shift_px": 0}

KINDS = [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}]


def config(augment: dict[str, float], **train: object) -> Config:
    return small_config(augment=augment, train={"epochs": 2, "batch_size": 8, "lr": 3e-3, **train})


def plain_images(count: int, side: int = 16) -> np.ndarray:
    """(count, side, side + 4, 3): each image is of one value, its number times six."""
    images = np.empty((count, side, side + 4, 3), np.uint8)
    images[:] = 6 * np.arange(count)[:, None, None, None]
    return images


def mix(seed: int, count: int = 40, **augment: float) -> tuple[np.ndarray, np.ndarray]:
    """Plain images mixed, and (galaxy, galaxy) shares of each in each."""
    rng = np.random.default_rng(seed)
    return mix_batch(plain_images(count), np.eye(count), AugmentConfig(**augment), rng)


def test_nothing_is_drawn_where_mixing_is_off() -> None:
    images, targets, rng = plain_images(3), np.eye(3), np.random.default_rng(0)
    mixed, same = mix_batch(images, targets, AugmentConfig(), rng)
    assert mixed is images
    assert same is targets
    assert rng.random() == np.random.default_rng(0).random()


def test_a_blended_image_has_the_values_that_its_targets_say() -> None:
    images, shares = mix(0, mixup=1.0)
    assert images.dtype == np.uint8
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    expected = shares @ (6 * np.arange(40))
    np.testing.assert_allclose(images[:, 0, 0, 0], expected, atol=0.5 + 1e-6)
    assert (images == images[:, :1, :1, :1]).all()
    assert ((shares > 0).sum(axis=1) <= 2).all()
    assert ((shares > 0).sum(axis=0) <= 2).all()  # each galaxy is one other's partner at most
    assert (shares.max(axis=1) < 0.999).mean() > 0.8


def test_a_pasted_box_has_the_area_that_its_targets_say() -> None:
    images, shares = mix(1, cutmix=1.0)
    for number, (image, row) in enumerate(zip(images, shares, strict=True)):
        values = image[:, :, 0] // 6
        counts = np.bincount(values.ravel(), minlength=40) / values.size
        np.testing.assert_allclose(counts, row, atol=1e-12)
        rows, columns = np.nonzero(values != number)
        if len(rows):
            box = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
            assert box == len(rows)  # a whole rectangle
    assert (shares.max(axis=1) < 0.999).mean() > 0.8


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_shares_are_drawn_from_beta(alpha: float) -> None:
    _, shares = mix(2, 2000, mixup=alpha)
    own = shares.diagonal()
    assert own.mean() == pytest.approx(0.5, abs=0.03)
    assert own.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


def test_boxes_have_about_the_area_of_beta() -> None:
    _, shares = mix(3, 1000, cutmix=1.0)
    # Half a side is cut off at most, on each axis, so a quarter of 1 - share is left at least.
    assert 0.25 * 0.5 < 1 - shares.diagonal().mean() < 0.5


def test_with_both_half_of_the_batches_get_each() -> None:
    kinds = []
    for seed in range(60):
        images, _ = mix(seed, 12, mixup=1.0, cutmix=1.0)
        kinds.append((images == images[:, :1, :1, :1]).all())
    assert 15 < sum(kinds) < 45


@pytest.mark.parametrize("augment", KINDS)
def test_mixed_votes_obey_the_tree(augment: dict[str, float]) -> None:
    trainer = Trainer(config(augment), fold_data())
    for batch in trainer.batches():
        assert batch.targets.dtype == trainer.targets.dtype
        assert GALAXY_ZOO_2.residuals(batch.targets.numpy()).max() < 1e-6
        assert (batch.targets != trainer.targets[batch.rows]).any()


@pytest.mark.parametrize("augment", KINDS)
def test_a_batch_depends_on_seed_fold_epoch_and_step_alone(augment: dict[str, float]) -> None:
    data = fold_data()
    trainer, again = (Trainer(config(augment), data) for _ in range(2))
    again.step(0, next(iter(again.batches())))  # leaves no trace in later batches
    for one, other in zip(trainer.batches(), again.batches(), strict=True):
        assert np.array_equal(one.rows, other.rows)
        assert np.array_equal(one.images, other.images)
        assert np.array_equal(one.targets, other.targets)
    first = next(iter(trainer.batches())).targets
    again.epoch = 1
    assert not np.array_equal(first, next(iter(again.batches())).targets)


@pytest.mark.parametrize("augment", KINDS)
def test_a_killed_fold_ends_with_the_same_bytes(tmp_path: Path, augment: dict[str, float]) -> None:
    assert_a_kill_changes_nothing(tmp_path, config(augment), fold_data(), steps=5)


def test_albumentations_transforms_reach_the_images() -> None:
    hole = {"name": "CoarseDropout", "num_holes_range": [1, 1], "p": 1.0}
    hole |= {"hole_height_range": [0.25, 0.25], "hole_width_range": [0.25, 0.25], "fill": 0}
    settings = small_config(augment={**STILL, "transforms": [hole]})
    check_transforms(settings.augment.transforms, settings.image.size_px)
    images = np.full((4, 32, 32, 3), 200, np.uint8)
    made = augment_batch(images, settings.image, settings.augment, np.random.default_rng(0))
    assert ((made == 0).sum(axis=(1, 2, 3)) == 3 * 8 * 8).all()
    assert (made[made != 0] == 200).all()
