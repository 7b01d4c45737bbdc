"""The real commands on a class task from votes: from the competition's files to classes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core import files
from support.commands import dataset, succeed, table
from support.kaggle_fixtures import draw_competition

pytestmark = pytest.mark.slow

COMPETITION = draw_competition(n_train=60, n_test=7, seed=3)
NAMES = ["elliptical", "spiral"]
COMMON = """
image: {crop_px: 424, cache_px: 32, size_px: 32}
head: {hidden: 8}
train: {epochs: 1, batch_size: 8}
"""
MODEL = "name: cnn, kwargs: {widths: [4, 8]}"
START = f"task: gz37\nmodel: {{{MODEL}}}\n{COMMON}"
STAGES = "stages: [{name: votes, recipe: start.yaml}, {name: classes}]"
FINE = f"task: elliptical_spiral\nmodel: {{{MODEL}}}\n{COMMON}{STAGES}\n"
TRAIN = ["train.py", "fine.yaml", "start.yaml"]


def kept() -> pd.DataFrame:
    """(kept galaxy, class) one-hot, by the rule that the votes are above 0.8."""
    votes = COMPETITION.votes
    sides = pd.DataFrame({"elliptical": votes["Class1.1"], "spiral": votes["Class1.2"]})
    return (sides > 0.8)[(sides > 0.8).any(axis=1)].astype(float)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a class run, a run on the votes that it begins with, and their ensembles."""
    root = tmp_path_factory.mktemp("classes")
    COMPETITION.write_zips(root / "input")
    (root / "start.yaml").write_text(START)
    (root / "fine.yaml").write_text(FINE)
    printed = succeed(root, *TRAIN, "--folds", "3", "--ensemble").stdout
    assert "submissions/" in printed
    assert "log-loss" in printed
    return root


def test_the_galaxies_of_the_rule_have_probabilities_in_their_folds(trained: Path) -> None:
    oof = table(trained, "oof", "elliptical_spiral/fine.csv")
    split = table(trained, "folds", "train.csv")
    labels = kept()
    assert 12 <= len(labels) < 40
    assert list(oof.columns) == [*NAMES, "fold"]
    assert oof.index.tolist() == labels.index.tolist()
    assert oof["fold"].tolist() == split.loc[labels.index, "fold"].tolist()
    np.testing.assert_allclose(oof[NAMES].sum(axis=1), 1, atol=1e-8)
    card = files.read_json(trained / "oof" / dataset(trained) / "elliptical_spiral/fine.json")
    expected = -np.log((oof[NAMES].to_numpy() * labels.to_numpy()).sum(axis=1)).mean()
    assert card["score"] == pytest.approx(expected, abs=1e-7)
    assert set(card["classes"]) >= {"accuracy", "balanced_accuracy", "macro_f1", "macro_auc"}
    assert (card["galaxies"], card["start"]) == (len(labels), "scratch, then votes")


@pytest.mark.parametrize("name", ["fine.csv", "all/predictions.csv"])
def test_test_galaxies_have_the_decided_class_and_its_probabilities(
    trained: Path, name: str
) -> None:
    frame = table(trained, "submissions", f"elliptical_spiral/{name}")
    assert list(frame.columns) == ["class", *NAMES]
    assert frame.index.tolist() == COMPETITION.test_ids.tolist()
    probs = frame[NAMES].to_numpy()
    np.testing.assert_allclose(probs.sum(axis=1), 1, atol=1e-8)
    assert frame["class"].tolist() == [NAMES[k] for k in probs.argmax(axis=1)]
    published = pd.read_csv(trained / "submissions" / "predictions.csv")
    assert len(published.columns) == 38  # the competition's, never a class table


def test_predict_gives_what_the_test_table_holds(trained: Path, tmp_path: Path) -> None:
    archive, output = trained / "input" / "images_test_rev1.zip", tmp_path / "out.csv"
    succeed(trained, "predict.py", "elliptical_spiral/fine", archive, "--output", output)
    got = pd.read_csv(output, index_col="GalaxyID").loc[COMPETITION.test_ids]
    expected = table(trained, "submissions", "elliptical_spiral/fine.csv")
    assert list(got.columns) == ["class", *NAMES]
    np.testing.assert_allclose(got[NAMES], expected[NAMES], atol=1e-6)
    assert got["class"].tolist() == expected["class"].tolist()


def test_a_fitted_ensemble_gives_its_submissions_numbers(trained: Path, tmp_path: Path) -> None:
    archive, output = trained / "input" / "images_test_rev1.zip", tmp_path / "out.csv"
    task = "elliptical_spiral"
    printed = succeed(trained, "predict.py", f"ensemble:{task}/all", archive, "--output", output)
    assert "of 2 runs" in printed.stdout  # votes too
    got = pd.read_csv(output, index_col="GalaxyID").loc[COMPETITION.test_ids]
    expected = table(trained, "submissions", f"{task}/all/predictions.csv")
    assert list(got.columns) == list(expected.columns)
    numbers = expected.select_dtypes("number").columns
    np.testing.assert_allclose(got[numbers], expected[numbers], atol=1e-5)
    assert got.drop(columns=numbers).equals(expected.drop(columns=numbers))
