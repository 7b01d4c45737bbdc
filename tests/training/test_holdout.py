"""The hold-out: a stratified 70/15/15 split whose third part nothing learns from."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.commands import train
from galaxyzoo.config.schema import Config
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.prepare import Dataset, prepare
from galaxyzoo.results.card import HoldoutCard
from galaxyzoo.results.console import print_holdout_table
from galaxyzoo.results.fold_files import WEIGHTS
from galaxyzoo.tasks.registry import TASKS
from galaxyzoo.training import fold, holdout
from galaxyzoo.training.fold_data import FoldData
from galaxyzoo.training.parts import split_holdout
from galaxyzoo.training.run import Run
from support.commands import succeed
from support.datasets import draw_clear_competition
from support.small_models import holdout_config
from support.training_fixtures import fake_training


@pytest.fixture
def prepared(root: Path) -> Dataset:
    draw_clear_competition(np.arange(60) % 3 > 0).write_zips(root / "input")
    return prepare(n_folds=3)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[FoldData]:
    return fake_training(monkeypatch, fold)


def test_the_third_part_is_neither_trained_nor_validated_on_but_scored(prepared, trained, root):
    run = Run(holdout_config(), prepared)
    card = holdout.train_holdout(run)
    parts = split_holdout(prepared, run.config).to_numpy()
    (data,) = trained
    ids = data.cache.ids
    assert ids[data.train_rows].tolist() == run.catalog.ids[parts == "train"].tolist()
    assert ids[data.val_rows].tolist() == run.catalog.ids[parts == "val"].tolist()
    assert (card.split, card.galaxies) == ({"train": 42, "val": 9, "test": 9}, 9)
    elliptical = run.catalog.targets(TASKS["elliptical_spiral"])[:, 0]
    for part, count in card.split.items():
        assert (parts == part).sum() == count
        assert elliptical[parts == part].mean() == pytest.approx(2 / 3, abs=0.12)
    dataset = prepared.dataset
    written = root / "oof" / dataset / "elliptical_spiral" / "cnn_holdout.json"
    assert json.loads(written.read_text())["score"] == card.score
    holdout.train_holdout(run)
    with pytest.raises(InputError, match=r"trained with other settings \(train\.seed 0 → 1\)"):
        holdout.train_holdout(Run(holdout_config(train={"seed": 1}), prepared))
    assert len(trained) == 1  # done work is not done again


HEAD_THEN_ALL = [{"name": "head", "train": {"freeze": "backbone"}}, {"name": "all"}]
VOTES_THEN_CLASSES = [{"name": "votes", "task": "gz37", "loss": "kl"}, {"name": "classes"}]


@pytest.mark.parametrize("stages", [HEAD_THEN_ALL, VOTES_THEN_CLASSES], ids=["head", "votes"])
def test_every_stage_learns_from_the_training_part_alone(trained, stages, root):
    """Also a stage of votes, which could learn from galaxies without a clear class."""
    competition = draw_clear_competition(np.arange(72) % 3 > 0)
    smooth = competition.votes.iloc[1]
    disk = competition.votes.iloc[0]
    competition.votes.iloc[60:] = (smooth + disk).to_numpy() / 2
    competition.write_zips(root / "input")
    run = Run(holdout_config(stages=stages), prepare(n_folds=3))
    assert len(run.data.ids) - len(run.catalog.ids) == 12
    card = holdout.train_holdout(run)
    parts = split_holdout(run.data, run.config).to_numpy()
    assert len(trained) == 2
    for data in trained:
        ids = data.cache.ids
        assert ids[data.train_rows].tolist() == run.catalog.ids[parts == "train"].tolist()
        assert ids[data.val_rows].tolist() == run.catalog.ids[parts == "val"].tolist()
    first, second = trained
    assert first.weights is None
    assert second.weights == run.folder.path / f"holdout_{stages[0]['name']}" / WEIGHTS
    assert card.galaxies == (parts == "test").sum()
    holdout.train_holdout(run)
    assert len(trained) == 2  # done work is not done again


def test_a_recipe_without_a_hold_out_is_refused_before_anything_is_trained(prepared, trained):
    bundled = {"name": "cnn", "weights_file": "bundled"}
    elsewhere = [{"name": "votes", "dataset": "other"}, {"name": "classes"}]
    refused: dict[str, dict[str, object]] = {
        "cnn may start from networks trained on the test": {"model": bundled},
        "stage 'votes' of elliptical_spiral/cnn learns from dataset 'other'": {"stages": elsewhere},
    }
    for message, changes in refused.items():
        configs = [holdout_config(), holdout_config("labeled", **changes)]
        with pytest.raises(InputError, match=message):
            train.hold_out(configs, prepared)
    assert not trained


def test_first_weights_that_may_know_the_galaxies_are_marked(
    prepared, trained, monkeypatch, capsys
):
    monkeypatch.setattr(Config, "possible_leakage", property(lambda config: True))
    card = holdout.train_holdout(Run(holdout_config(), prepared))
    print_holdout_table([card])
    printed = capsys.readouterr().out
    assert f"{card.run} †" in printed
    assert "† possible leakage" in printed


def test_the_command_prints_scores_of_the_test_part_and_the_report_has_them(root):
    draw_clear_competition(np.arange(60) % 3 > 0).write_zips(root / "input")
    runs = "elliptical_spiral/source_cnn", "elliptical_spiral/source_mobilenetv2"
    sizes = "image.size_px=32", "image.cache_px=32", "train.epochs=1", "tta.dihedral=false"
    first = succeed(root, "train.py", *runs, *sizes, "--folds", "3", "--holdout").stdout
    assert "hold-out scores, " in first
    for run in runs:
        assert f"{run}: best validation epoch, scored on the test part" in first
    printed = succeed(root, "evaluate.py", *runs).stdout  # hold-outs are enough
    (folder,) = (root / "reports").glob("*/elliptical_spiral")
    page = (folder / "index.html").read_text()
    for run in runs:
        assert f"{run}_holdout: classes" in page
        assert f"{run}: best validation epoch" in printed
        stem = run.split("/")[1]
        confusion = pd.read_csv(folder / f"{stem}_holdout_confusion.csv", index_col="true class")
        assert confusion.to_numpy().sum() == 9
        card = HoldoutCard.read(next((root / "oof").rglob(f"{stem}_holdout.json")))
        correct = np.trace(confusion.to_numpy()) / 9
        assert card.classes["accuracy"] == pytest.approx(correct, abs=1e-6)
    table = pd.read_csv(folder / "holdout.csv", index_col="run")
    assert table["train / val / test"].tolist() == ["42 / 9 / 9"] * 2
    assert table["published score"][runs[0]] == "accuracy 98 % (own hold-out)"


def test_too_few_galaxies_for_the_parts_are_one_line(root):
    draw_clear_competition(np.arange(12) % 3 > 0).write_zips(root / "input")
    with pytest.raises(InputError, match="--holdout: "):
        holdout.train_holdout(Run(holdout_config(), prepare(n_folds=3)))
