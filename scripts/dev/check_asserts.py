"""List the tests' assertions that cannot fail and that no rule of ruff finds.

.venv/bin/python scripts/dev/check_asserts.py

`assert a, b == c` compares in its message; a number, list or generator by itself is always true.
"""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ALWAYS_TRUE = (ast.Constant, ast.List, ast.Dict, ast.Set, ast.GeneratorExp)


def main() -> None:
    """Print the place of each; exit with status 1 where there is one."""
    places = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assert) and cannot_fail(node)
    ]
    sys.exit("\n".join(f"{place}: this assertion cannot fail" for place in places) or 0)


def cannot_fail(assertion: ast.Assert) -> bool:
    """Find an assert that is always true, or that compares in its message."""
    message = ast.walk(assertion.msg) if assertion.msg else ()
    compares = any(isinstance(node, ast.Compare) for node in message)
    return compares or isinstance(assertion.test, ALWAYS_TRUE)


if __name__ == "__main__":
    main()
