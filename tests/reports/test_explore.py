"""Looking at a dataset: tables worked by hand, light around the centre, and the command itself."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core import paths
from galaxyzoo.io.archives import ImageStore
from galaxyzoo.reports import explore_stats
from galaxyzoo.reports.explore_stats import (
    FRAME_PX,
    light_radii,
    radial_profiles,
    sample_images,
    summarise_images,
)
from galaxyzoo.tasks.registry import get_task
from support.kaggle_fixtures import COLUMNS, Competition, draw_competition, draw_votes, encode

EXPLORE = paths.CODE_ROOT / "src" / "explore.py"


def votes_of(*rows: dict[str, float]) -> pd.DataFrame:
    frame = pd.DataFrame(0.0, index=np.arange(len(rows)) + 500, columns=COLUMNS)
    for i, row in enumerate(rows):
        for column, value in row.items():
            frame.loc[500 + i, column] = value
    return frame


def test_entropy_of_shares_is_hand_worked_and_missing_where_nobody_was_asked() -> None:
    votes = votes_of(
        {"Class1.2": 0.5, "Class1.1": 0.5, "Class2.1": 0.25, "Class2.2": 0.25},
        {"Class1.2": 1.0, "Class2.1": 0.75, "Class2.2": 0.25},
        {"Class1.1": 1.0, "Class7.1": 1.0, "Class2.1": 0.09},
    )
    entropy = explore_stats.entropies(votes)
    assert entropy["Q1"].tolist() == pytest.approx([np.log(2) / np.log(3), 0, 0])
    half = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    assert entropy["Q2"].tolist() == pytest.approx([1, half, np.nan], nan_ok=True)
    clarity = explore_stats.count_clarity(entropy).set_index("question")
    assert clarity.loc["Q2", list(explore_stats.CLARITY)].tolist() == [0, 1, 1, 1]
    assert clarity.loc["Q7", list(explore_stats.CLARITY)].tolist() == [1, 0, 0, 2]


def test_the_galaxies_that_miss_the_tree_are_named() -> None:
    votes = draw_votes(np.random.default_rng(0), np.arange(100, 140))
    votes.loc[117, "Class7.2"] += 0.25
    votes.loc[131, "Class6.1"] -= 0.125
    missed = explore_stats.residuals(votes)
    worst = explore_stats.worst_galaxies(missed, 2)
    assert worst["GalaxyID"].tolist() == [117, 131]
    assert worst["question"].tolist()[0] == "Q7"
    assert worst["residual"].tolist()[0] == pytest.approx(0.25, abs=1e-5)
    assert worst["residual"].tolist()[1] >= 0.1249
    summary = explore_stats.summarise_residuals(missed).set_index("question")
    assert summary.loc["Q7", "largest"] == pytest.approx(0.25, abs=1e-5)
    assert summary.loc["Q7", "beyond_rounding"] >= 1


def test_the_strongest_pairs_are_of_different_and_unrelated_questions() -> None:
    correlations = pd.DataFrame(0.0, index=COLUMNS, columns=COLUMNS)
    for one, other, value in (
        ("Class1.1", "Class1.2", -1.0),  # of one question
        ("Class1.2", "Class2.1", 0.95),  # an answer and what it leads to
        ("Class6.2", "Class7.1", 0.5),
        ("Class1.1", "Class6.1", -0.9),
        ("Class1.3", "Class6.1", np.nan),
    ):
        correlations.loc[one, other] = correlations.loc[other, one] = value
    pairs = explore_stats.strongest_pairs(correlations, 2)
    assert pairs.to_numpy().tolist() == [
        ["Class1.1", "Class6.1", -0.9],
        ["Class6.2", "Class7.1", 0.5],
    ]
    assert explore_stats.strongest_pairs(correlations, 10_000)["correlation"].notna().all()


def test_means_and_majorities() -> None:
    table = explore_stats.summarise_answers(votes_of({"Class1.1": 0.8}, {"Class1.1": 0.5}, {}, {}))
    row = table.set_index("column").loc["Class1.1"]
    assert row[["mean", "median", "no_vote", "majority"]].tolist() == pytest.approx(
        [0.325, 0.25, 0.5, 0.25]
    )


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


def explore(root: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXPLORE), *map(str, words)],
        env={**os.environ, "GALAXYZOO_ROOT": str(root), "OMP_NUM_THREADS": "1"},
        cwd=root,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def write_labelled(folder: Path, competition: Competition) -> None:
    """A label file in which the fourth class has no galaxy."""
    names = np.array(get_task("zoo5").columns)[[0, 1, 2, 4]]
    (folder / "images").mkdir(parents=True)
    for galaxy_id in competition.votes.index:
        path = folder / "images" / f"{galaxy_id}.jpg"
        path.write_bytes(competition.images[int(galaxy_id)])
    labels = pd.Series(names[np.arange(len(competition.votes)) % 4], competition.votes.index)
    labels.rename("class").to_csv(folder / "train_labels.csv", index_label="GalaxyID")


def test_a_page_of_votes_classes_and_images(tmp_path: Path) -> None:
    competition = draw_competition(n_train=24, n_test=4)
    bad = int(competition.test_ids[0])
    competition.images[bad] = b"no image"
    competition.write_zips(tmp_path / "input")
    result = explore(tmp_path)
    assert result.returncode == 0, result.stderr
    assert "Warning" not in result.stderr
    folder = next((tmp_path / "reports").glob("*/explore"))
    html = (folder / "index.html").read_text(encoding="utf-8")
    for png in folder.glob("*.png"):
        picture = cv2.imread(str(png))
        assert picture is not None
        assert picture.std() > 3, png
    names = {path.stem for path in folder.glob("*.png")}
    tasks = {"elliptical_spiral", "hubble10", "anomaly4", "zoo5"}
    charts = {"distributions", "means", "correlations", "clarity", "consistency"}
    assert names == charts | {"classes", "images"} | {f"samples_{task}" for task in tasks}
    assert html.count("data:image/png;base64,") == len(names)
    assert f"GalaxyID {bad} (test) cannot be read" in html
    assert "too few for 5 folds" in html  # of 24 galaxies, ten classes cannot have five each
    counts = pd.read_csv(folder / "classes.csv")
    assert set(counts["task"]) == tasks
    assert (counts.groupby("task")[["kept", "dropped"]].sum().sum(axis=1) == 24).all()


def test_a_page_of_a_label_file_and_one_task(tmp_path: Path) -> None:
    write_labelled(tmp_path / "input" / "five", draw_competition(n_train=20, n_test=1))
    result = explore(tmp_path, "--data", "five", "--output", "page")
    assert result.returncode == 0, result.stderr
    files = {path.name for path in (tmp_path / "page").iterdir()}
    pictures = {"classes.png", "images.png", "samples_zoo5.png"}
    assert files == {*pictures, "index.html", "classes.csv", "images.csv"}
    counts = pd.read_csv(tmp_path / "page" / "classes.csv")
    assert counts["kept"].tolist() == [5, 5, 5, 0, 5]
    refused = explore(tmp_path, "--data", "five", "--task", "hubble10")
    assert refused.returncode == 1
    assert refused.stderr.strip().startswith("error: dataset 'five' has no labels for task")
