"""The real commands on a tiny competition, as a user types them."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, WRITE_TOLERANCE
from support.commands import (
    COMPETITION,
    SRC,
    TINY,
    TRAIN,
    artefacts,
    call,
    complaint,
    dataset,
    environment,
    table,
)
from support.kaggle_fixtures import COLUMNS


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder in which the whole path has run once."""
    root = tmp_path_factory.mktemp("trained")
    COMPETITION.write_zips(root / "input")
    result = call(root, *TRAIN, "--ensemble")
    assert result.returncode == 0, result.stderr
    assert "predictions.csv" in result.stdout
    assert "gz37/cnn" in result.stdout
    return root


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    """The trained folder again, to do as one likes with it."""
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def test_oof_holds_every_training_galaxy_once_with_its_fold(trained: Path) -> None:
    oof = table(trained, "oof")
    split = pd.read_csv(trained / "folds" / dataset(trained) / "train.csv", index_col="GalaxyID")
    assert oof.index.tolist() == COMPETITION.votes.index.tolist()
    assert oof["fold"].tolist() == split["fold"].tolist()
    assert sorted(oof["fold"].value_counts()) == [12, 12, 12]


def test_each_oof_row_is_of_the_model_that_never_saw_it(trained: Path) -> None:
    name = dataset(trained)
    oof = table(trained, "oof")
    for fold in range(3):
        own = pd.read_csv(
            trained / "folds" / name / "gz37/cnn" / f"fold_{fold}" / "val.csv", index_col="GalaxyID"
        )
        assert sorted(own.index) == oof.index[oof["fold"] == fold].tolist()
        assert np.allclose(oof.loc[own.index, COLUMNS], own[COLUMNS], atol=1e-9)
    tests = [
        pd.read_csv(
            trained / "folds" / name / "gz37/cnn" / f"fold_{fold}" / "test.csv",
            index_col="GalaxyID",
        )
        for fold in range(3)
    ]
    assert np.allclose(table(trained, "submissions"), sum(tests) / 3, atol=2e-9)


def test_the_submission_is_one_that_kaggle_accepts(trained: Path) -> None:
    frame = pd.read_csv(trained / "submissions" / "predictions.csv")
    assert list(frame.columns) == ["GalaxyID", *COLUMNS]
    assert frame["GalaxyID"].tolist() == COMPETITION.test_ids.tolist()
    votes = frame[COLUMNS].to_numpy()
    assert np.isfinite(votes).all()
    assert votes.min() >= 0
    assert votes.max() <= 1
    assert GALAXY_ZOO_2.residuals(votes).max() <= WRITE_TOLERANCE


def test_a_second_call_does_no_finished_work_again(copy: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("weights.safetensors")}
    first = artefacts(copy)
    result = call(copy, *TRAIN, "--ensemble")
    assert result.returncode == 0, result.stderr
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("weights.safetensors")} == before
    assert "nothing has changed" in result.stdout
    assert "step/s" not in result.stderr
    assert "decoding" not in result.stderr
    assert artefacts(copy) == first


def test_a_killed_run_goes_on_to_the_same_bytes(trained: Path, tmp_path: Path) -> None:
    COMPETITION.write_zips(tmp_path / "input")
    command = [sys.executable, str(SRC / "train.py"), *TRAIN[1:]]
    process = subprocess.Popen(
        command,
        env=environment(tmp_path),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not list(
        tmp_path.glob("folds/*/gz37/cnn/fold_1/history.csv")
    ):  # in the middle of the second fold
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not list(tmp_path.glob("folds/*/gz37/cnn/fold_2/weights.safetensors"))
    result = call(tmp_path, *TRAIN, "--ensemble")
    assert result.returncode == 0, result.stderr
    assert artefacts(tmp_path) == artefacts(trained)


def test_predict_gives_what_the_test_table_holds(trained: Path, tmp_path: Path) -> None:
    for galaxy_id in COMPETITION.test_ids:
        (tmp_path / f"{galaxy_id}.jpg").write_bytes(COMPETITION.images[int(galaxy_id)])
    (tmp_path / "123.jpg").write_bytes(b"no image")
    result = call(trained, "predict.py", "gz37/cnn", tmp_path, "--output", tmp_path / "out.csv")
    assert result.returncode == 0, result.stderr
    assert "123.jpg" in result.stdout
    got = pd.read_csv(tmp_path / "out.csv", index_col="GalaxyID").loc[COMPETITION.test_ids]
    expected = GALAXY_ZOO_2.project(np.clip(table(trained, "submissions").to_numpy(), 0, 1))
    assert np.allclose(got, expected, atol=1e-6)


def test_predict_takes_zips_and_files_and_names_what_is_no_id(
    trained: Path, tmp_path: Path
) -> None:
    name = tmp_path / "=my galaxy.jpg"
    name.write_bytes(COMPETITION.images[int(COMPETITION.test_ids[0])])
    archive = trained / "input" / "images_test_rev1.zip"
    result = call(
        trained, "predict.py", "gz37/cnn", archive, name, "--output", tmp_path / "out.csv"
    )
    assert result.returncode == 0, result.stderr
    got = pd.read_csv(tmp_path / "out.csv", index_col="image")
    assert len(got) == len(COMPETITION.test_ids) + 1
    assert not any(label.startswith("=") for label in got.index)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["gz37/nothing", "x.jpg"], "gz37/cnn"),
        (["gz37/cnn", "missing.jpg"], "missing.jpg"),
        (["gz37/cnn", "missing.zip"], "missing.zip"),
        (["gz37/cnn", "missing.zip", "--dataset", "other"], "other"),
    ],
)
def test_predict_says_what_is_wrong(trained: Path, words: list[str], named: str) -> None:
    assert named in complaint(call(trained, "predict.py", *words))
    assert not (trained / "predictions.csv").exists()


def test_other_settings_do_not_mix_with_trained_folds(copy: Path) -> None:
    before = artefacts(copy)
    assert "train.lr 0.001 → 0.5" in complaint(call(copy, *TRAIN, "train.lr=0.5"))
    assert artefacts(copy) == before


def test_the_last_runs_mistake_is_said_before_the_first_run_starts(copy: Path) -> None:
    before = artefacts(copy)
    words = ["gz37/mobilenetv2", "gz37/cnn", *TINY, "augment.transforms=[{name: Blurr}]"]
    assert "Blurr" in complaint(call(copy, "train.py", *words))
    assert artefacts(copy) == before


def test_an_optimistic_run_alone_makes_no_ensemble_and_no_error(tmp_path: Path) -> None:
    COMPETITION.write_zips(tmp_path / "input")
    result = call(tmp_path, *TRAIN, "train.epochs=1", "train.checkpoint=best", "--ensemble")
    assert result.returncode == 0, result.stderr
    assert "no ensemble" in result.stdout
    assert not (tmp_path / "submissions" / "predictions.csv").exists()


def test_changed_labels_do_not_mix_with_the_split(copy: Path) -> None:
    before = artefacts(copy)
    votes = COMPETITION.votes.copy()
    votes.iloc[:] = votes.to_numpy()[::-1]
    type(COMPETITION)(votes, COMPETITION.test_ids, COMPETITION.images).write_zips(copy / "input")
    assert "folds/" in complaint(call(copy, *TRAIN))
    assert artefacts(copy) == before


def test_oof_tables_of_different_splits_are_not_combined(copy: Path) -> None:
    before = artefacts(copy)
    name = dataset(copy)
    card = copy / "oof" / name / "gz37/cnn.json"
    card.write_text(card.read_text().replace('"fingerprint": "', '"fingerprint": "0'))
    before[str(card.relative_to(copy))] = card.read_bytes()
    assert "cnn.csv" in complaint(call(copy, "ensemble.py"))
    assert artefacts(copy) == before


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["gz37/resnet19"], "gz37/resnet18"),
        (["gz37/cnn", "train.epoch=3"], "epochs"),
        (["gz37/cnn", "train.epochs=many"], "train.epochs"),
        (["gz37/cnn", "--data", "nowhere"], "nowhere"),
        (["gz37/cnn", "--only", "5"], "--only"),
    ],
)
def test_train_says_what_is_wrong(copy: Path, words: list[str], named: str) -> None:
    before = artefacts(copy)
    assert named in complaint(call(copy, "train.py", *words))
    assert artefacts(copy) == before


def test_a_cut_off_zip_stops_everything_before_anything_is_written(tmp_path: Path) -> None:
    COMPETITION.write_zips(tmp_path / "input")
    path = tmp_path / "input" / "images_training_rev1.zip"
    path.write_bytes(path.read_bytes()[:-2000])
    assert "images_training_rev1.zip" in complaint(call(tmp_path, *TRAIN))
    assert artefacts(tmp_path) == {}


def test_plan_and_smoke_keep_nothing(copy: Path) -> None:
    before = artefacts(copy)
    for option, word in (("--plan", "disk"), ("--smoke", "RMSE")):
        result = call(copy, *TRAIN, option)
        assert result.returncode == 0, result.stderr
        assert word in result.stdout
    assert artefacts(copy) == before


def test_an_unreadable_test_image_still_gets_a_row(tmp_path: Path) -> None:
    bad = int(COMPETITION.test_ids[2])
    images = {**COMPETITION.images, bad: b"no image"}
    type(COMPETITION)(COMPETITION.votes, COMPETITION.test_ids, images).write_zips(
        tmp_path / "input"
    )
    result = call(
        tmp_path, "train.py", "gz37/cnn", *TINY, "--folds", "3", "--only", "0", "train.epochs=1"
    )
    assert result.returncode == 0, result.stderr
    assert str(bad) in result.stdout + result.stderr
    assert np.allclose(table(tmp_path, "submissions").loc[bad], COMPETITION.votes.mean(), atol=1e-8)
