"""Every command that a command prints works as it is printed, here on tiny configs.

`input/` holds the competition twice, so a command without its dataset stops.
"""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from galaxyzoo.core.launch import typed
from galaxyzoo.data.readers.kaggle import dataset_name
from galaxyzoo.results.fold_files import DONE
from galaxyzoo.results.imported import list_pairs
from galaxyzoo.results.layout import RunFolder
from support.commands import COMPETITION, call, complaint, succeed
from support.small_models import BASE
from support.trained import run_command, save_project

NAME = dataset_name(COMPETITION.votes.index.to_numpy(), COMPETITION.test_ids, Path())


@pytest.fixture(scope="module", autouse=True)
def tiny_configs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Small configs in place of the real ones."""
    folder = tmp_path_factory.mktemp("configs")
    recipe = BASE | {"tta": {"dihedral": False, "angles": 1}}
    contents = {"gz37/cnn": recipe, "ensembles/default": {"runs": ["gz37/cnn"]}}
    for name, content in contents.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GALAXYZOO_CONFIGS", str(folder))
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_configs: None) -> Path:
    """A project with a trained run and its ensemble, on one of two datasets."""
    root = tmp_path_factory.mktemp("finished")
    for name in (NAME, "copy"):
        COMPETITION.write_zips(root / "input" / name)
    succeed(root, "train.py", "--ensemble", "--data", NAME, "--folds", "3")
    return root


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "project"))


def printed_commands(text: str) -> list[list[str]]:
    """Entry script and arguments of each command in what was printed."""
    found = re.findall(r"(?:python3|bash) (?:src|scripts)/[^`\n]+", text)
    commands = []
    for line in found:
        _, script, *words = shlex.split(line)
        command = [Path(script).name]
        if command == ["train_folds.sh"]:
            command = ["train.py", "--ensemble"]
        commands.append(command + words)
    return commands


def check_printed(root: Path, text: str) -> None:
    commands = printed_commands(text)
    assert commands, text
    for command in commands:
        succeed(root, *command)


@pytest.mark.parametrize("words", [["--plan"], ["--only", "0"], ["train.checkpoint=best"]])
def test_after_a_part_of_a_training_comes_what_ends_in_a_submission(tmp_path, words):
    COMPETITION.write_zips(tmp_path / "input" / NAME)
    printed = succeed(tmp_path, "train.py", "--folds", "2", *words, "--ensemble").stdout
    check_printed(tmp_path, printed.splitlines()[-1])
    assert (tmp_path / "submissions" / "predictions.csv").is_file()


@pytest.mark.parametrize(
    ("typed", "missing"),
    [
        ("evaluate.py gz37 --dataset {0}", "oof submissions"),
        ("predict.py gz37/cnn input/{0}/images_test_rev1.zip --dataset {0}", "oof submissions"),
        ("export.py gz37/cnn --dataset {0} --no-onnx", "folds/{0}/gz37/cnn/fold_1"),
        ("intervals.py", "submissions/{0}/gz37/default/predictions.json"),
    ],
)
def test_a_refusal_names_a_command_after_which_it_goes_on(project, typed, missing):
    for name in missing.format(NAME).split():
        path = project / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    script, *words = typed.format(NAME).split()
    refused = complaint(call(project, script, *words))
    check_printed(project, refused)
    succeed(project, script, *words)


ODD = "gal's (1) & $HOME"  # name of a folder
NEXT = {
    "prepare --data {odd}": "train_folds --data {odd}",
    "explore --data {odd}": "train_folds --plan --data {odd}",
    "evaluate gz37/run0 --dataset {odd}": "app gz37/run0 --dataset {odd}",
    "ensemble gz37/run0 gz37/run1 --candidates mean --name a+b --dataset {odd}": (
        "evaluate ensemble:a+b --dataset {odd}"
    ),
    "ensemble --import new={odd}/o.csv,{odd}/t.csv --dataset {odd}": (
        "ensemble all --task gz37 --dataset {odd}"
    ),
}


def test_names_with_blanks_and_quotes_come_through_a_shell(root, monkeypatch, capsys):
    COMPETITION.write_zips(root / "input" / ODD)
    save_project(ODD)
    run = RunFolder(ODD, "gz37/run0")
    mark = run.training("fold_0") / DONE  # it has a network
    mark.parent.mkdir(parents=True)
    mark.touch()
    monkeypatch.chdir(root)
    Path(ODD).mkdir()
    shutil.copy(run.oof_csv, Path(ODD, "o.csv"))
    shutil.copy(run.test_csv, Path(ODD, "t.csv"))
    for entered, expected in NEXT.items():
        script, *words = [word.format(odd=ODD) for word in entered.split()]
        run_command(monkeypatch, script, *words)
        _, _, printed = capsys.readouterr().out.strip().splitlines()[-1].partition("next: ")
        command, *arguments = [word.format(odd=ODD) for word in expected.split()]
        assert shlex.split(printed) == [*typed(command).split(), *arguments]


def test_a_run_of_a_task_with_blanks_can_be_imported(tmp_path):
    (tmp_path / "t.csv").touch()
    table = tmp_path / "t.csv"
    (pair,) = list_pairs([f"{ODD}/head-tables={table},{table}"], "gz37")
    assert (pair.run, pair.oof) == (f"{ODD}/head-tables", table)
