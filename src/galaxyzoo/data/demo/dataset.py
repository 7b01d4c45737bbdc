"""Write the demo set: galaxies drawn from a seed, so that every command runs without data.

The files carry the competition's own names and layout; only the galaxies are made up. A galaxy's
picture and votes depend on the seed and its GalaxyID alone.
"""

from pathlib import Path

import cv2
import joblib
import numpy as np
import pandas as pd

from galaxyzoo.core.console import ProgressBar
from galaxyzoo.data.demo import galaxies, rendering
from galaxyzoo.io import archives, tables
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2

JPEG_QUALITY = 75  # read off the quantization tables of the competition's own files
_FIRST_ID, _LAST_ID = 100_000, 999_999  # six digits, as in the competition
_DATE = (1980, 1, 1, 0, 0, 0)  # of every zip member
_MODE = 0o644


def draw_galaxy(galaxy_id: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw one demo galaxy; the same arguments give the same galaxy on one machine.

    Returns:
        Image, (424, 424, 3) uint8 RGB; and vote fractions, (37,) float64, in the tree's column
        order, whose sums obey the tree.
    """
    rng = np.random.default_rng([seed, galaxy_id])
    galaxy = galaxies.draw_morphology(rng)
    votes = galaxies.simulate_votes(galaxy, rng)
    return rendering.render_galaxy(galaxy, rng), votes


def write_demo(folder: Path, n_train: int = 600, n_test: int = 150, seed: int = 0) -> None:
    """Write the demo set as the competition's four zip files.

    Rows and zip members come in ascending id order; training and test ids are disjoint and
    interleaved. Each file is wholly written or not there; the tables come last.

    Args:
        folder: made if missing.
        n_train: number of training galaxies, >= 1.
        n_test: number of test galaxies, >= 1.
        seed: >= 0; another seed gives other ids and galaxies.
    """
    train_ids, test_ids = choose_ids(n_train, n_test, seed)
    train_votes = _write_images(folder / "images_training_rev1.zip", train_ids, seed)
    test_votes = _write_images(folder / "images_test_rev1.zip", test_ids, seed)
    zeros = np.zeros_like(test_votes, dtype=int)
    _write_table(folder / "training_solutions_rev1.zip", train_ids, train_votes)
    _write_table(folder / "all_zeros_benchmark.zip", test_ids, zeros)


def choose_ids(n_train: int, n_test: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids of training and test galaxies: six digits, all distinct, interleaved, each ascending."""
    rng = np.random.default_rng(seed)
    ids = _FIRST_ID + rng.choice(_LAST_ID - _FIRST_ID + 1, n_train + n_test, replace=False)
    return np.sort(ids[:n_train]), np.sort(ids[n_train:])


def _write_images(path: Path, ids: np.ndarray, seed: int) -> np.ndarray:
    """Draw galaxies, on all cores, into one zip of JPEG files; returns their (galaxy, 37) votes."""
    # Threads: numpy and OpenCV release the GIL, and starting processes takes seconds.
    workers = joblib.Parallel(n_jobs=-1, prefer="threads", return_as="generator")
    drawn = workers(joblib.delayed(draw_jpeg)(galaxy_id, seed) for galaxy_id in ids.tolist())
    bar = ProgressBar(drawn, total=len(ids), desc=f"drawing {path.stem}", unit="galaxy")
    members = []
    votes = []
    for galaxy_id, (jpeg, galaxy_votes) in zip(ids, bar, strict=True):
        members.append((f"{path.stem}/{galaxy_id}.jpg", jpeg))
        votes.append(galaxy_votes)
    archives.write_zip(path, members, _DATE, _MODE)
    return np.stack(votes)


def draw_jpeg(galaxy_id: int, seed: int = 0) -> tuple[bytes, np.ndarray]:
    """Draw one demo galaxy as a JPEG, with its votes; arguments as of `draw_galaxy`."""
    image, votes = draw_galaxy(galaxy_id, seed)
    jpeg = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return jpeg.tobytes(), votes


def _write_table(path: Path, ids: np.ndarray, values: np.ndarray) -> None:
    """Write one CSV table, `GalaxyID` and the 37 columns, into a zip of the same stem."""
    frame = pd.DataFrame(values, index=ids, columns=list(GALAXY_ZOO_2.columns))
    text = frame.to_csv(index_label=tables.ID, float_format="%.9f", lineterminator="\n")
    archives.write_zip(path, [(f"{path.stem}.csv", text.encode())], _DATE, _MODE)
