"""Light around the centre of galaxies, and measures of sampled images."""

from pathlib import Path

import numpy as np
import pytest

from galaxyzoo.io.archives import ImageStore
from galaxyzoo.reports.explore_images import (
    FRAME_PX,
    light_radii,
    radial_profiles,
    sample_images,
    summarise_images,
)
from support.kaggle_fixtures import encode


def disk_frames(radius_px: float) -> np.ndarray:
    """(2, frame, frame, 3): an even disk and a bright star on an even sky; a blank."""
    place = np.arange(FRAME_PX) - (FRAME_PX - 1) / 2
    inside = np.hypot(place[:, None], place[None, :]) < radius_px
    frame = np.where(inside, 110, 10).astype(np.uint8)
    frame[3:6, 50:53] = 255
    blank = np.full_like(frame, 10)
    return np.repeat(np.stack([frame, blank])[..., None], 3, axis=3)


def test_light_of_an_even_disk_ends_at_its_edge() -> None:
    profiles = radial_profiles(disk_frames(20))
    assert profiles.shape == (2, FRAME_PX // 2)
    assert profiles[0, :19].tolist() == [110] * 19
    assert profiles[0, 21:].tolist() == [10] * (FRAME_PX // 2 - 21)  # the star is no part of it
    whole, blank = light_radii(profiles, 1.0)
    assert whole * FRAME_PX / 2 == pytest.approx(20, abs=1)
    half = light_radii(profiles, 0.5)[0]
    assert half * FRAME_PX / 2 == pytest.approx(20 / np.sqrt(2), abs=1)
    assert np.isnan(blank)


def test_a_sample_is_measured_repeatable_and_notes_what_it_cannot_read(tmp_path: Path) -> None:
    for i, level in enumerate((255, 100, 40)):
        image = np.zeros((60, 80, 3), np.uint8)
        image[:30, :, 0] = level
        (tmp_path / f"{i + 1}.png").write_bytes(encode(image, end=".png"))
    (tmp_path / "4.jpg").write_bytes(b"no image")
    store = ImageStore.open(tmp_path)
    sample = sample_images(store, store.ids, 10, seed=0)
    assert sample.measures.index.tolist() == [1, 2, 3]
    assert list(sample.problems) == [4]
    assert sample.measures["red_mean"].tolist() == pytest.approx([127.5, 50, 20])
    assert sample.measures["red_sd"].tolist() == pytest.approx([127.5, 50, 20])
    assert sample.measures["blue_mean"].tolist() == [0, 0, 0]
    assert sample.measures["saturated"].tolist() == [0.5, 0, 0]
    assert sample.measures[["width", "height"]].iloc[0].tolist() == [80, 60]
    summary = summarise_images(sample)
    assert (summary["sampled"], summary["unreadable"], summary["pixels"]) == (4, 1, "80 × 60")
    two = [sample_images(store, store.ids, 2, seed=5) for _ in range(2)]
    assert len(two[0].measures) + len(two[0].problems) == 2
    assert two[0].measures.equals(two[1].measures)
