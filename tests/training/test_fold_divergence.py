"""Folds that diverge or learn nothing: the warnings, and how the ensemble treats such runs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.prepare import Dataset, prepare
from galaxyzoo.ensemble import members
from galaxyzoo.io.writing import write_predictions
from galaxyzoo.results import console
from galaxyzoo.results.fold_files import TEST_TABLE, VAL_TABLE, WEIGHTS, FoldSummary
from galaxyzoo.results.layout import RunFolder
from galaxyzoo.tasks.registry import TASKS
from galaxyzoo.training import run as runs
from galaxyzoo.training.fold import train_fold
from galaxyzoo.training.run import Run
from galaxyzoo.training.trainer import Trainer
from support.datasets import draw_clear_competition
from support.small_models import SIZES, small_config
from support.training_fixtures import config, fake_training, fold_data

PLAIN = {"epochs": 1, "amp": "fp32"}


@pytest.fixture
def prepared(root: Path) -> Dataset:
    """A third smooth, the others disks, for a task with classes."""
    draw_clear_competition(np.arange(31) % 3 == 0, n_test=5).write_zips(root / "input")
    return prepare(n_folds=3)


@pytest.mark.parametrize(("lr", "expected"), [(1e-9, False), (3e-3, False), (100.0, True)])
def test_only_training_that_makes_it_worse_diverges(tmp_path, lr, expected, capsys):
    """Labels are random here, so learning nothing is no divergence."""
    assert train_fold(config(lr=lr, epochs=2), fold_data(), tmp_path).diverged == expected
    said = "warning: gz37/small, fold 0 diverged: training loss" in capsys.readouterr().out
    assert said == expected


def test_the_untrained_networks_loss_is_taken_without_a_trace(tmp_path, monkeypatch):
    data = fold_data()
    settings = small_config(train={**PLAIN, "batch_size": 30})
    summary = train_fold(settings, data, tmp_path / "a")
    untrained = Trainer(settings, data)
    untrained.model.train()
    ((_, images, targets),) = untrained.batches()
    loss = untrained.loss(untrained.model(images), targets).item()
    assert summary.first_loss == pytest.approx(loss, rel=1e-6)
    monkeypatch.setattr(Trainer, "untrained_loss", lambda self: 1.0)
    train_fold(settings, data, tmp_path / "b")
    assert (tmp_path / "a" / WEIGHTS).read_bytes() == (tmp_path / "b" / WEIGHTS).read_bytes()


def test_the_chosen_epoch_counts_not_the_last(tmp_path, monkeypatch):
    scores = iter([(0.1, {"val_score": score}) for score in (0.3, 0.1, 0.2)])
    monkeypatch.setattr(Trainer, "validate", lambda self: next(scores))
    fold = Trainer(config(checkpoint="best"), fold_data())
    rows = [*fold.epochs()]
    assert fold.summary().last_loss == rows[1]["train_loss"]
    fold.config = config()
    assert fold.summary().last_loss == rows[2]["train_loss"]


def test_a_diverged_fold_is_in_the_card_the_table_and_the_reasons(prepared, monkeypatch, capsys):
    summaries = iter([FoldSummary("scratch", 0.05, last) for last in (0.02, 0.03, 0.31)])
    fake_training(monkeypatch, runs, lambda: next(summaries))
    card = Run(small_config(image=SIZES), prepared).train()
    assert card is not None
    assert card.diverged == [2]
    assert card.training_loss["2"] == (0.05, 0.31)
    console.print_run_table([(card, 1.0)])
    text = "fold 2 diverged: training loss 0.31 at the end, 0.05 before the first step"
    printed = capsys.readouterr().out
    assert f"! gz37/small: {text}" in printed
    assert "gz37/small !" in printed
    with pytest.raises(InputError, match=rf"gz37/small is skipped: {text}; delete folds/\S+small"):
        members.find_runs(TASKS["gz37"], prepared, [])


def test_folds_that_learned_nothing_are_noted_but_kept(prepared, capsys):
    """Fold 0 is predicted by its own mean, fold 1 by that of the others, fold 2 by worse."""
    task = "elliptical_spiral"
    settings = small_config(image=SIZES, task=task, run=f"{task}/small")
    run = Run(settings, prepared)
    catalog = run.catalog
    columns = list(TASKS[task].columns)
    targets = catalog.targets(TASKS[task])
    folds = catalog.folds
    for fold in range(3):
        own = folds == fold
        mean = np.broadcast_to(targets[~own].mean(axis=0), targets[own].shape)
        own_mean = np.broadcast_to(targets[own].mean(axis=0), targets[own].shape)
        values = (own_mean, mean, mean[:, ::-1])[fold]
        folder = RunFolder(catalog.dataset, settings.run).training(f"fold_{fold}")
        write_predictions(
            folder / VAL_TABLE, pd.DataFrame(values, index=catalog.ids[own], columns=columns)
        )
        test = pd.DataFrame(0.5, index=catalog.test_ids, columns=columns)
        write_predictions(folder / TEST_TABLE, test)
        run.files(f"fold_{fold}").seal({"start": "-"})
    card = run.collect()
    assert card is not None
    assert card.no_better_than_mean == [1, 2]
    assert card.diverged == []
    console.print_run_table([(card, 1.0)])
    line = f"! {task}/small: folds 1, 2: no better than predicting the mean of the other folds"
    assert line in capsys.readouterr().out
    assert members.find_runs(TASKS[task], catalog, []) == ([settings.run], [])
