"""Measures of sampled images."""

from pathlib import Path

import numpy as np
import pytest

from galaxyzoo.data.stores.opening import open_by_galaxy_id
from galaxyzoo.reports.explore import sample_images, summarize_images
from support.kaggle_fixtures import encode


def test_a_sample_is_measured_repeatable_and_notes_what_it_cannot_read(tmp_path: Path) -> None:
    for i, level in enumerate((255, 100, 40)):
        image = np.zeros((60, 80, 3), np.uint8)
        image[:30, :, 0] = level
        (tmp_path / f"{i + 1}.png").write_bytes(encode(image, end=".png"))
    (tmp_path / "4.jpg").write_bytes(b"no image")
    store = open_by_galaxy_id(tmp_path)
    measures, problems = sample_images(store, store.ids, 10, seed=0)
    assert measures.index.tolist() == [1, 2, 3]
    assert list(problems) == [4]
    assert measures["red_mean"].tolist() == pytest.approx([127.5, 50, 20])
    assert measures["red_sd"].tolist() == pytest.approx([127.5, 50, 20])
    assert measures["blue_mean"].tolist() == [0, 0, 0]
    assert measures["saturated"].tolist() == [0.5, 0, 0]
    assert measures[["width", "height"]].iloc[0].tolist() == [80, 60]
    summary = summarize_images(measures, problems)
    assert (summary["sampled"], summary["unreadable"], summary["pixels"]) == (4, 1, "80 × 60")
    two = [sample_images(store, store.ids, 2, seed=5) for _ in range(2)]
    assert len(two[0][0]) + len(two[0][1]) == 2
    assert two[0][0].equals(two[1][0])
