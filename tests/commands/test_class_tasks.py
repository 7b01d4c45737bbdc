"""The real commands on a class task from votes: from the competition's files to classes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from support.commands import succeed, table
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


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a class run, a run on the votes that it begins with, and their ensembles."""
    root = tmp_path_factory.mktemp("classes")
    COMPETITION.write_zips(root / "input")
    (root / "start.yaml").write_text(START)
    (root / "fine.yaml").write_text(FINE)
    succeed(root, *TRAIN, "--folds", "3", "--ensemble")
    return root


@pytest.mark.parametrize(
    ("name", "submission"), [("fine", "fine.csv"), ("all", "all/predictions.csv")]
)
def test_predict_gives_what_the_test_table_holds(trained, tmp_path, name, submission):
    """A run, and an ensemble of it and of the votes."""
    by = f"{'ensemble:' if name == 'all' else ''}elliptical_spiral/{name}"
    archive, output = trained / "input" / "images_test_rev1.zip", tmp_path / "out.csv"
    succeed(trained, "predict.py", by, archive, "--output", output)
    got = pd.read_csv(output, index_col="GalaxyID").loc[COMPETITION.test_ids]
    expected = table(trained, "submissions", f"elliptical_spiral/{submission}")
    assert list(got.columns) == list(expected.columns) == ["class", *NAMES]
    np.testing.assert_allclose(got[NAMES], expected[NAMES], atol=1e-5)
    assert got["class"].tolist() == expected["class"].tolist()
