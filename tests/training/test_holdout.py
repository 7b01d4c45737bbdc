"""The hold-out: a stratified 70/15/15 split whose third part nothing learns from."""

import json
from pathlib import Path

import numpy as np
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.prepare import Dataset, prepare
from galaxyzoo.training import fold, holdout
from galaxyzoo.training.fold_data import FoldData
from galaxyzoo.training.run import Run
from support.commands import COMPETITION, TINY, succeed
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
    parts = holdout.split(run.catalog, "elliptical_spiral")
    (data,) = trained
    ids = data.cache.ids
    assert ids[data.train_rows].tolist() == run.catalog.ids[parts == "train"].tolist()
    assert ids[data.val_rows].tolist() == run.catalog.ids[parts == "val"].tolist()
    assert (card.split, card.galaxies) == ({"train": 42, "val": 9, "test": 9}, 9)
    elliptical = run.catalog.targets("elliptical_spiral")[:, 0]
    for part, count in card.split.items():
        assert (parts == part).sum() == count
        assert elliptical[parts == part].mean() == pytest.approx(2 / 3, abs=0.12)
    dataset = prepared.catalog.dataset
    written = root / "oof" / dataset / "elliptical_spiral" / "cnn_holdout.json"
    assert json.loads(written.read_text())["score"] == card.score
    holdout.train_holdout(run)
    with pytest.raises(InputError, match=r"trained with other settings \(train\.seed 0 → 1\)"):
        holdout.train_holdout(Run(holdout_config(train={"seed": 1}), prepared))
    assert len(trained) == 1  # done work is not done again


def test_a_run_of_several_stages_or_from_the_box_has_no_hold_out(prepared):
    """Another task's stage would have a split of its own."""
    stages = [{"name": "votes", "task": "gz37", "loss": "kl"}, {"name": "classes"}]
    with pytest.raises(InputError, match="elliptical_spiral/cnn has several"):
        holdout.train_holdout(Run(holdout_config(stages=stages), prepared))
    config = holdout_config(model={"name": "cnn", "weights_file": "bundled"})
    with pytest.raises(InputError, match="cnn may start from networks trained on the test"):
        holdout.train_holdout(Run(config, prepared))


def test_the_command_prints_scores_of_the_test_part(root):
    COMPETITION.write_zips(root / "input")
    printed = succeed(root, "train.py", "gz37/cnn", *TINY, "--holdout").stdout
    assert "hold-out scores, " in printed
    assert "gz37/cnn: last epoch, scored on the test part" in printed


def test_too_few_galaxies_for_the_parts_are_one_line(root):
    draw_clear_competition(np.arange(12) % 3 > 0).write_zips(root / "input")
    with pytest.raises(InputError, match="--holdout: "):
        holdout.train_holdout(Run(holdout_config(), prepare(n_folds=3)))
