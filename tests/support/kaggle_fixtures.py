"""Tiny competitions in Kaggle's own layout: random pictures, votes that obey the tree."""

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2

COLUMNS = list(GALAXY_ZOO_2.columns)
TRAIN_IMAGES, TEST_IMAGES = "images_training_rev1", "images_test_rev1"
SOLUTIONS, SAMPLE = "training_solutions_rev1", "all_zeros_benchmark"
PARTS = (TRAIN_IMAGES, TEST_IMAGES, SOLUTIONS, SAMPLE)
WHOLE = "galaxy-zoo-the-galaxy-challenge"


@dataclass
class Competition:
    """Votes indexed by GalaxyID, test ids, and the JPEG of each galaxy."""

    votes: pd.DataFrame
    test_ids: np.ndarray
    images: dict[int, bytes]

    def members(self, part: str) -> dict[str, bytes]:
        """Files of one of the four parts, by name inside its zip."""
        if part in (TRAIN_IMAGES, TEST_IMAGES):
            ids = self.votes.index if part == TRAIN_IMAGES else self.test_ids
            return {f"{part}/{i}.jpg": self.images[i] for i in map(int, ids)}
        zeros = pd.DataFrame(0, index=self.test_ids, columns=COLUMNS)
        return {f"{part}.csv": csv_bytes(self.votes if part == SOLUTIONS else zeros)}

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
    train_ids, test_ids = np.sort(ids[:n_train]), np.sort(ids[n_train:])
    images = {int(i): encode(draw_image(rng)) for i in ids}
    return Competition(draw_votes(rng, train_ids), test_ids, images)


def draw_clear_competition(smooth: np.ndarray, n_test: int = 3) -> Competition:
    """Galaxies that are smooth and round, or else disks seen edge-on, without a doubt."""
    competition = draw_competition(len(smooth), n_test)
    votes = competition.votes
    votes[:] = 0.0
    votes["Class6.2"] = 1.0
    votes.loc[smooth, ["Class1.1", "Class7.1"]] = 1.0
    votes.loc[~smooth, ["Class1.2", "Class2.1", "Class9.1"]] = 1.0
    return competition


def draw_image(rng: np.random.Generator, side_px: int = 106) -> np.ndarray:
    """(side, side, 3) uint8: an oval blob among stars and noise, so that no two look alike."""
    y, x = np.mgrid[:side_px, :side_px] - side_px / 2
    blob = 120 * np.exp(-(x**2 + (y * rng.uniform(1, 2)) ** 2) / rng.uniform(50, 400))
    image = blob[..., None] + rng.normal(20, 6, (side_px, side_px, 3))
    for row, column in rng.integers(2, side_px - 2, (8, 2)):
        image[row - 1 : row + 2, column - 1 : column + 2] += rng.uniform(60, 200, 3)
    return np.clip(image, 0, 255).astype(np.uint8)


def encode(image: np.ndarray, quality: int = 90, end: str = ".jpg") -> bytes:
    """JPEG (or PNG) bytes of an (H, W, 3) uint8 RGB image."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if end == ".jpg" else []
    bgr = image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1])
    return cv2.imencode(end, bgr, options)[1].tobytes()


def draw_votes(rng: np.random.Generator, ids: np.ndarray) -> pd.DataFrame:
    """Votes with six decimals, as published; their sums obey the tree to a few 1e-6."""
    votes = np.zeros((len(ids), len(COLUMNS)))
    for question in GALAXY_ZOO_2.top_down:
        parent = GALAXY_ZOO_2.parent_index(question)
        shares = rng.dirichlet(np.full(len(question.answers), 0.7), len(ids))
        votes[:, GALAXY_ZOO_2.span(question)] = shares * (
            1.0 if parent is None else votes[:, [parent]]
        )
    return pd.DataFrame(votes.round(6), index=pd.Index(ids, name="GalaxyID"), columns=COLUMNS)


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """A table as the competition writes it."""
    return frame.to_csv(index_label="GalaxyID", lineterminator="\n").encode()


def write_zip(path: Path, members: Mapping[str, bytes]) -> None:
    """Write a zip: images stored, tables compressed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            kind = zipfile.ZIP_DEFLATED if name.endswith(".csv") else zipfile.ZIP_STORED
            archive.writestr(name, data, kind)


def listing(*folders: Path) -> dict[str, bytes]:
    """Every file under the folders with its content, to see that nothing was written or changed.

    Locks are left out: they are empty and stay where they were made.
    """
    files: Iterable[Path] = (p for folder in folders for p in folder.rglob("*") if p.is_file())
    return {str(p): p.read_bytes() for p in files if p.suffix != ".lock" and p.name != ".lock"}


def damage(path: Path, member: str) -> None:
    """Change bytes in the middle of a zip's member, behind the back of its checksum."""
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
        start = info.header_offset + 30 + len(info.filename) + info.compress_size // 2
    data = bytearray(path.read_bytes())
    for place in range(start, start + 8):
        data[place] ^= 0xFF
    path.write_bytes(data)
