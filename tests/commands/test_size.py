"""The check of sizes, on a project of a few lines."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from galaxyzoo.core.paths import CODE_ROOT

MODULE = '''"""Two lines that are
no code."""

# nor is this

def double(x):
    """Nor this."""
    text = """three
lines

"""
    return (x,
            text)  # a line
'''
LIMITS = {"package": 8, "tests": 7, "words": 3, "subpackages.core": 7, "subpackages.root": 1}


@pytest.mark.parametrize("changed", [None, *LIMITS])
@pytest.mark.parametrize("by", [-1, 1])
def test_more_than_a_limit_is_named(tmp_path: Path, changed: str | None, by: int) -> None:
    limits = {name: size + by * (name == changed) for name, size in LIMITS.items()}
    files = {
        "src/galaxyzoo/core/double.py": MODULE,
        "src/galaxyzoo/__init__.py": "VERSION = 1\n",
        "tests/core/test_double.py": MODULE,
        "README.md": "# Two words",
        "docs/lab/empty.md": "",
        "pyproject.toml": "\n".join(f"tool.size.{name} = {limits[name]}" for name in limits),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    script = tmp_path / "scripts" / "dev" / "check_size.py"
    script.parent.mkdir(parents=True)
    shutil.copy(CODE_ROOT / "scripts" / "dev" / "check_size.py", script)
    done = subprocess.run([sys.executable, script], check=False, capture_output=True, text=True)
    assert "docstrings: 38% of" in done.stdout, done.stderr
    named = [line.split(" has ")[0] for line in done.stderr.splitlines()]
    expected = [changed.removeprefix("subpackages.")] if changed and by < 0 else []
    assert (done.returncode, named) == (len(expected), expected)
