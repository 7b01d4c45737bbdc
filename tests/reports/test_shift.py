"""Test galaxies that are drawn alike look alike, others do not, and weights make up for it."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import evaluate
from galaxyzoo.core import paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import GROUP, Catalog
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.data.prepare import prepare
from galaxyzoo.ensemble.intervals import NetworkTables
from galaxyzoo.io.tables import FOLD
from galaxyzoo.reports import shift
from galaxyzoo.reports.evaluate import load_evaluation
from galaxyzoo.reports.shift import BOOSTED, CLASSIFIERS, LOGISTIC, Sides
from galaxyzoo.reports.shift_features import make_sides, measure_images
from galaxyzoo.reports.shift_section import shift_section
from galaxyzoo.training import run
from galaxyzoo.training.run import Run
from support.kaggle_fixtures import draw_competition
from support.leak_fixtures import tiny_config
from support.training_fixtures import fake_training

N_FOLDS, N_TRAIN, N_TEST = 5, 1500, 1000

BOTH = sorted(CLASSIFIERS)


@dataclass(frozen=True)
class Network(NetworkTables):
    """Stands for a run's tables: each fold's network has an offset and a noise of its own."""

    votes: np.ndarray  # (galaxy + test galaxy, column)
    seed: int

    def says(self, fold: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, fold])
        offset = rng.normal(scale=0.2, size=self.votes.shape[1])
        return self.votes + offset + rng.normal(scale=0.3, size=self.votes.shape)

    def own(self, spread: bool = False) -> np.ndarray:
        said = [self.says(fold)[: len(self.catalog.ids)] for fold in range(N_FOLDS)]
        return np.array(said)[self.catalog.folds, np.arange(len(self.catalog.ids))]

    def test(self, fold: int, spread: bool = False) -> np.ndarray:
        return self.says(fold)[len(self.catalog.ids) :]


class Mean(Network):
    """The same run with the mean over folds for test galaxies, as its test table holds it."""

    def test(self, fold: int, spread: bool = False) -> np.ndarray:
        return np.mean([super(Mean, self).test(k) for k in range(N_FOLDS)], axis=0)


def draw_sides(kind: type[Network], seed: int) -> Sides:
    """Training and test galaxies drawn alike, and seen by a run; every image is the same."""
    rng = np.random.default_rng(seed)
    train = pd.DataFrame({FOLD: np.arange(N_TRAIN) % N_FOLDS, GROUP: 0}, np.arange(N_TRAIN))
    catalog = Catalog("drawn", train, np.arange(N_TRAIN, N_TRAIN + N_TEST))
    votes = rng.uniform(size=(N_TRAIN + N_TEST, 37))
    train_images, test_images = (
        ImageCache(ids, np.zeros((len(ids), 16, 16, 3), np.uint8), np.zeros(len(ids), bool))
        for ids in (catalog.ids, catalog.test_ids)
    )
    network = kind("gz37/run", catalog, votes, seed)
    return make_sides([network], catalog, train_images, test_images, seed)


def auc_of(sides: Sides, name: str) -> tuple[float, float]:
    return shift.auc_in_parts(shift.cross_predict(sides, CLASSIFIERS[name]), sides)


@pytest.mark.parametrize("name", BOTH)
def test_galaxies_drawn_alike_cannot_be_told_apart(name: str) -> None:
    for seed in range(2):
        mean, error = auc_of(draw_sides(Network, seed), name)
        assert abs(mean - 0.5) < 4 * error
        assert error < 0.015


def test_means_over_folds_would_give_test_galaxies_away() -> None:
    """They are smoother than any one network: the reason for dealing folds."""
    mean, error = auc_of(draw_sides(Mean, 1), BOOSTED)
    assert mean > 0.5 + 5 * error


def test_parts_apart_from_the_networks_would_mislead_the_classifier() -> None:
    """It would know networks by their offset, and each part's training galaxies by the network."""
    sides = draw_sides(Network, 2)
    parts = sides.parts.copy()
    parts[sides.is_test] = np.random.default_rng(3).permutation(parts[sides.is_test])
    mean, error = auc_of(Sides(sides.features, sides.names, sides.is_test, parts), LOGISTIC)
    assert abs(mean - 0.5) > 5 * error


def test_a_galaxy_is_seen_by_its_folds_networks_alone() -> None:
    rng = np.random.default_rng(4)
    train = pd.DataFrame({FOLD: rng.permutation(20) % N_FOLDS, GROUP: 0}, np.arange(20))
    catalog = Catalog("drawn", train, np.arange(20, 30))
    network = Network("gz37/run", catalog, rng.uniform(size=(30, 37)), 1)
    images = rng.integers(0, 256, (30, 16, 16, 3), dtype=np.uint8)
    unreadable = np.arange(10) == 3
    caches = (
        ImageCache(catalog.ids, images[:20], np.zeros(20, bool)),
        ImageCache(catalog.test_ids, images[20:], unreadable),
    )
    sides = make_sides([network], catalog, *caches)
    kept = np.delete(np.arange(30), 23)
    said = np.array([network.says(fold) for fold in range(N_FOLDS)])
    assert np.array_equal(sides.features[:, -37:], said[sides.parts, kept])
    assert np.array_equal(sides.parts[:20], catalog.folds)
    assert sides.is_test.tolist() == [False] * 20 + [True] * 9
    measured = measure_images(images, kept).to_numpy()
    np.testing.assert_array_equal(sides.features[:, :-37], measured.astype(np.float64))


def test_folds_are_dealt_as_often_as_they_occur() -> None:
    folds = np.repeat([0, 1, 2], [300, 200, 100])
    dealt = shift.deal(folds, 600)
    assert np.bincount(dealt).tolist() == [300, 200, 100]
    assert not np.array_equal(dealt, shift.deal(folds, 600, seed=1))
    few = np.bincount(shift.deal(folds, 60), minlength=3)
    assert few.sum() == 60
    assert few.min() > 2


@pytest.mark.parametrize("name", BOTH)
def test_a_shift_is_found_and_weights_undo_it(name: str) -> None:
    """Errors grow with brightness, and test galaxies are brighter."""
    rng = np.random.default_rng(5)
    train, test = rng.normal(0, 1, (4000, 1)), rng.normal(0.7, 1, (3000, 1))
    values = np.concatenate([train, test])
    noise = rng.normal(size=(7000, 4))
    is_test = np.arange(7000) >= 4000
    features = np.hstack([values, noise])
    sides = Sides(features, ["bright", *"abcd"], is_test, np.arange(7000) % N_FOLDS)
    probs = shift.cross_predict(sides, CLASSIFIERS[name])
    mean, error = shift.auc_in_parts(probs, sides)
    assert mean > 0.65
    assert error < 0.01
    assert shift.loss_over_chance(probs, sides) < -0.03
    assert shift.rank_features(sides)[0][0] == "bright"
    weights = shift.importance_weights(probs, sides)
    assert 500 < shift.effective_size(weights) < 3500
    losses = np.square(0.1 * np.exp(0.5 * values[:, 0]) * rng.normal(size=7000))
    truth = np.sqrt(losses[is_test].mean())
    scores = shift.reweight(losses[~is_test], weights, is_root=True)
    assert abs(scores["reweighted"] - truth) < 0.35 * abs(scores["plain"] - truth)
    assert scores["difference"] > 3 * scores["difference_se"]


def test_weights_by_hand() -> None:
    """Three test galaxies to one training galaxy: odds of three are what any galaxy has."""
    is_test = np.array([False, False, *[True] * 6])
    sides = Sides(np.zeros((8, 0)), [], is_test, np.zeros(8))
    probs = np.full(8, 0.75)
    assert shift.importance_weights(probs, sides) == pytest.approx([1, 1])
    probs[:2] = 0.9, 0.999999  # three times as likely; beyond the largest weight
    weights = shift.importance_weights(probs, sides)
    assert weights == pytest.approx(np.array([3, 20]) / 11.5)
    assert shift.effective_size(np.array([1.0, 3.0])) == pytest.approx(1.6)


def test_the_auc_and_its_error_against_others() -> None:
    rng = np.random.default_rng(6)
    values = np.concatenate([rng.normal(size=300), rng.normal(0.5, size=200)]).round(1)
    is_test = np.arange(500) >= 300
    mean, error = shift.auc(values, is_test)
    assert mean == pytest.approx(roc_auc_score(is_test, values))
    drawn = [
        roc_auc_score(is_test[rows], values[rows])
        for rows in (
            np.concatenate([rng.integers(0, 300, 300), rng.integers(300, 500, 200)])
            for _ in range(600)
        )
    ]
    assert error == pytest.approx(np.std(drawn), rel=0.12)


def test_reweighted_scores_by_hand_and_against_a_bootstrap() -> None:
    scores = shift.reweight(np.array([0.0, 0.04]), np.array([1.0, 3.0]), is_root=True)
    assert scores["plain"] == pytest.approx(np.sqrt(0.02))
    assert scores["reweighted"] == pytest.approx(np.sqrt(0.03))
    scores = shift.reweight(np.array([1.0, 3.0]), np.array([1.0, 3.0]), is_root=False)
    assert (scores["plain"], scores["reweighted"]) == (2.0, 2.5)
    rng = np.random.default_rng(7)
    losses, weights = rng.exponential(size=400), rng.uniform(0.5, 2, 400)
    scores = shift.reweight(losses, weights, is_root=True)
    drawn = [
        shift.reweight(losses[rows], weights[rows], is_root=True)
        for rows in rng.integers(0, 400, (1500, 400))
    ]
    for name in ("plain", "reweighted", "difference"):
        expected = np.std([some[name] for some in drawn])
        assert scores[f"{name}_se"] == pytest.approx(expected, rel=0.12)


def test_images_by_hand() -> None:
    """A sky of 10, 20, 30 with a square of 110, 120, 130 around the centre."""
    image = np.full((1, 100, 100, 3), [10, 20, 30], np.uint8)
    image[:, 40:60, 40:60] += 100
    row = measure_images(image, np.array([0])).iloc[0]
    assert row["image: sky red"], row["image: sky blue"] == (10, 30)
    assert row["image: mean green"] == pytest.approx(20 + 100 * 0.04)
    assert row["image: core red"] == pytest.approx(100)
    assert row["image: core red - blue"] == pytest.approx(0)
    assert row["image: bright area"] == pytest.approx(0.04)
    assert row["image: concentration"] == pytest.approx(np.pi * 0.1**2 / 0.04, rel=0.03)
    assert row["image: sky noise"] == 0


@pytest.mark.slow
def test_the_report_compares_training_with_test_galaxies(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_competition(24, 12, seed=1).write_zips(root / "input")
    data = prepare(n_folds=3)
    fake_training(monkeypatch, run)
    Run(tiny_config(), data).train()
    monkeypatch.setattr(sys, "argv", ["evaluate.py", "gz37", "--shift"])
    evaluate.main()
    folder = paths.reports_dir() / data.catalog.dataset / "gz37"
    assert "Training and test galaxies" in (folder / "index.html").read_text()
    assert "cross-fitted" in capsys.readouterr().out
    summary = json.loads((folder / "shift.json").read_text())
    assert (summary["training_galaxies"], summary["test_galaxies"]) == (24, 12)
    assert summary["runs"] == ["gz37/small"]
    scores = pd.read_csv(folder / "shift_scores.csv", index_col="run")
    found = pd.read_csv(folder / "runs.csv", index_col="run")["RMSE"]
    assert scores["plain"]["gz37/small"] == pytest.approx(found["gz37/small"], abs=1e-6)
    first = (folder / "shift.json").read_bytes()
    evaluate.main()
    assert (folder / "shift.json").read_bytes() == first


def test_too_few_test_galaxies_are_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_competition(24, 2, seed=1).write_zips(root / "input")
    data = prepare(n_folds=3)
    fake_training(monkeypatch, run)
    Run(tiny_config(), data).train()
    evaluation = load_evaluation("gz37", [], None, paths.reports_dir())
    with pytest.raises(InputError, match=r"has 2 test galaxies .* takes at least 6"):
        shift_section(evaluation, None)
