"""Test images that cannot be read: a row of the training mean in every table, and a word of it."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.commands import ensemble
from galaxyzoo.core import files
from galaxyzoo.core.manifest import write_sealed
from galaxyzoo.data.catalog import save_catalog
from galaxyzoo.data.prepare import prepare
from galaxyzoo.results.layout import RunFolder, card_path
from galaxyzoo.tasks.registry import TASKS
from galaxyzoo.training import run as runs
from galaxyzoo.training.run import Run
from support.bad_image_fixtures import KINDS
from support.datasets import ANOMALIES, TEST_IMAGES, draw_competition
from support.pictures import write_zip
from support.problems import COLUMNS, draw_run
from support.small_models import SIZES, small_config
from support.trained import built, make_catalog, save_class_project, save_run
from support.training_fixtures import fake_training


def rows(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, index_col=0)


@pytest.mark.parametrize("first", [0, len(KINDS) // 2])
def test_every_kind_gets_a_row(root, monkeypatch, capsys, first):
    """Half of the kinds at a time, in one test set."""
    fake_training(monkeypatch, runs)
    kinds = dict(list(KINDS.items())[first : first + (len(KINDS) + 1) // 2])
    made = draw_competition(n_train=9, n_test=len(kinds))
    bad = []
    for galaxy, kind in zip(made.test_ids.tolist(), kinds.values(), strict=True):
        made.images[galaxy] = kind.data
        if kind.refusal:
            bad.append(galaxy)
    made.write_zips(root / "input")
    run = Run(small_config(image=SIZES), prepare(n_folds=2))
    card = run.train()
    table = rows(RunFolder(run.catalog.dataset, run.config.run).test_csv)
    assert table.index.tolist() == made.test_ids.tolist()
    assert card is not None
    assert card.unreadable_test_images == bad
    distance = np.abs(table - made.votes.mean()).max(axis=1)
    assert (distance[bad] < 2e-6).all()
    assert (distance.drop(index=bad) > 1e-3).all()
    said = capsys.readouterr().out
    line = next((line for line in said.splitlines() if "test images" in line), "")
    assert (f"unreadable test images: {len(bad)} (" in line) == bool(bad)
    assert sorted(run.data.test_images(run.config.image).problems) == sorted(bad)


def test_an_image_repaired_between_two_folds_keeps_its_row_of_the_mean(root, monkeypatch):
    """The first fold's model predicted a black image there."""
    fake_training(monkeypatch, runs)
    made = draw_competition(n_train=12, n_test=4)
    lost = int(made.test_ids[1])
    path = made.write_zips(root / "input") / f"{TEST_IMAGES}.zip"
    whole = made.members(TEST_IMAGES)
    write_zip(path, whole | {f"{TEST_IMAGES}/{lost}.jpg": b""})
    config = small_config(image=SIZES)
    Run(config, prepare(n_folds=2)).train(["fold_0"])
    write_zip(path, whole)
    run = Run(config, prepare())
    card = run.train()
    assert card is not None
    assert card.unreadable_test_images == [lost]
    table = rows(RunFolder(run.catalog.dataset, config.run).test_csv)
    np.testing.assert_allclose(table.loc[lost], made.votes.mean(), atol=2e-6)


def note(run: str, *ids: object) -> None:
    """Let a run's card say that it could not read these test images."""
    path = RunFolder("tiny", run).card
    write_sealed(path, files.read_json(path) | {"unreadable_test_images": pd.Index(ids).tolist()})


def combine(monkeypatch: pytest.MonkeyPatch, task: str, *words: str) -> pd.DataFrame:
    monkeypatch.setattr(sys, "argv", ["ensemble.py", "--task", task, *words])
    ensemble.main()
    return rows(built(task).csv)


def test_no_stacker_bends_the_mean(root, monkeypatch, capsys):
    """Valid votes are given as they are; runs that disagree about what they lack are believed."""
    rng = np.random.default_rng(3)
    catalog, truth = make_catalog(rng, 60, 3, "tiny", 10)
    train = catalog.train.rename(index="J{:04}".format).rename_axis("id")
    test_ids = np.array([f"J{number:04}" for number in catalog.test_ids], object)
    catalog = replace(catalog, train=train, test_ids=test_ids, about={"key": "id"})
    save_catalog(catalog)
    votes = catalog.targets(TASKS["gz37"])
    for name in ("gz37/run0", "gz37/run1"):
        oof = draw_run(rng, votes, 0.1) + 0.1
        test = draw_run(rng, truth, 0.1) + 0.1
        save_run(catalog, name, oof, test)
    before = combine(monkeypatch, "gz37", "--candidates", "disagreement_ridge")
    lost = catalog.test_ids[[6, 2]]
    note("gz37/run0", lost[0])
    note("gz37/run1", *lost)
    capsys.readouterr()
    after = combine(monkeypatch, "gz37", "--candidates", "disagreement_ridge")
    assert np.abs(after.loc[lost] - catalog.train[COLUMNS].mean()).max(axis=None) < 2e-9
    others = [i for i in catalog.test_ids if i not in lost]
    pd.testing.assert_frame_equal(after.loc[others], before.loc[others])
    card = files.read_json(card_path(built("gz37").csv))
    assert card["unreadable_test_images"] == [lost[1], lost[0]]
    line = f"(id {lost[1]}, "
    assert line in capsys.readouterr().out
    combine(monkeypatch, "gz37", "--candidates", "disagreement_ridge")  # not made again
    said = capsys.readouterr().out
    assert "is up to date" in said
    assert line in said


def test_the_class_of_such_a_row_is_the_most_frequent_one(root, monkeypatch):
    """Where balanced accuracy counts, too: there the frequencies favor no class."""
    catalog = save_class_project()
    note("anomaly4/run1", *catalog.test_ids[:3])
    row = combine(monkeypatch, "anomaly4", "--candidates", "pool").iloc[:3]
    prior = catalog.targets(TASKS["anomaly4"]).mean(axis=0)
    np.testing.assert_allclose(row[ANOMALIES], np.tile(prior, (3, 1)), atol=1e-9)
    assert row["class"].tolist() == [ANOMALIES[prior.argmax()]] * 3
