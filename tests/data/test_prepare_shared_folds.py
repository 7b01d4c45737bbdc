"""Datasets that share galaxies: one fold per galaxy in every table, whichever came first."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import Catalog, has_catalog, save_catalog
from galaxyzoo.data.prepare import prepare
from galaxyzoo.data.readers import find
from support.datasets import Competition, draw_competition, write_labeled


@pytest.fixture
def both(root: Path) -> tuple[str, str, np.ndarray]:
    """Folders `votes` and `labels`, and the 20 ids that are in both."""
    whole = draw_competition(n_train=40, n_test=4, seed=2)
    votes, images = whole.votes.copy(), dict(whole.images)
    ids = np.arange(21, 61)  # the labeled set has 1 to 40
    for old, new in zip(whole.votes.index, ids, strict=True):
        images[int(new)] = images[int(old)]
    votes.index = ids
    folder = write_labeled(root / "input" / "labels")
    for galaxy_id in range(21, 41):
        images[galaxy_id] = (folder / "images" / f"{galaxy_id}.jpg").read_bytes()
    Competition(votes, whole.test_ids, images).write_zips(root / "input" / "votes")
    return "votes", "labels", np.arange(21, 41)


@pytest.mark.parametrize("turn", [1, -1])
def test_shared_galaxies_are_in_the_same_folds(both, turn):
    *names, shared = both
    first, second = (prepare(name, n_folds=4).catalog for name in names[::turn])
    folds = [c.train.loc[shared, "fold"].tolist() for c in (first, second)]
    assert folds[0] == folds[1]
    assert second.about["folds_as_in_earlier_datasets"] == 20
    assert first.about["folds_as_in_earlier_datasets"] == 0
    others = second.train.drop(index=shared)["fold"]
    assert others.value_counts().max() - others.value_counts().min() <= 1


def test_another_number_of_folds_takes_no_part(both):
    prepare("votes", n_folds=4)
    assert prepare("labels", n_folds=3).catalog.about["folds_as_in_earlier_datasets"] == 0


def test_a_set_whose_ids_mean_other_galaxies_takes_nothing_over(both, monkeypatch):
    prepare("votes", n_folds=4)
    own = replace(find.open_input("labels", {"zoo5"}), own_ids=True)
    monkeypatch.setattr(find, "open_input", lambda *_: own)
    about = prepare("labels", n_folds=4).catalog.about
    assert about["folds_as_in_earlier_datasets"] == 0
    assert about["own_ids"]


def test_earlier_datasets_that_disagree_are_named_unless_their_ids_mean_other_galaxies(both):
    first, shared = prepare("votes", n_folds=4).catalog, both[2]
    train = first.train.assign(fold=(first.folds + 1) % 4)
    save_catalog(Catalog("wrong", train, first.test_ids, {}))
    with pytest.raises(InputError, match="GalaxyID 21 is in one fold of wrong and in a diff"):
        prepare("labels", n_folds=4)
    assert not has_catalog("labels")
    save_catalog(Catalog("wrong", train, first.test_ids, {"own_ids": True}))
    second = prepare("labels", n_folds=4).catalog
    assert second.about["folds_as_in_earlier_datasets"] == 20
    assert second.train.loc[shared, "fold"].tolist() == first.train.loc[shared, "fold"].tolist()
