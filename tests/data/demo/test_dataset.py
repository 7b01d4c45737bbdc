"""The demo set: files are laid out as Kaggle's, the same at every writing."""

import zipfile

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.data.demo import dataset
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from support.datasets import COLUMNS, PARTS

ZIPS = sorted(PARTS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small demo set."""
    folder = tmp_path_factory.mktemp("demo") / "input"
    dataset.write_demo(folder, n_train=24, n_test=8, seed=3)
    return folder


def table(folder, stem):
    with zipfile.ZipFile(folder / f"{stem}.zip") as archive:
        return pd.read_csv(archive.open(f"{stem}.csv"))


def test_the_same_seed_gives_the_same_bytes_after_a_stop_too(folder, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "draw_galaxy", lambda galaxy_id, seed: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            dataset.write_demo(tmp_path, n_train=24, n_test=8, seed=3)
    assert not list(tmp_path.iterdir())
    dataset.write_demo(tmp_path, n_train=24, n_test=8, seed=3)
    for stem in ZIPS:
        again, first = ((f / f"{stem}.zip").read_bytes() for f in (tmp_path, folder))
        assert again == first, stem


def test_table_holds_the_votes_of_the_pictures(folder):
    solutions = table(folder, "training_solutions_rev1").set_index("GalaxyID")
    assert GALAXY_ZOO_2.residuals(solutions.to_numpy()).max() < 2e-6
    for galaxy_id in solutions.index[::6]:
        votes = dataset.draw_galaxy(int(galaxy_id), seed=3)[1]
        assert np.abs(solutions.loc[galaxy_id] - votes).max() < 1e-8
    assert (table(folder, "all_zeros_benchmark")[COLUMNS] == 0).all(axis=None)


def test_no_id_repeats_in_a_set_as_large_as_the_competitions():
    train, test = dataset.choose_ids(61_578, 79_975, seed=0)
    assert len(np.union1d(train, test)) == 61_578 + 79_975
    assert not np.array_equal(train, dataset.choose_ids(61_578, 79_975, seed=1)[0])
