"""Pictures of one galaxy in two folds tell its label; named as a group or place, they cannot."""

import cv2
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics import balanced_accuracy_score

from galaxyzoo.data.prepare import prepare, take_images
from support.datasets import write_own_labels

_PAIRS = 80  # galaxies, of two pictures each
_DRAWS = 20  # of labels
_SIDE = 48


def turned_pairs(count: int, seed: int) -> np.ndarray:
    """(2 * count, H, W, 3) uint8 galaxies, each followed by itself turned by an odd angle."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:_SIDE, :_SIDE] - (_SIDE - 1) / 2
    pictures = []
    center = ((_SIDE - 1) / 2, (_SIDE - 1) / 2)
    for _ in range(count):
        radius = np.hypot(x, y / rng.uniform(0.4, 1))
        light = 200 * np.exp(-radius / rng.uniform(2, 6))
        for _ in range(6):
            star_x, star_y = rng.uniform(-14, 14, 2)
            squared_distance = (x - star_x) ** 2 + (y - star_y) ** 2
            light += rng.uniform(60, 200) * np.exp(-squared_distance / 4)
        for angle in (0, rng.uniform(25, 65)):
            turn = cv2.getRotationMatrix2D(center, angle, 1)
            turned = cv2.warpAffine(light, turn, (_SIDE, _SIDE))
            noisy = turned[..., None] + rng.normal(8, 2, (_SIDE, _SIDE, 3))
            pictures.append(noisy.clip(0, 255).astype(np.uint8))
    return np.stack(pictures)


def nearest_of_other_folds(pictures: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """(galaxy,) row of the picture in another fold whose light in 20 rings is most alike."""
    side = pictures.shape[1]
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    ring_of = np.hypot(x, y) * 40 // side
    light = pictures.mean(axis=3)
    profiles = [light[:, ring_of == ring].mean(axis=1) for ring in range(20)]
    distances = cdist(np.transpose(profiles), np.transpose(profiles))
    distances[folds[:, None] == folds] = np.inf
    return distances.argmin(axis=1)


TABLES: dict[str, tuple[dict[str, list], bool]] = {  # columns; whether they hide the copies
    "nothing": ({"plate": [f"p{n // 2}" for n in range(2 * _PAIRS)]}, False),
    "groups": ({"Group": [f"{n // 2}{'.0 ' * (n % 2)}" for n in range(2 * _PAIRS)]}, True),
    "places": (
        {
            "RAJ2000": [(n // 2) / 7 + n % 2 * 1e-4 for n in range(2 * _PAIRS)],
            "DEJ2000": [5.0] * (2 * _PAIRS),
        },
        True,
    ),
}


@pytest.mark.parametrize(("columns", "is_hidden"), TABLES.values(), ids=TABLES)
def test_random_labels_cannot_be_predicted_by_copies(root, columns, is_hidden):
    images = {f"J{n:03d}": image for n, image in enumerate(turned_pairs(_PAIRS, seed=1))}
    rng = np.random.default_rng(2)
    classes = rng.permutation(["arms", "ball"] * _PAIRS).reshape(-1, 2)[:, 0].repeat(2)
    write_own_labels(root / "input/mine", images, classes, **columns)
    data = prepare("mine", tasks={"mine"})
    assert data.about["galaxies_with_a_near_duplicate"] == 0
    pictures = take_images(data.train_images(data.raw.image), data.ids)
    nearest = nearest_of_other_folds(pictures, data.folds)
    accuracies = []
    for _ in range(_DRAWS):
        labels = rng.integers(0, 2, _PAIRS).repeat(2)
        accuracies.append(balanced_accuracy_score(labels, labels[nearest]))
    if is_hidden:
        assert abs(np.mean(accuracies) - 0.5) <= 0.05, accuracies
    else:
        assert np.mean(accuracies) > 0.85, accuracies
