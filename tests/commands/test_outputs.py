"""No command writes over what a user made, an input, or another command's files."""

import os
from pathlib import Path

import pytest

from galaxyzoo import commands
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import check_output
from support.commands import call, complaint, parser_of, succeed
from support.forms import write_folder
from support.pictures import draw_images

# Options that take a path to read, and those that take one to write with a line that has each.
READ = {
    "--audit",
    "--folds-from",
    "--image",
    "--import",
    "images",
    "file",
    "folder",
    "search",
    "--data",
}
WRITE = {
    ("predict", "--output"): ["cutouts", "--output"],
    ("survey", "--table"): ["cutouts", "votes/", "--table"],
    ("survey", "words"): ["cutouts"],
    ("export", "--output"): ["gz37/cnn", "--no-onnx", "--output"],
    ("gradcam", "--output"): ["gz37/cnn", "--image", "cutouts/0.png", "--output"],
    ("evaluate", "--output"): ["gz37", "--output"],
    ("explore", "--output"): ["--output"],
    ("download_data", "--folder"): ["--folder"],
}


def test_every_option_that_takes_a_path_is_listed_here():
    options = {
        (name, (action.option_strings or [action.dest])[-1])
        for name in commands.names()
        for action in parser_of(name)[0]._actions
        if action.type is Path or str(action.metavar).startswith(("FILE", "FOLDER"))
    }
    options |= {("predict", "--output"), ("survey", "words")}  # a folder or a table
    assert {o for o in options if o[1] not in READ} == set(WRITE)


# A small network, one view: of bundled ones, the network costs most of a prediction.
QUICKLY = ["gz37/cnn", "--folds", "0", "--views", "1"]


@pytest.fixture
def root(copy: Path) -> Path:
    """A trained project with two cut-outs."""
    write_folder(copy / "cutouts", list(draw_images(2)), ["0", "1"])
    return copy


@pytest.mark.slow
@pytest.mark.parametrize(("command", "option"), WRITE)
def test_files_of_other_commands_and_of_users_are_left_alone(root, command, option):
    words = WRITE[command, option]
    if command in ("predict", "survey"):
        words = [*QUICKLY, *words]
    suffix = {"--table": ".fits", "words": ".fits", "--folder": "/"}.get(option, ".csv")
    suffix = {"evaluate": "/", "explore": "/", "export": "/"}.get(command, suffix)
    mine = root / f"mine{suffix}"
    if suffix == "/":
        mine.mkdir()
    kept = mine / "notes" if suffix == "/" else mine
    kept.write_text("years of work")
    paths = [f"oof/x{suffix}", f"mine{suffix}"]
    for path in paths[: 1 if command == "download_data" else 2]:  # files may join a folder
        assert str(Path(path)) in complaint(call(root, f"{command}.py", *words, path))
        assert not (root / "oof/x").with_suffix(suffix.strip("/")).exists()
        assert kept.read_text() == "years of work"


@pytest.mark.slow
def test_predictions_replace_those_of_the_same_images_alone(root):
    write_folder(root / "others", list(draw_images(2)), ["0", "2"])
    for name in ("predictions.csv", "votes.parquet"):
        for _ in range(2):
            succeed(root, "predict.py", *QUICKLY, "cutouts", "--output", name)
        before = (root / name).read_bytes()
        assert name in complaint(call(root, "predict.py", *QUICKLY, "others", "--output", name))
        assert (root / name).read_bytes() == before


@pytest.mark.slow
def test_a_survey_replaces_its_own_table_alone(root):
    words = [*QUICKLY, "cutouts", "votes/", "--table"]
    write_folder(root / "others", list(draw_images(2)), ["0", "2"])
    for table in ("votes/t.fits", "t.ecsv", "t.vot", "t.parquet"):
        succeed(root, "survey.py", *words, table)
        before = (root / table).read_bytes()
        others = [*QUICKLY, "others", "other/", "--table", table]
        assert table in complaint(call(root, "survey.py", *others))
        assert (root / table).read_bytes() == before
    succeed(root, "survey.py", *words, table, "--names", "words")
    assert (root / table).read_bytes() != before
    for _ in range(2):
        succeed(root, "predict.py", *QUICKLY, "cutouts", "--output", "one.fits")
    for taken in ("votes/parts/x.parquet", "votes/errors.parquet", "cutouts/0.fits"):
        (root / "cutouts/0.fits").write_text("a cut-out")
        assert taken in complaint(call(root, "survey.py", *words, taken))


@pytest.mark.parametrize("output", ["in", ".", "in/a.csv", "in/a.csv/x", "closed/x/y"])
def test_inputs_and_what_nobody_may_write_are_no_outputs(tmp_path, monkeypatch, output):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "access", lambda folder, mode: folder.name != "closed")
    (tmp_path / "in").mkdir()
    (tmp_path / "closed").mkdir()
    (tmp_path / "in/a.csv").touch()
    with pytest.raises(InputError, match=r"is or contains an input|cannot be written: "):
        check_output("--output", Path(output), [Path("in/a.csv")], lambda path: True)
