"""Commands and links of the pages name what there is."""

import functools
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
import yaml

from galaxyzoo.config.loading import all_runs
from galaxyzoo.core.paths import CODE_ROOT as ROOT
from galaxyzoo.tasks.registry import TASKS
from support.commands import succeed

NOT_HERE = {"gz37/mine"}  # runs that a user will have


def commands(text: str) -> list[list[str]]:
    """Words of each command in a Markdown text, without comments."""
    found = re.findall(r"(?:python3|bash) (?:src|scripts)/[^`\n…]+", text.replace("\\\n", ""))
    return [shlex.split(line, comments=True) for line in found]


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.stem)
def test_links_lead_to_files_and_headings(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@functools.cache
def help_of(*command: str) -> str:
    return succeed(ROOT, *command, "--help").stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_commands_name_is_there(page):
    """Scripts, options and runs, of which none may be left from an older state."""
    for _, script, *words in commands(page.read_text()):
        assert (ROOT / script).is_file(), script
        if script.startswith("src/"):
            part = [word for word in words[:1] if word == "gz2"]  # with a parser of its own
            options = help_of(Path(script).name, *part)
            for word in words:
                assert not word.startswith("--") or word.split("=")[0] in options, (script, word)
        runs = {word for word in words if word.split("/")[0] in TASKS and "/" in word}
        assert runs <= {*all_runs(), *NOT_HERE}, (script, runs)


def test_settings_are_printed_as_yaml(tmp_path):
    printed = succeed(tmp_path, "train.py", "gz37/cnn", "--settings", "tta", "tta.angles=2").stdout
    assert yaml.safe_load(printed) == {"dihedral": True, "angles": 2, "zooms": [1.0]}
    printed = succeed(tmp_path, "train.py", "gz37/d4cnn_transfer", "--settings", "head").stdout
    widths = [stage["hidden"] for stage in yaml.safe_load_all(printed)]
    assert widths == [512, 512, 256, 512]
    assert "--- # stage classes\n" in printed


def test_the_columns_in_words_are_those_of_the_page(tmp_path):
    table = succeed(tmp_path, "predict.py", "--columns").stdout
    assert "8. What is odd about it? (after Class6.1)\n   Class8.1   ring\n" in table
    assert table in (ROOT / "docs/tasks.md").read_text()


@pytest.mark.parametrize("ending", ["csv", "zip"])
def test_the_score_on_a_random_draw_can_be_checked(tmp_path, monkeypatch, capsys, ending):
    """By the lines on the page, here with the submission's own values moved in place of votes."""
    (block,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/lab/accuracy.md").read_text(), re.DOTALL
    )
    (tmp_path / "submissions").symlink_to(ROOT / "submissions")
    record = "submissions/records/kaggle-mini/gz37/transfer/predictions.csv"
    votes = pd.read_csv(ROOT / record, index_col="GalaxyID") + 0.25
    votes.iloc[1000:] += 1
    (tmp_path / "input").mkdir()
    votes.to_csv(tmp_path / f"input/training_solutions_rev1.{ending}")
    monkeypatch.chdir(tmp_path)
    exec(block, {})
    assert float(capsys.readouterr().out) == pytest.approx(0.25)
