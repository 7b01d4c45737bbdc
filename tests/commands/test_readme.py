"""Every command in the README: which test runs it, or why none does; each names what there is."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from galaxyzoo.config.loading import all_runs
from galaxyzoo.core.paths import CODE_ROOT as ROOT
from galaxyzoo.tasks.registry import TASKS
from support.commands import succeed

HOURS = "not run: takes hours; the same command runs on small data in commands/test_main_path.py"
FILES = "not run: needs the competition's files; commands/test_ensembles_by_name.py, on small ones"
COMMANDS = {
    "bash scripts/train_folds.sh": "commands/test_demo.py",
    "bash scripts/test.sh": "commands/test_scripts.py",
    "bash scripts/setup.sh": "commands/test_scripts.py",
    "bash scripts/download_data.sh": "download/test_kaggle_submission.py",
    "bash scripts/submit.sh -m 'what it is'": "download/test_kaggle_submission.py",
    "bash scripts/train_folds.sh --plan": "commands/test_main_path.py",
    "bash scripts/train_folds.sh --data kaggle-mini": HOURS,
    "bash scripts/train_folds.sh --data kaggle-mini gz37/d4cnn": HOURS,
    "bash scripts/train_folds.sh gz37/mine": HOURS,
    "bash scripts/train_folds.sh hubble10": "commands/test_class_tasks.py",
    "bash scripts/train_folds.sh zoo5 --data mine": "commands/test_stages_other_dataset.py",
    "python3 src/prepare.py --subset kaggle-mini": "data/readers/test_kaggle_subsets.py",
    "python3 src/prepare.py --data kaggle-mini": "data/readers/test_kaggle_subsets.py",
    "python3 src/ensemble.py": "commands/test_main_path.py",
    "python3 src/ensemble.py transfer": FILES,
    "python3 src/ensemble.py hubble10-transfer": FILES,
    "python3 src/predict.py my_galaxies/": "inference/test_bundled.py",
    "python3 src/predict.py --columns": "commands/test_readme.py",
    "python3 src/train.py --settings": "commands/test_readme.py",
    "python3 src/predict.py survey/ --output votes/": "inference/test_bundled.py",
    "python3 src/app.py": "support/browser.py",
    "python3 src/gradcam.py gz37/d4cnn_transfer --image one.jpg": "commands/test_explain.py",
    "python3 src/export.py gz37/mobilenetv2": "export/test_bundle.py",
}
NOT_HERE = {"gz37/mine", "elliptical_spiral/cnn_tuned"}  # runs that a user will have


def commands(text: str) -> list[list[str]]:
    """Words of each command in a Markdown text, without comments."""
    found = re.findall(r"(?:python3|bash) (?:src|scripts)/[^`\n…]+", text.replace("\\\n", ""))
    return [shlex.split(line, comments=True) for line in found]


def test_each_command_is_run_by_a_test_or_said_not_to_be() -> None:
    found = {shlex.join(words) for words in commands((ROOT / "README.md").read_text())}
    assert found == set(COMMANDS)
    for command, where in COMMANDS.items():
        (test,) = re.findall(r"[\w/]+\.py", where)
        text, words = (ROOT / "tests" / test).read_text(), shlex.split(command)
        script = Path(words[1]).name.replace("train_folds.sh", "train")  # set-up, then train.py
        named = [script, *(word for word in words if word.startswith("--"))]
        assert all(word in text for word in named if where not in (HOURS, FILES)), (command, test)


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.stem)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_commands_name_is_there(page: Path, tmp_path: Path) -> None:
    """Scripts, options and runs, of which none may be left from an older state."""
    for _, script, *words in commands(page.read_text()):
        assert (ROOT / script).is_file(), script
        if script.startswith("src/"):
            part = [word for word in words[:1] if word == "gz2"]  # with a parser of its own
            options = succeed(tmp_path, Path(script).name, *part, "--help").stdout
            for word in words:
                assert not word.startswith("--") or word.split("=")[0] in options, (script, word)
        runs = {word for word in words if word.split("/")[0] in TASKS and "/" in word}
        assert runs <= {*all_runs(), *NOT_HERE}, (script, runs)


def test_settings_are_printed_as_yaml(tmp_path: Path) -> None:
    printed = succeed(tmp_path, "train.py", "gz37/cnn", "--settings", "tta", "tta.angles=2").stdout
    assert yaml.safe_load(printed) == {"dihedral": True, "angles": 2, "zooms": [1.0]}


def test_the_columns_in_words_are_those_of_the_page(tmp_path: Path) -> None:
    table = succeed(tmp_path, "predict.py", "--columns").stdout
    assert "8. What is odd about it? (after Class6.1)\n   Class8.1   ring\n" in table
    assert table in (ROOT / "docs/tasks.md").read_text()
