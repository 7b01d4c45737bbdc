"""Folds: equal shares, near-duplicates together, strangers not, rare answers spread evenly."""

import cv2
import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.paths import CODE_ROOT
from galaxyzoo.data.decoding import decode
from galaxyzoo.data.folds import make_folds, near_duplicates
from galaxyzoo.data.image_cache import open_cache
from galaxyzoo.data.readers.kaggle import open_dataset_files
from galaxyzoo.tasks.registry import get_task
from support.datasets import draw_votes
from support.pictures import encode
from support.real_data import MINI, ZOO5, needs_data
from support.slow_groups import groups_by_all_pairs

RECORDS = CODE_ROOT / "submissions/records"


def votes(n: int, seed: int = 0) -> np.ndarray:
    return draw_votes(np.random.default_rng(seed), np.arange(n)).to_numpy()


def round_galaxy(rng: np.random.Generator, stars: int = 3) -> np.ndarray:
    """(212, 212, 3) uint8: round galaxies, nearly alike, each with its own noise and stars."""
    y, x = np.mgrid[:212, :212] - 105.5
    image = 180 * np.exp(-np.hypot(x, y) / rng.uniform(14, 18))[..., None] + np.zeros(3)
    image += rng.normal(18, 5, image.shape)
    for row, column in rng.integers(5, 207, (stars, 2)):
        image[row - 2 : row + 3, column - 2 : column + 3] += rng.uniform(40, 150)
    return np.clip(image, 0, 255).astype(np.uint8)


def spread(answers: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """(answer,) standard deviation of the folds' means."""
    means = pd.DataFrame(answers).groupby(folds).mean()
    return means.std(ddof=0).to_numpy()


def test_rare_answers_are_spread_more_evenly_than_by_chance():
    targets = votes(600).copy()
    targets[:, 30] = 0
    targets[::60, 30] = np.linspace(0.2, 0.9, 10)  # ten galaxies with an answer that no other shows
    rarest = np.argsort(targets.mean(axis=0))[:8]
    rare = targets[:, [30, *rarest]]
    rng = np.random.default_rng(0)
    ours = []
    by_chance = []
    for seed in range(20):
        ours.append(spread(rare, make_folds(targets, np.arange(600), 5, seed)))
        by_chance.append(spread(rare, rng.permutation(np.arange(600) % 5)))
    assert np.mean(ours) < 0.8 * np.mean(by_chance)
    assert np.mean(ours, axis=0)[0] < 0.5 * np.mean(by_chance, axis=0)[0]
    folds = make_folds(targets, np.arange(600), 5, seed=0)
    assert np.bincount(folds[::60]).tolist() == [2, 2, 2, 2, 2]


@pytest.mark.parametrize("some_known", [False, True])
def test_one_hot_classes_are_stratified(some_known):
    classes = np.random.default_rng(0).choice(3, 600, p=[0.8, 0.15, 0.05])
    galaxies = np.arange(600)
    known = None
    is_dealt = np.full(600, True)
    if some_known:
        is_dealt = galaxies % 3 > 0
        known = np.where(is_dealt, -1, galaxies % 5)
    folds = make_folds(np.eye(3)[classes], galaxies, 5, 1, known)
    for k in range(3):
        counts = np.bincount(folds[(classes == k) & is_dealt], minlength=5)
        assert counts.max() - counts.min() <= 2  # a deal may straddle two classes at either end


def test_rows_in_another_order_get_the_same_folds():
    """Also where only rounding tells groups apart: a sum's last bit depends on its parts' order."""
    rng = np.random.default_rng(0)
    groups = np.arange(60) // 5
    first = np.concatenate([rng.permutation([0.1, 0.2, 0.3, 0.4, 0.7]) for _ in range(12)])
    targets = np.stack([first, np.roll(first, 5)], axis=1)
    targets[:10] = 0.3  # whose most telling answer the columns' means alone decide
    targets[10:35, 1] = 0.0
    targets[35:, 0] = 0.0
    folds = make_folds(targets, groups, 4, seed=0)
    for _ in range(50):
        order = rng.permutation(60)
        again = make_folds(targets[order], groups[order], 4, seed=0)
        np.testing.assert_array_equal(again, folds[order])


@pytest.mark.parametrize("n_folds", [-1, 0, 1, 4])
def test_a_number_of_folds_that_cannot_be_made_is_refused(n_folds):
    with pytest.raises(ValueError, match=f"3 groups of galaxies make 2 to 3 folds, not {n_folds}"):
        make_folds(votes(6), np.array([0, 0, 1, 1, 2, 2]), n_folds, seed=0)


def noisier(image: np.ndarray, rng: np.random.Generator, noise: float = 2) -> np.ndarray:
    return np.clip(image + rng.normal(0, noise, image.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("stars", [0, 3])
def test_round_galaxies_that_only_look_alike_are_strangers(stars):
    rng = np.random.default_rng(2)
    pictures = [decode(encode(round_galaxy(rng, stars)), 320, 80) for _ in range(60)]
    assert near_duplicates(np.stack(pictures)).tolist() == list(range(60))


def test_images_without_any_structure_are_strangers():
    flat = np.stack([np.full((80, 80, 3), level, np.uint8) for level in (0, 0, 90, 90, 255)])
    assert near_duplicates(flat).tolist() == [0, 1, 2, 3, 4]


def thumbnail(picture: np.ndarray) -> np.ndarray:
    """(40, 40) structure of a picture without its smooth light; mean 0, length 1."""
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    small = np.sqrt(cv2.resize(gray, (40, 40), interpolation=cv2.INTER_AREA))
    fine = (small - cv2.GaussianBlur(small, (0, 0), 2.0)).astype(float)
    fine -= fine.mean()
    return fine / np.linalg.norm(fine)


def look_alike(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether thumbnails correlate as they are, or in one of the eight orientations."""
    if np.sum(first * second) > 0.85:
        return True
    for quarter in range(4):
        turned = np.rot90(first, quarter)
        if np.sum(turned * second) > 0.9:
            return True
        if np.sum(turned.T * second) > 0.9:
            return True
    return False


@pytest.mark.parametrize("seed", range(4))
def test_groups_are_those_of_a_search_through_all_pairs(seed):
    rng = np.random.default_rng(seed)
    galaxies = [round_galaxy(rng)[::2, ::2] for _ in range(20)]
    pictures = []
    for galaxy in rng.permutation(galaxies * 3):
        turned = np.rot90(galaxy, int(rng.integers(2)))
        mirrored = turned[:, :: rng.choice([1, -1])]
        pictures.append(noisier(mirrored, rng, rng.uniform(1, 7)))  # some correlate too little
    expected = groups_by_all_pairs([thumbnail(picture) for picture in pictures], look_alike)
    assert 20 < len(np.unique(expected)) < 45
    np.testing.assert_array_equal(near_duplicates(pictures), expected)


def test_turned_and_mirrored_copies_are_a_group():
    rng = np.random.default_rng(5)
    copies = []
    for _ in range(4):
        picture = noisier(round_galaxy(rng), rng)[::4, ::4]
        for quarter in range(4):
            copies += 20 * [np.rot90(picture, quarter)]
            copies += 20 * [np.rot90(picture[:, ::-1], quarter)]
    order = rng.permutation(len(copies))  # of 640, more than are compared at once
    groups = near_duplicates([noisier(copies[i], rng) for i in order])
    for galaxy in range(4):
        assert len(np.unique(groups[order // 160 == galaxy])) == 1
    assert groups.max() == 3


def test_known_folds_are_kept_groups_follow_and_the_rest_stays_even():
    rng = np.random.default_rng(0)
    targets = votes(400)
    groups = np.arange(400) // 2
    known = np.where(rng.random(400) < 0.3, rng.integers(0, 5, 400), -1)
    folds = make_folds(targets, groups, 5, 0, known)
    np.testing.assert_array_equal(folds[known >= 0], known[known >= 0])
    for group in range(200):
        members = folds[groups == group]
        given = known[groups == group]
        if (given >= 0).any():
            assert (members[given < 0] == given[given >= 0].min()).all()
        else:
            assert members[0] == members[1]
    free = np.array([(known[groups == group] < 0).all() for group in groups])
    sizes = np.bincount(folds[free], minlength=5)
    assert sizes.max() - sizes.min() <= 2
    np.testing.assert_array_equal(
        make_folds(targets, groups, 5, 0, np.full(400, -1)), make_folds(targets, groups, 5, 0)
    )
    np.testing.assert_array_equal(make_folds(targets, groups, 5, 0, folds), folds)


@needs_data(MINI, ZOO5)
def test_folds_of_the_committed_tables_are_dealt_again():
    """A record is of a split: whoever prepares the same data gets the same."""
    solutions = MINI / "training_solutions_rev1.zip"
    fractions = pd.read_csv(solutions, index_col="GalaxyID")
    by_votes = make_folds(fractions.to_numpy(), np.arange(len(fractions)), 5, 0)
    assert by_votes.tolist() == folds_of_record("kaggle-mini/gz37")
    classes = pd.read_csv(ZOO5 / "train_labels.csv", index_col="GalaxyID")["class"].sort_index()
    one_hot = pd.get_dummies(classes)[list(get_task("zoo5").columns)].to_numpy(float)
    known = pd.Series(by_votes, fractions.index).reindex(classes.index, fill_value=-1)
    by_class = make_folds(one_hot, np.arange(len(one_hot)), 5, 0, known.to_numpy())
    assert by_class.tolist() == folds_of_record("zoo5/zoo5")


@needs_data(MINI)
@pytest.mark.usefixtures("root")
def test_real_galaxies_are_no_copies_of_each_other():
    raw = open_dataset_files(MINI)
    ids = raw.targets.index.to_numpy()[:600]
    groups = near_duplicates(open_cache(raw.train_images, ids, raw.image).images)
    assert len({*groups}) == len(ids)


def folds_of_record(name: str) -> list[int]:
    """Folds by GalaxyID in a committed table."""
    path = next((RECORDS / name / "recipes").glob("*/oof.csv.gz"))
    return pd.read_csv(path, index_col="GalaxyID").sort_index()["fold"].tolist()


def test_known_folds_that_leave_one_empty_are_refused():
    known = np.array([0, 1, 0, 1, 0, 1])
    with pytest.raises(ValueError, match="leave one of 3 folds empty"):
        make_folds(np.ones((6, 1)), np.arange(6), 3, 0, known)
