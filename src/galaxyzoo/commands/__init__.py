"""The commands: what each reads from its command line, decides, calls and prints.

In a checkout each has an entry script, `src/NAME.py`; in an installed package `galaxyzoo NAME`.
"""

import importlib
import pkgutil
import sys

from galaxyzoo.core.launch import run_main


def names() -> list[str]:
    """Names of all commands."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def main() -> None:
    """`galaxyzoo COMMAND ...`: run a command by its name."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name not in names():
        usage = f"usage: galaxyzoo COMMAND [--help]\n\nCOMMAND: {', '.join(names())}"
        if name in ("--help", "-h"):
            print(usage)
            return
        sys.exit(f"error: unknown command '{name}'\n{usage}")
    sys.argv[:2] = [f"galaxyzoo {name}"]
    run_main(importlib.import_module(f"{__name__}.{name}").main)
