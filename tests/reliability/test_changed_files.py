"""Files of a trained run that were changed, exchanged or lost: commands name them and stop."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from galaxyzoo.core.manifest import FORMAT
from galaxyzoo.results.layout import DONE, WEIGHTS
from support.commands import TRAIN, artifacts, call, complaint, dataset
from support.refusals import listing

COLLECT = [*TRAIN, "--ensemble"]
PREDICT = ["predict.py", "gz37/cnn", "input/images_test_rev1.zip", "--output", "new.csv"]
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
    path.write_text(
        path.read_text().replace('"possible_leakage": false', '"possible_leakage": true')
    )


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-50] ^= 1
    path.write_bytes(data)


CHANGES: dict[str, tuple[str, Callable[[Path], object], tuple[list[str], ...]]] = {
    "a number in a validation table": ("val.csv", change_a_number, (COLLECT,)),
    "another fold's test table": ("test.csv", put_another_folds, (COLLECT,)),
    "another fold's weights": (WEIGHTS, put_another_folds, (PREDICT,)),
    "a flipped bit in weights": (WEIGHTS, flip_a_bit, NETWORKS),
    "no weights": (WEIGHTS, Path.unlink, NETWORKS),
    "another epoch's history": ("history.csv", change_a_number, (COLLECT, ["evaluate.py", "gz37"])),
    "a number in the mark": (DONE, change_the_notes, (COLLECT, PREDICT)),
    "another fold's mark": (DONE, put_another_folds, (COLLECT, PREDICT)),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_changed_file_is_named_and_nothing_is_made_of_it(project, case):
    name, change, commands = CHANGES[case]
    kept = listing(project)
    path = folder(project) / name
    change(path)
    before = artifacts(project)
    try:
        for command in commands:
            line = complaint(call(project, *command))
            assert str(path.relative_to(project)) in line
            assert f"delete {folder(project).relative_to(project)} to retrain" in line
        assert artifacts(project) == before
    finally:
        path.write_bytes(kept[str(path)])


def test_folds_without_their_settings_are_refused(project):
    run = folder(project).parent
    (run / "config.yaml").rename(run / "kept")
    try:
        assert "its settings, config.yaml: restore them" in complaint(call(project, *COLLECT))
    finally:
        (run / "kept").rename(run / "config.yaml")


@pytest.mark.parametrize("command", [COLLECT, ["gradcam.py", "gz37/cnn", "--galaxy-id", "1"]])
def test_runs_without_their_split_are_refused(project, command):
    split = project / "folds" / dataset(project)
    (split / "dataset.json").rename(split / "kept")
    before = artifacts(project)
    try:
        assert "but not their split (dataset.json)" in complaint(call(project, *command))
        assert artifacts(project) == before
    finally:
        (split / "kept").rename(split / "dataset.json")


@pytest.mark.parametrize("of", ["dataset.json", "gz37/cnn/fold_0/fold.json"])
def test_artifacts_of_an_earlier_format_are_named(project, of):
    path = project / "folds" / dataset(project) / of
    kept, before = path.read_text(), artifacts(project)
    path.write_text(kept.replace(f'  "format": {FORMAT},\n', ""))
    try:
        for command in (COLLECT, PREDICT):
            line = complaint(call(project, *command))
            assert f"{path.relative_to(project)} was made by an earlier version" in line
            assert "delete " in line
    finally:
        path.write_text(kept)
    assert artifacts(project) == before
