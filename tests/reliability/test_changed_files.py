"""Files of a trained run that were changed, exchanged or lost: commands name them and stop."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from galaxyzoo.results.fold_files import DONE, WEIGHTS
from support.commands import TRAIN, artifacts, dataset
from support.fuzz_fixtures import flip_a_bit
from support.refusals import one_line_refusal
from support.trained import run_command

COLLECT = [*TRAIN, "--ensemble"]
PREDICT = ["predict.py", "gz37/cnn", "input/images_test_rev1.zip", "--output", "new.csv"]
GRADCAM = ["gradcam.py", "gz37/cnn", "--galaxy-id", "1"]
NETWORKS = (COLLECT, PREDICT, ["export.py", "gz37/cnn", "--no-onnx"])


def folder(root: Path, fold: int = 0) -> Path:
    return root / "folds" / dataset(root) / f"gz37/cnn/fold_{fold}"


def change_a_number(path: Path) -> None:
    head, first, *others = path.read_text().splitlines(keepends=True)
    galaxy, value, rest = first.split(",", 2)
    path.write_text("".join([head, f"{galaxy},{float(value) / 2:.9f},{rest}", *others]))


def put_another_folds(path: Path) -> None:
    shutil.copyfile(path.parent.with_name("fold_1") / path.name, path)


def change_the_notes(path: Path) -> None:
    path.write_text(path.read_text().replace('_leakage": false', '_leakage": true'))


CHANGES: dict[str, tuple[str, Callable[[Path], object], tuple[list[str], ...]]] = {
    "a number in a validation table": ("val.csv", change_a_number, (COLLECT,)),
    "another fold's test table": ("test.csv", put_another_folds, (COLLECT,)),
    "another fold's weights": (WEIGHTS, put_another_folds, (PREDICT,)),
    "a flipped bit in weights": (WEIGHTS, flip_a_bit, NETWORKS),
    "no weights": (WEIGHTS, Path.unlink, NETWORKS),
    "another epoch's history": ("history.csv", change_a_number, (COLLECT,)),
    "a number in the mark": (DONE, change_the_notes, (COLLECT, PREDICT)),
    "another fold's mark": (DONE, put_another_folds, (COLLECT, PREDICT)),
}


@pytest.fixture
def refuse(copy: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], str]:
    """What a command says that refuses to work in the copy, here in this process."""
    monkeypatch.setenv("GALAXYZOO_ROOT", str(copy))
    monkeypatch.chdir(copy)

    def refuse(command: list[str]) -> str:
        script, *words = command
        return one_line_refusal(run_command, monkeypatch, Path(script).stem, *words)

    return refuse


@pytest.mark.parametrize("case", CHANGES)
def test_a_changed_file_is_named_and_nothing_is_made_of_it(copy, refuse, case):
    name, change, commands = CHANGES[case]
    path = folder(copy) / name
    change(path)
    before = artifacts(copy)
    for command in commands:
        line = refuse(command)
        assert str(path.relative_to(copy)) in line
        assert f"delete {folder(copy).relative_to(copy)} to retrain" in line
    assert artifacts(copy) == before


@pytest.mark.parametrize(
    ("lost", "command", "named"),
    [
        ("gz37/cnn/config.yaml", COLLECT, "exists, but its settings"),
        ("dataset.json", COLLECT, "but not their split (dataset.json)"),
        ("dataset.json", GRADCAM, "but not their split (dataset.json)"),
    ],
)
def test_folds_without_their_settings_or_split_are_refused(copy, refuse, lost, command, named):
    (copy / "folds" / dataset(copy) / lost).unlink()
    before = artifacts(copy)
    assert named in refuse(command)
    assert artifacts(copy) == before
