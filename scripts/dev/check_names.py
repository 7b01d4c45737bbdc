"""List variables and arguments of the package whose name says nothing of their value.

.venv/bin/python scripts/dev/check_names.py
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VAGUE = {"about", "found", "here", "kept", "one", "own", "said", "some", "what", "words"}


def main() -> None:
    """Print the place of each; exit with status 1 where there is one."""
    places = [
        f"{path.relative_to(ROOT)}:{line}: '{name}' says nothing: name what it holds"
        for path in sorted((ROOT / "src").rglob("*.py"))
        for line, name in vague_names(ast.parse(path.read_text(encoding="utf-8")))
    ]
    sys.exit("\n".join(places) or 0)


def vague_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each binding; fields of classes, which settings and cards have, are free."""
    classes = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    fields = {
        id(node.target) for c in classes for node in c.body if isinstance(node, ast.AnnAssign)
    }
    for node in ast.walk(tree):
        match node:
            case ast.arg(arg=name) if name in VAGUE:
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) if name in VAGUE and id(node) not in fields:
                yield node.lineno, name


if __name__ == "__main__":
    main()
