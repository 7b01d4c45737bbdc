"""Pseudo-labels corrected by the classes of another dataset."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.io.tables import FOLD
from galaxyzoo.training.label_correction import PENALTY, correct

COLUMNS, CLASSES = ["Class1.1", "Class1.2", "Class1.3"], ["round", "spiral"]


def catalog(name: str, ids: np.ndarray, values: np.ndarray, folds: np.ndarray) -> Catalog:
    columns = COLUMNS if values.shape[1] == 3 else CLASSES
    train = pd.DataFrame(values, pd.Index(ids, name="GalaxyID"), columns)
    train.insert(0, FOLD, folds)
    train.insert(1, "group", np.arange(len(ids)))
    return Catalog(name, train, np.empty(0, np.int64), {"n_folds": 3})


@pytest.fixture
def world() -> dict[str, Any]:
    """300 own galaxies; another dataset has classes of two in three, and of 100 others."""
    rng = np.random.default_rng(3)
    ids, others = np.arange(300), np.array([i for i in range(400) if i % 3 or i >= 300])
    folds = rng.integers(0, 3, 400)
    classes = np.eye(2)[rng.integers(0, 2, 400)]
    truth = rng.dirichlet([2, 2, 1], 400)
    blurred = truth - 0.2 * classes @ np.array([[1.0, -1, 0], [-1, 1, 0]])  # a class tells 0.2
    blurred = blurred + rng.normal(0, 0.01, truth.shape)
    return {
        "own": catalog("own", ids, truth[:300], folds[:300]),
        "other": catalog("other", others, classes[others], folds[others]),
        "predicted": blurred[300:],
        "own_predicted": blurred[:300],
        "truth": truth[300:],
        "folds": folds,
    }


def corrected(world: dict[str, Any], fold: int = 0) -> np.ndarray:
    return correct(
        world["predicted"],
        np.arange(300, 400),
        world["own_predicted"],
        world["own"],
        world["other"],
        fold,
    )


def test_it_learns_how_far_a_class_moves_votes(world):
    out, told = corrected(world), world["folds"][300:] != 0
    error = np.abs(out - world["truth"]).mean(axis=1)
    assert error[told].max() < 0.04
    before = np.abs(world["predicted"] - world["truth"]).mean(axis=1)
    assert before[told].min() > 0.1


def test_it_is_ridge_regression_of_what_the_predictions_miss(world):
    own, other = world["own"], world["other"]
    shared = [i for i in range(300) if i % 3 and world["folds"][i] != 0]
    told = dict(zip(other.ids, other.train[CLASSES].to_numpy(), strict=True))
    features = np.array([[*world["own_predicted"][i], *told[i]] for i in shared])
    misses = own.train[COLUMNS].to_numpy()[shared] - world["own_predicted"][shared]
    centred = features - features.mean(axis=0)
    weights = np.linalg.solve(
        centred.T @ centred + PENALTY * np.eye(5), centred.T @ (misses - misses.mean(axis=0))
    )
    offset = misses.mean(axis=0) - features.mean(axis=0) @ weights
    out = corrected(world)
    for i in np.flatnonzero(world["folds"][300:] != 0)[:5]:
        row = np.array([*world["predicted"][i], *told[300 + i]])
        np.testing.assert_allclose(out[i], world["predicted"][i] + row @ weights + offset)


def test_labels_of_the_fold_have_no_say(world):
    clean = corrected(world, 1)
    own_rows, other_rows = world["own"].folds == 1, world["other"].folds == 1
    world["own"].train.loc[own_rows, COLUMNS] = 0.0
    world["other"].train.loc[other_rows, CLASSES] = 1.0
    np.testing.assert_array_equal(corrected(world, 1), clean)
    in_fold = world["folds"][300:] == 1
    np.testing.assert_array_equal(clean[in_fold], world["predicted"][in_fold])
    assert not np.array_equal(corrected(world, 2), clean)


def test_galaxies_in_different_folds_are_refused(world):
    train = world["other"].train.copy()
    train.loc[14, FOLD] = (train.loc[14, FOLD] + 1) % 3
    world["other"] = Catalog("other", train, world["other"].test_ids, {"n_folds": 3})
    with pytest.raises(InputError, match=r"labels of other .* GalaxyID 14 differs"):
        corrected(world)


def test_too_few_shared_galaxies_are_refused(world):
    train = world["other"].train.loc[200:]
    world["other"] = Catalog("other", train, world["other"].test_ids, {"n_folds": 3})
    with pytest.raises(InputError, match="shares 67 galaxies with other, too few"):
        corrected(world)
