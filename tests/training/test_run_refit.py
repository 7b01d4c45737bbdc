"""Trainings on all galaxies: what they learn from, and how their test predictions are used."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core import console
from galaxyzoo.data.prepare import prepare
from galaxyzoo.ensemble.selection import CANDIDATES
from galaxyzoo.results.card import EnsembleCard, RunCard
from galaxyzoo.results.layout import EnsembleFolder, RunFolder
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.training.fold import train_fold
from galaxyzoo.training.fold_data import FoldData
from galaxyzoo.training.parts import Part
from galaxyzoo.training.run import Run
from galaxyzoo.training.trainer import Trainer
from support.commands import COMPETITION, TRAIN, succeed
from support.datasets import draw_clear_competition
from support.refusals import one_line_refusal
from support.small_models import SIZES, holdout_config, small_config
from support.trained import run_command, run_here
from support.training_fixtures import check_a_kill_changes_nothing, config
from support.training_fixtures import fold_data as draw_fold

NONE = np.empty(0, np.int64)
REFITS = ["refit_0", "refit_1"]


def refit_data(val_rows: np.ndarray) -> FoldData:
    data = draw_fold()
    return replace(data, part=Part(REFITS[0], data.train_rows, val_rows, stream=1000))


def test_a_refit_learns_from_all_galaxies_and_is_no_fold(prepared, trained):
    run = Run(small_config(image=SIZES), prepared)
    card = run.train(["fold_0", *REFITS])
    assert [data.part.name for data in trained] == ["fold_0", *REFITS]
    assert [data.part.stream for data in trained] == [0, 1000, 1001]  # as in earlier versions
    for data in trained[1:]:
        assert data.train_rows.tolist() == [*range(len(prepared.ids))]
        assert len(data.val_rows) == 0
    assert card is not None
    assert (card.folds, card.refits, card.is_whole) == ([0], 2, False)
    assert RunFolder(prepared.dataset, run.config.run).folds == [0]


def test_a_later_stage_goes_on_from_the_same_refit(prepared, trained):
    first, last = small_config(image=SIZES, stages=[{"name": "a"}, {"name": "b"}]).stages
    begun = Run(first, prepared)
    begun.train(REFITS)
    for name in REFITS:
        data = Run(last, prepared).load_data(name)
        assert data.weights == begun.files(name).folder / "weights.safetensors"


def test_all_epochs_are_trained_and_the_last_is_kept():
    data = refit_data(NONE)
    best = Trainer(config(checkpoint="best"), data)
    last = Trainer(config(checkpoint="last"), data)
    for trainer in (best, last):
        assert len(list(trainer.epochs())) == trainer.config.train.epochs
    kept = best.final_weights()
    for name, weights in last.final_weights().items():
        assert (kept[name] == weights).all()


@pytest.mark.parametrize("val_rows", [NONE, np.arange(4)])
def test_the_bar_shows_a_score_of_a_fold_alone(val_rows, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(console, "_MINUTE_S", 0)
    data = refit_data(val_rows)
    train_fold(config(), data, tmp_path)
    lines = capsys.readouterr().err
    assert "epoch 1" in lines
    assert "nan" not in lines
    assert ("RMSE" in lines) == bool(len(val_rows))


@pytest.mark.parametrize("steps", [2, 9])
def test_a_killed_refit_ends_with_the_same_bytes(tmp_path, steps):
    data = refit_data(NONE)
    check_a_kill_changes_nothing(tmp_path, config(), data, steps)


def test_a_linear_head_is_fitted_on_all_galaxies(root):
    draw_clear_competition(np.arange(30) % 2 == 0).write_zips(root / "input")
    linear = {"optimizer": "linear", "freeze": "backbone"}
    run = Run(holdout_config(head={"hidden": []}, train=linear), prepare(n_folds=3))
    run.train(REFITS[:1])
    written = sorted(path.name for path in run.files(REFITS[0]).folder.glob("[!.]*"))
    assert written == ["fold.json", "history.csv", "test.csv", "timings.csv", "weights.safetensors"]


@pytest.fixture
def dataset(copy: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The trained project's dataset, in a copy in which we are."""
    monkeypatch.setenv("GALAXYZOO_ROOT", str(copy))
    monkeypatch.chdir(copy)
    return next(path.name for path in (copy / "oof").iterdir())


def read(path: Path) -> np.ndarray:
    return pd.read_csv(path, index_col=0).loc[[*COMPETITION.test_ids]].to_numpy()


def test_refits_predict_the_test_galaxies_beside_the_folds(copy, dataset, monkeypatch, capsys):
    ensemble = partial(run_here, monkeypatch)
    folder = RunFolder(dataset, "gz37/cnn")
    before = [path.read_bytes() for path in (folder.oof_csv, folder.test_csv)]
    refused = one_line_refusal(ensemble, "gz37/cnn", "--test", "refit")
    assert "gz37/cnn was not trained on all galaxies: type `bash" in refused
    printed = succeed(copy, *TRAIN, "--refit", "--seeds", "2", "--ensemble").stdout
    assert "This submission is from the folds' networks." in printed
    assert "averages it with that of the networks trained on all galaxies (gz37/cnn)." in printed
    both = f"python3 src/ensemble.py all --candidates {','.join(CANDIDATES)} --test both"
    place = f"--task gz37 --dataset {dataset}"
    assert printed.splitlines()[-1] == f"next: {both} {place}"
    ensemble("all", "--candidates", "mean")
    both = f"python3 src/ensemble.py all --candidates mean --test both {place}"
    assert capsys.readouterr().out.splitlines()[-1] == f"next: {both}"
    ensemble(*both.removeprefix("python3 src/ensemble.py ").split())
    assert EnsembleCard.of(EnsembleFolder(dataset, "gz37", "all")).test == "both"
    assert [path.read_bytes() for path in (folder.oof_csv, folder.test_csv)] == before
    seeds = [read(folder.training(name) / "test.csv") for name in REFITS]
    assert (seeds[0] != seeds[1]).any()
    refit = GALAXY_ZOO_2.project((seeds[0] + seeds[1]) / 2)
    assert np.allclose(read(folder.refit_csv), refit, atol=1e-8)
    folds = read(folder.test_csv)
    scores = set()
    predictions = {"folds": folds, "refit": refit, "both": (refit + folds) / 2}
    for networks, expected in predictions.items():
        ensemble("gz37/cnn", "--candidates", "mean", "--test", networks)
        built = EnsembleFolder(dataset, "gz37", "cnn")
        assert np.allclose(read(built.csv), expected, atol=1e-6)
        card = EnsembleCard.of(built)
        assert card.test == networks
        scores.add(card.score)
    assert len(scores) == 1  # the folds'
    text = folder.refit_csv.read_text()
    folder.refit_csv.write_text(folder.test_csv.read_text())
    for networks in ("refit", "both"):
        refused = one_line_refusal(ensemble, "gz37/cnn", "--test", networks)
        assert "cnn_refit.csv is missing or does not match its score card" in refused
    folder.refit_csv.write_text(text)

    run_command(monkeypatch, "export", "gz37/cnn", "--tables", "--output", "tables")
    ensemble("--import", "packed=tables/oof.csv.gz,tables/test.csv.gz")
    ensemble("--import", f"folds={folder.oof_csv},{folder.test_csv}")
    capsys.readouterr()
    ensemble("gz37/cnn", "gz37/folds")
    both = f"python3 src/ensemble.py gz37/cnn --test both --task gz37 --dataset {dataset}"
    printed = capsys.readouterr().out
    assert "Only these runs were also trained on all galaxies: gz37/cnn." in printed
    assert "averages it" not in printed  # it has another run
    assert printed.splitlines()[-1] == f"next: {both}"
    ensemble("gz37/packed", "--candidates", "mean", "--test", "refit")
    assert np.allclose(read(EnsembleFolder(dataset, "gz37", "packed").csv), refit, atol=1e-5)
    (copy / "tables/test_refit.csv.gz").write_bytes((copy / "tables/test.csv.gz").read_bytes())
    changed = ("--import", "again=tables/oof.csv.gz,tables/test.csv.gz")
    assert "do not match tables/oof.json" in one_line_refusal(ensemble, *changed)


def test_an_imported_run_is_trained_on_all_galaxies_without_its_folds(
    copy, dataset, tmp_path, monkeypatch
):
    ensemble = partial(run_here, monkeypatch)
    folder = RunFolder(dataset, "gz37/cnn")
    for name, path in {"oof": folder.oof_csv, "test": folder.test_csv}.items():
        shutil.move(path, tmp_path / f"cnn_{name}.csv")
    folder.card.unlink()
    shutil.rmtree(folder.path)
    ensemble("--import", tmp_path)
    oof = folder.oof_csv.read_bytes()
    script, *words = TRAIN
    refused = one_line_refusal(run_command, monkeypatch, Path(script).stem, *words)
    assert "gz37/cnn was imported: name it alone with --refit" in refused  # and stays
    succeed(copy, *TRAIN, "--refit")
    assert sorted(path.name for path in folder.path.glob("*_*")) == ["refit_0"]
    ensemble("--import", tmp_path)
    card = RunCard.of(dataset, "gz37/cnn")
    assert (card.refits, bool(card.imported), folder.oof_csv.read_bytes()) == (1, True, oof)
    ensemble("gz37/cnn", "--candidates", "mean", "--test", "both")
