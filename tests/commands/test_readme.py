"""Every command in the pages, messages and `--help` parses; links and code of pages work."""

import ast
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import yaml

from galaxyzoo import commands
from galaxyzoo.config.loading import all_runs
from galaxyzoo.core.launch import typed
from galaxyzoo.core.paths import CODE_ROOT as ROOT
from galaxyzoo.tasks.registry import TASKS
from support.commands import parser_of, succeed

VALUE = "VALUE"
NOT_HERE = {"gz37/mine", "gz37/name"}  # runs that a user will have, and one that shows a form
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = sorted((ROOT / "src/galaxyzoo").rglob("*.[pj][y2s]"))
SCRIPTS = sorted((ROOT / "scripts").rglob("*.sh"))


def printed_commands(text: str) -> list[list[str]]:
    """Script and arguments of each command in a text, without comments and columns of help."""
    found = re.findall(r"(?:python3 src|bash scripts)/(\w[^`\n…<|\\]+)", text.replace("\\\n", ""))
    plain = [re.split(r"\s{2,}|\s[#[]|[;:,] |\. ", line.strip())[0] for line in found]
    return [
        re.findall(r'"[^"]*"|\S+', line)
        for line in plain
        if " " in line and not line.startswith(VALUE)
    ]


def messages(source: Path) -> str:
    """All strings of a module, with `typed('train')` resolved and a word for each other value."""

    def text(part: ast.expr) -> str:
        if isinstance(part, ast.Constant):
            return str(part.value)
        script = re.search(r"typed\('(\w+)'\)", ast.unparse(part))
        return typed(script[1]) if script else VALUE

    nodes = [*ast.walk(ast.parse(source.read_text()))]
    joined = ["".join(map(text, node.values)) for node in nodes if isinstance(node, ast.JoinedStr)]
    plain = [str(node.value) for node in nodes if isinstance(node, ast.Constant)]
    return re.sub(rf"(?<=\S){VALUE}", "", "\n".join([*joined, *plain]))


QUOTED_BY_THE_CALLER = {"print_made": "arguments", "suggest": "arguments"}


def test_values_in_printed_commands_are_quoted():
    """By `quote` in the message itself, or where the variable in it is made."""
    commands = 0
    for source in (path for path in SOURCES if path.suffix == ".py"):
        for function in ast.walk(ast.parse(source.read_text())):
            if isinstance(function, ast.FunctionDef):
                is_quoted = partial(comes_quoted, function)
                for message in printed(function):
                    commands += 1
                    assert all(map(is_quoted, message)), (source, function.name)
    assert commands > 30


def printed(function: ast.FunctionDef) -> Iterator[list[str]]:
    """Code of the values in each command of a function's messages, up to its backtick."""
    for node in ast.walk(function):
        values: list[str] | None = None
        for part in node.values if isinstance(node, ast.JoinedStr) else ():
            if values is not None and "`" in text_of(part):
                break
            if values is not None and isinstance(part, ast.FormattedValue):
                values.append(ast.unparse(part.value))
            if "typed(" in ast.unparse(part):
                values = []
        if values is not None:
            yield values


def text_of(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else ""


def comes_quoted(function: ast.FunctionDef, value: str) -> bool:
    if value.isupper() or "quote(" in value:
        return True
    if "data_option(" in value or value.startswith("_survey_to_write("):
        return True
    if QUOTED_BY_THE_CALLER.get(function.name) == value:
        return True
    made = []
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == value:
            made.append(ast.unparse(node.value))
    return bool(made) and all("quote(" in code or " if " in code for code in made)


@pytest.mark.parametrize("path", [*PAGES, *SOURCES, *SCRIPTS], ids=lambda path: path.stem)
def test_what_is_printed_parses_and_names_runs_that_are_there(path):
    text = messages(path) if path.suffix == ".py" else path.read_text()
    for script, *words in printed_commands(text):
        assert (ROOT / "src" / script).is_file() or (ROOT / "scripts" / script).is_file(), script
        name = script.partition(".")[0].replace("train_folds", "train")
        if name in commands.names() and words not in (["--help"], ["--columns"]):
            parser, arguments = parser_of(name, *words)
            parser.parse_intermixed_args(arguments)
        runs = {word for word in words if word.split("/")[0] in TASKS and "/" in word}
        assert runs <= {*all_runs(), *NOT_HERE}, (script, runs)


def definitions() -> set[str]:
    """Paths of modules, and their names: `tasks/registry.py`, `build.build_model`, `Run.train`."""
    names = set[str]()
    for path in (ROOT / "src/galaxyzoo").rglob("*.py"):
        names.add(path.relative_to(ROOT / "src/galaxyzoo").as_posix())
        for node in ast.walk(ast.parse(path.read_text())):
            owner = node.name if isinstance(node, ast.ClassDef) else path.stem
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.ClassDef | ast.FunctionDef):
                    names |= {child.name, f"{owner}.{child.name}"}
                elif isinstance(child, ast.AnnAssign):
                    names.add(f"{owner}.{ast.unparse(child.target)}")
    return names


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_pages_about_the_code_name_what_is_there(page):
    """Modules, functions and classes; besides, they name files, settings and pytest's options."""
    path, name, klass = r"[a-z_/]+/\w+\.py", r"[A-Za-z]+\.[a-z_]+", r"[A-Z]\w*[a-z]\w*"
    named = {*re.findall(f"`({path}|{name}|{klass})`", (ROOT / page).read_text())}
    named = {code for code in named if not re.match(r"(src|scripts|tests|docs)/", code)}
    named = {code for code in named if not re.search(r"^\w+\.(py|csv|json|toml)$", code)}
    named -= {"model.name", "train.amp"}
    assert len(named) > 5
    assert named <= definitions()


def test_tests_are_named_after_the_module_that_they_test():
    """CONTRIBUTING's rule for the folders of subpackages."""
    package = ROOT / "src/galaxyzoo"
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        folder = path.parent.relative_to(ROOT / "tests")
        if not (package / folder).is_dir() or folder.name == "commands":
            continue
        modules = [module.stem for module in (package / folder).rglob("*.py")]
        name = path.stem.removeprefix("test_")
        assert any(name == module or name.startswith(f"{module}_") for module in modules), path


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


def test_settings_are_printed_as_yaml(tmp_path):
    printed = succeed(tmp_path, "train.py", "gz37/cnn", "--settings", "tta", "tta.angles=2").stdout
    assert yaml.safe_load(printed) == {"dihedral": True, "angles": 2, "zooms": [1.0]}
    printed = succeed(tmp_path, "train.py", "gz37/d4cnn_transfer", "--settings", "head").stdout
    assert "\nrun: bundled\n" in succeed(tmp_path, "train.py", "--settings", "teacher").stdout
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
