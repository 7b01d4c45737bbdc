"""The commands: each parses its options, decides, calls and prints.

In a checkout each has an entry script, `src/NAME.py`; in an installed package `galaxyzoo NAME`.
"""

import ast
import importlib.util
import pkgutil
import sys
from pathlib import Path

from galaxyzoo.core import extras
from galaxyzoo.core.launch import begin, name_missing, quote, run_main, typed
from galaxyzoo.core.options import take_option


def references() -> dict[str, str]:
    """The main functions of all commands, and of those within one (`prepare NAME`), by name."""
    mains = {}
    for module in pkgutil.iter_modules(__path__):
        mains[module.name] = f"{__name__}.{module.name}:main"
    for extra in extras.installed().values():
        mains |= extra.commands
    return dict(sorted(mains.items()))


def names() -> list[str]:
    """Names of all commands."""
    return [name for name in references() if " " not in name]


def run(name: str) -> None:
    """Run a command with what was typed after it."""
    if name not in references():
        sys.exit(f"error: {name} is not installed: its folder in src/galaxyzoo/extras/ is missing")
    refuse_moved_option(name)
    try:
        command = extras.load_entry_point(references()[name])
    except ImportError as error:
        sys.exit(f"error: {name_missing(error)}")
    run_main(command)


def refuse_moved_option(name: str) -> None:
    """Exit where an option was typed that is a command of its own now, which a line spells."""
    for word in sys.argv[1:]:
        for extra in extras.installed().values():
            moved = extra.moved.get(f"{name} {word.partition('=')[0]}")
            if moved:
                others, value = take_option(sys.argv[1:], moved.option, moved.default)
                first = ""
                _, made = take_option(others, "--name")
                if made:  # by this command, which has to come first
                    first = f"`{typed(name)} {quote(*others)}`, then "
                    _, dataset = take_option(others, "--dataset")
                    others = made
                    if dataset:
                        others = [*made, "--dataset", *dataset]
                line = f"{typed(moved.command)} {quote(*others, *value)}".rstrip()
                print(
                    f"error: {name} no longer takes {word}: type {first}`{line}`", file=sys.stderr
                )
                sys.exit(2)


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
    run(name)


def usage() -> str:
    """List the commands with the first line of each docstring, read without importing."""
    lines = ["usage: galaxyzoo COMMAND [--help]", ""]
    for name in names():
        spec = importlib.util.find_spec(references()[name].partition(":")[0])
        if spec and spec.origin:  # else a part of its extra is missing
            source = Path(spec.origin).read_text(encoding="utf-8")
            docstring = ast.get_docstring(ast.parse(source)) or ""
            lines.append(f"  {name:<14} {docstring.splitlines()[0]}")
    return "\n".join(lines)
