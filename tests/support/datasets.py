"""Datasets: the competition in Kaggle's layout, or a folder of images with labels.

`draw_competition(n_train, n_test).write_zips(root / "input")` makes the four zips of Kaggle's page
with random pictures and votes that obey the tree; `.write_unpacked` the same as folders. In a clear
competition no galaxy is left out of a class task. `write_classes(root / "input/mine", {7: "SB"})`
makes a folder with `images/` and `train_labels.csv`, `write_labeled` one of the task zoo5, with
`test_ids.csv` too, `write_own_labels` one of a user's own classes. The same numbers give the same
files. `prepare()` then makes folds; the fixture `prepared` has done that for 30 galaxies in three
folds. Other forms of images are in `forms.py`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.registry import TASKS
from support.pictures import draw_image, encode, write_zip

COLUMNS = list(GALAXY_ZOO_2.columns)
TRAIN_IMAGES, TEST_IMAGES = "images_training_rev1", "images_test_rev1"


SOLUTIONS, SAMPLE = "training_solutions_rev1", "all_zeros_benchmark"
PARTS = (TRAIN_IMAGES, TEST_IMAGES, SOLUTIONS, SAMPLE)
WHOLE = "galaxy-zoo-the-galaxy-challenge"
ZOO5 = TASKS["zoo5"].columns
ANOMALIES = list(TASKS["anomaly4"].columns)


@dataclass
class Competition:
    """Votes indexed by GalaxyID, test ids, and the JPEG of each galaxy."""

    votes: pd.DataFrame
    test_ids: np.ndarray
    images: dict[int, bytes]

    def members(self, part: str) -> dict[str, bytes]:
        """Files of one of the four parts, by name inside its zip."""
        if part == SOLUTIONS:
            return {f"{part}.csv": csv_bytes(self.votes)}
        if part == SAMPLE:
            zeros = pd.DataFrame(0, index=self.test_ids, columns=COLUMNS)
            return {f"{part}.csv": csv_bytes(zeros)}
        ids = self.votes.index if part == TRAIN_IMAGES else self.test_ids
        return {f"{part}/{galaxy_id}.jpg": self.images[int(galaxy_id)] for galaxy_id in ids}

    def write_zips(self, folder: Path) -> Path:
        """Write the four zips."""
        for part in PARTS:
            write_zip(folder / f"{part}.zip", self.members(part))
        return folder

    def write_unpacked(self, folder: Path) -> Path:
        """Write the same files as the four zips hold, unpacked."""
        for part in PARTS:
            for name, data in self.members(part).items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(data)
        return folder

    def write_whole_zip(self, folder: Path) -> Path:
        """Write the one zip that holds the four."""
        inner = self.write_zips(folder / "inner")
        files = {path.name: path.read_bytes() for path in sorted(inner.iterdir())}
        write_zip(folder / f"{WHOLE}.zip", files)
        for path in inner.iterdir():
            path.unlink()
        inner.rmdir()
        return folder

    def write_solutions(self, folder: Path, text: str | bytes) -> None:
        """Replace the solutions' zip by one of that content."""
        data = text.encode() if isinstance(text, str) else text
        write_zip(folder / f"{SOLUTIONS}.zip", {f"{SOLUTIONS}.csv": data})


def draw_competition(n_train: int = 12, n_test: int = 5, seed: int = 0) -> Competition:
    """Draw a competition whose training and test ids interleave."""
    rng = np.random.default_rng(seed)
    ids = rng.choice(np.arange(100_000, 1_000_000), n_train + n_test, replace=False)
    images = {int(i): encode(draw_image(rng)) for i in ids}
    votes = draw_votes(rng, np.sort(ids[:n_train]))
    return Competition(votes, np.sort(ids[n_train:]), images)


def draw_clear_competition(smooth: np.ndarray, n_test: int = 3) -> Competition:
    """Galaxies that are smooth and round, or else disks seen edge-on, without a doubt."""
    competition = draw_competition(len(smooth), n_test)
    votes = competition.votes
    votes[:] = 0.0
    votes["Class6.2"] = 1.0
    votes.loc[smooth, ["Class1.1", "Class7.1"]] = 1.0
    votes.loc[~smooth, ["Class1.2", "Class2.1", "Class9.1"]] = 1.0
    return competition


def clear_competition(n_train: int = 36, side_px: int = 106) -> Competition:
    """Galaxies whose first answer is clear, two smooth ones for each with features."""
    competition = draw_competition(n_train, 4, seed=11)
    votes = competition.votes.to_numpy().copy()
    rng = np.random.default_rng(1)
    first = rng.uniform(0.85, 0.95, n_train)
    smooth = rng.permutation(np.arange(n_train) % 3 > 0)
    votes[:, 0] = np.where(smooth, first, 0.03)
    votes[:, 1] = np.where(smooth, 0.03, first)
    votes[:, 2] = 1 - votes[:, 0] - votes[:, 1]
    competition.votes[:] = GALAXY_ZOO_2.project(votes).round(6)
    if side_px != 106:
        for galaxy_id in competition.images:
            picture = draw_image(np.random.default_rng(galaxy_id), side_px)
            competition.images[galaxy_id] = encode(picture, 95)
    return competition


def draw_votes(rng: np.random.Generator, ids: np.ndarray) -> pd.DataFrame:
    """Votes with six decimals, as published; their sums obey the tree to a few 1e-6."""
    votes = np.zeros((len(ids), len(COLUMNS)))
    for question in GALAXY_ZOO_2.top_down:
        parent = GALAXY_ZOO_2.parent_index(question)
        asked = 1.0 if parent is None else votes[:, [parent]]
        shares = rng.dirichlet(np.full(len(question.answers), 0.7), len(ids))
        votes[:, GALAXY_ZOO_2.span(question)] = shares * asked
    return pd.DataFrame(votes.round(6), index=pd.Index(ids, name="GalaxyID"), columns=COLUMNS)


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """A table as the competition writes it."""
    return frame.to_csv(index_label="GalaxyID", lineterminator="\n").encode()


def draw_jpegs(ids: Iterable[int]) -> dict[int, bytes]:
    return {i: encode(draw_image(np.random.default_rng(i), 48)) for i in ids}


def write_classes(
    folder: Path, classes: Mapping[int, str], images: Mapping[int, bytes] | None = None
) -> Path:
    """A folder of images with their classes; drawn by their ids where none are given."""
    (folder / "images").mkdir(parents=True)
    for galaxy_id, data in (images or draw_jpegs(classes)).items():
        (folder / "images" / f"{galaxy_id}.jpg").write_bytes(data)
    labels = pd.DataFrame({"GalaxyID": classes.keys(), "class": classes.values()})
    labels.to_csv(folder / "train_labels.csv", index=False)
    return folder


def write_labeled(
    folder: Path, n: int = 40, n_test: int = 4, first: int = 1, shuffle: int | None = None
) -> Path:
    """The same of zoo5: classes in turn, ids from `first` on; shuffle: seed of the rows."""
    ids = np.arange(first, first + n)
    test_ids = np.arange(first + n, first + n + n_test)
    classes = {galaxy_id: ZOO5[(galaxy_id - first) % 5] for galaxy_id in ids.tolist()}
    write_classes(folder, classes, draw_jpegs([*ids, *test_ids]))
    if shuffle is not None:
        labels = pd.read_csv(folder / "train_labels.csv").sample(frac=1, random_state=shuffle)
        labels[["class", "GalaxyID"]].to_csv(folder / "train_labels.csv", index=False)
    pd.DataFrame({"GalaxyID": test_ids}).to_csv(folder / "test_ids.csv", index=False)
    return folder


def write_own_labels(
    folder: Path, images: Mapping[str, np.ndarray], classes: Iterable[str], **columns: Any
) -> Path:
    """Pictures, by id, and a table `labels.csv` with the class of each, empty where it has none.

    Args:
        folder: made here.
        images: id -> (H, W, 3) uint8.
        classes: of the images, in their order.
        columns: further ones of the table.
    """
    (folder / "images").mkdir(parents=True)
    for name, image in images.items():
        (folder / "images" / f"{name}.png").write_bytes(encode(image, end=".png"))
    table = pd.DataFrame({"id": [*images], "class": [*classes], **columns})
    table.to_csv(folder / "labels.csv", index=False)
    return folder


def anomaly_numbers() -> np.ndarray:
    """(18,) mixed class numbers: six of the first of `ANOMALIES`, four of each other."""
    return np.random.default_rng(0).permutation(np.repeat(np.arange(4), (6, 4, 4, 4)))
