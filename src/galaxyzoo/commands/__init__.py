"""The commands: each parses its options, decides, calls and prints.

In a checkout each has an entry script, `src/NAME.py`; in an installed package `galaxyzoo NAME`.
"""

import ast
import importlib
import pkgutil
import sys
from pathlib import Path

from galaxyzoo.core.launch import begin, run_main


def names() -> list[str]:
    """Names of all commands."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def main() -> None:
    """`galaxyzoo COMMAND ...`: run a command by its name."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("--help", "-h"):
        print(usage())
        return
    if name not in names():
        sys.exit(f"error: unknown command '{name}': `galaxyzoo --help` lists them")
    sys.argv[:2] = [f"galaxyzoo {name}"]
    begin()
    run_main(importlib.import_module(f"{__name__}.{name}").main)


def usage() -> str:
    """List the commands with the first line of each docstring, read without importing."""
    lines = ["usage: galaxyzoo COMMAND [--help]", ""]
    for name in names():
        source = Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
        docstring = ast.get_docstring(ast.parse(source)) or ""
        lines.append(f"  {name:<14} {docstring.splitlines()[0]}")
    return "\n".join(lines)
