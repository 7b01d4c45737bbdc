"""An ensemble that answers for any image, by the real commands; refused once it has changed."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from support.commands import (
    COMPETITION,
    TRAIN,
    artefacts,
    call,
    complaint,
    dataset,
    succeed,
    table,
)
from support.kaggle_fixtures import COLUMNS


@pytest.fixture
def copy(trained_project: Path, tmp_path: Path) -> Path:
    """A copy of the trained project, to change."""
    return Path(shutil.copytree(trained_project, tmp_path / "copy"))


def predict(root: Path, *words: str | Path) -> str:
    """What predict.py prints of the test images; it writes out.csv."""
    archive = root / "input" / "images_test_rev1.zip"
    return succeed(root, "predict.py", *words, archive, "--output", root / "out.csv").stdout


def refusal(root: Path) -> str:
    """The error line of an ensemble that cannot be applied any more."""
    archive, before = root / "input" / "images_test_rev1.zip", artefacts(root)
    words = ["predict.py", "ensemble:default", archive, "--output", root / "out.csv"]
    line = complaint(call(root, *words))
    assert artefacts(root) == before
    assert not (root / "out.csv").exists()
    return line


@pytest.mark.parametrize("words", [(), ("ensemble:default",), ("ensemble:gz37",)])
def test_it_gives_the_submissions_numbers(copy: Path, words: tuple[str, ...]) -> None:
    printed = predict(copy, *words)
    assert (f"by ensemble:default of dataset {dataset(copy)}" in printed) == (not words)
    assert "of 1 runs (3 networks)" in printed
    got = pd.read_csv(copy / "out.csv", index_col="GalaxyID").loc[COMPETITION.test_ids]
    expected = pd.read_csv(copy / "submissions/predictions.csv", index_col="GalaxyID")
    assert abs(got[COLUMNS] - expected[COLUMNS]).to_numpy().max() < 1e-6


def test_without_the_ensemble_the_best_run_answers(copy: Path) -> None:
    (copy / "submissions/predictions.csv").unlink()
    assert "by gz37/cnn of dataset" in predict(copy)
    got = pd.read_csv(copy / "out.csv", index_col="GalaxyID").loc[COMPETITION.test_ids]
    assert abs(got - table(copy, "submissions")).to_numpy().max() < 0.05
    assert f"by ensemble:default of dataset {dataset(copy)}" in predict(
        copy, "--dataset", dataset(copy)
    )


def test_a_changed_file_or_card_is_one_line(copy: Path) -> None:
    folder = copy / "submissions" / dataset(copy) / "gz37"
    for name, place in (("predictions.safetensors", -1), ("predictions.json", 100)):
        data = bytearray((folder / name).read_bytes())
        data[place] ^= 1
        (folder / name).write_bytes(data)
        assert f"gz37/{name} " in refusal(copy)
        data[place] ^= 1
        (folder / name).write_bytes(data)
    predict(copy, "ensemble:default")


def test_a_member_that_lacks_networks_or_was_trained_again_is_one_line(copy: Path) -> None:
    fold = copy / "folds" / dataset(copy) / "gz37/cnn/fold_1"
    fold.rename(copy / "fold_1")
    assert "gz37/cnn, a member of submissions/" in (line := refusal(copy))
    assert "lacks networks: type `bash scripts/train_folds.sh gz37/cnn`" in line
    (copy / "fold_1").rename(fold)
    weights = fold / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert "weights.safetensors is not the file" in refusal(copy)
    shutil.rmtree(fold.parent)
    succeed(copy, *TRAIN, "train.seed=1")
    assert "has been trained since it was made: type `python3 src/ensemble.py" in refusal(copy)
    succeed(copy, "ensemble.py")
    predict(copy)


def test_tables_without_networks_are_named(copy: Path) -> None:
    oof, test = (
        copy / folder / dataset(copy) / "gz37/cnn.csv" for folder in ("oof", "submissions")
    )
    succeed(copy, "ensemble.py", "--external", "theirs", oof, test)
    assert "combines external/theirs, of which there are tables but no networks" in refusal(copy)
