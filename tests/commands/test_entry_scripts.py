"""How entry scripts start: with which Python, and what they import first."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from galaxyzoo import commands
from galaxyzoo.config.loading import all_runs
from galaxyzoo.core.paths import CODE_ROOT as ROOT
from galaxyzoo.tasks.registry import TASKS

PINS = ROOT / "scripts" / "requirements"
ENTRIES = sorted(path.name for path in (ROOT / "src").glob("*.py"))


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_no_file_is_a_link_or_names_a_folder_or_a_python_of_some_machines():
    git = ["git", "-C", str(ROOT)]
    # Plain Debian has no `python`.
    command = [*git, "grep", "-nE", r"/(tmp|work)/|(^|[^/])\bpython (src|scripts)/"]
    named = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (named.returncode, named.stdout) == (1, "")
    modes = subprocess.check_output([*git, "ls-files", "--stage"], text=True)
    assert "\n120000 " not in f"\n{modes}"


@pytest.fixture
def bare_copy(tmp_path: Path) -> Path:
    """The entry scripts outside any environment, beside a .venv whose Python shows its call."""
    ignore = shutil.ignore_patterns("__pycache__")
    root = shutil.copytree(ROOT / "src", tmp_path / "src", ignore=ignore).parent
    shutil.copytree(PINS, root / "scripts" / "requirements")
    python = root / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/bash\necho "restarted $GALAXYZOO_RESTARTED: $*"\n')
    python.chmod(0o755)
    return root


def run_bare(script: Path, *options: str, **extra: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *options, str(script), "--help"]
    environment = {**os.environ, "GALAXYZOO_PYTHON": "", **extra}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_entry_scripts_begin_alike():
    texts = {name: (ROOT / "src" / name).read_text() for name in ENTRIES}
    assert len({text.replace(name[:-3], "NAME") for name, text in texts.items()}) == 1


def test_entry_script_without_packages_restarts_with_the_venvs_python_or_says_what_to_type(
    bare_copy,
):
    script, no_packages = bare_copy / "src/train.py", "-S"  # no site-packages, so no torch
    assert run_bare(script, no_packages).stdout == f"restarted 1: {script} --help\n"
    # A .venv without the packages ends it, and so does none at all.
    again = run_bare(script, no_packages, GALAXYZOO_RESTARTED="1")
    shutil.rmtree(bare_copy / ".venv")
    for result in (again, run_bare(script, no_packages)):
        assert (result.returncode, result.stdout) == (1, "")
        assert re.fullmatch(r"error: .*`bash scripts/setup\.sh`.*\n", result.stderr)


def test_what_is_imported_first_can_be_read_by_an_old_python():
    """Python 3.7 evaluates `X | None` where annotations are not left as text, and fails."""
    code = "import galaxyzoo.core.launch, sys; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    printed = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    for name in re.findall(r"\bgalaxyzoo\b\S*", printed):
        path = ROOT / "src" / name.replace(".", "/")
        source = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
        tree = ast.parse(source, feature_version=(3, 7))
        unions = [node for node in ast.walk(tree) if isinstance(node, ast.BitOr)]
        assert not unions or "\nfrom __future__ import annotations" in source, name


def test_an_own_python_is_taken_by_entry_scripts_too(bare_copy, tmp_path):
    own = tmp_path / "own"
    own.write_text('#!/bin/bash\necho "own $GALAXYZOO_RESTARTED: $*"\n')
    own.chmod(0o755)
    script = bare_copy / "src" / "predict.py"
    for options in (["-S"], []):  # without the packages, and with them
        result = run_bare(script, *options, GALAXYZOO_PYTHON=str(own))
        assert result.stdout == f"own 1: {script} --help\n"
    environment = {"GALAXYZOO_PYTHON": str(own), "GALAXYZOO_RESTARTED": "1"}
    lacks = run_bare(script, "-S", **environment).stderr
    assert re.fullmatch(
        r"error: GALAXYZOO_PYTHON lacks torch, timm, .*`bash scripts/setup.sh`.*\n", lacks
    )
    assert "not a program" in run_bare(script, GALAXYZOO_PYTHON="no-such-python").stderr


HELP = """
import runpy, sys
for path in sys.argv[1:]:
    sys.argv = [path, "--help"]
    try: runpy.run_path(path, run_name="__main__")
    except SystemExit as end: print("ended", end.code, "torch" in sys.modules)
"""


def test_entry_scripts_answer_help_with_runs_that_exist_before_torch_is_imported():
    command = [sys.executable, "-c", HELP, *(str(ROOT / "src" / name) for name in ENTRIES)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    printed = subprocess.check_output(command, env=environment, text=True)
    *texts, _ = printed.split("ended 0 False\n")
    for name, text in zip(ENTRIES, texts, strict=True):
        assert text.startswith(f"usage: {name} "), text
    assert {*re.findall(rf"(?<!:)\b(?:{'|'.join(TASKS)})/\w+", printed)} <= {*all_runs()}


def test_one_program_lists_all_commands_and_refuses_others(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["galaxyzoo"])
    commands.main()
    listed = re.findall(r"^  (\S+) +\S", capsys.readouterr().out, re.MULTILINE)
    assert listed == commands.names()
    monkeypatch.setattr(sys, "argv", ["galaxyzoo", "trane"])
    with pytest.raises(SystemExit, match="unknown command 'trane'"):
        commands.main()
