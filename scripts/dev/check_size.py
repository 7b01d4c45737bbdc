"""Print the size of the package, its tests and its pages; fail above the limits in pyproject.toml.

.venv/bin/python scripts/dev/check_size.py

A code line has a token that is neither comment nor docstring. `[tool.size]` limits the code lines
of the package, of each subpackage (`root`: entry scripts, and modules beside the subpackages) and
of the tests, and the words of README.md and docs/.
"""

import ast
import io
import sys
import tokenize
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
SILENT = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE),
    *(tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER),
}


def main() -> None:
    """Print a line for each number; exit with status 1 where one is above its limit."""
    limits = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["size"]
    subpackages = limits.pop("subpackages")
    sizes, docstrings = count_package()
    problems = compare(sizes, subpackages)
    totals = Counter(
        package=sizes.total(),
        tests=sum(count_lines(path)[0] for path in (ROOT / "tests").rglob("*.py")),
        words=sum(len(path.read_text(encoding="utf-8").split()) for path in pages()),
    )
    problems += compare(totals, limits)
    print(f"docstrings: {docstrings / max(sizes.total(), 1):.0%} of the package's code lines")
    sys.exit("\n".join(problems) or 0)


def pages() -> list[Path]:
    """README.md and all of docs/."""
    return [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]


def count_package() -> tuple[Counter[str], int]:
    """Code lines by subpackage, and docstring lines of all."""
    sizes, docstrings = Counter[str](), 0
    for path in (ROOT / "src").rglob("*.py"):
        parts = path.relative_to(ROOT / "src").parts  # galaxyzoo, core, files.py
        parts = tuple(part for part in parts if part != "extras")
        code, documented = count_lines(path)
        sizes[parts[1] if len(parts) > 2 else "root"] += code
        docstrings += documented
    return sizes, docstrings


def count_lines(path: Path) -> tuple[int, int]:
    """Code and docstring lines of a module."""
    text = path.read_text(encoding="utf-8")
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            docstrings.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in SILENT:
            code.update(range(token.start[0], token.end[0] + 1))
    return len(code - docstrings), len(docstrings)


def compare(sizes: Counter[str], limits: dict[str, int]) -> list[str]:
    """Print each size beside its limit; return a message for each above it, or without a pair."""
    problems = [f"tool.size.{name}: nothing has this name" for name in limits.keys() - sizes.keys()]
    for name, size in sorted(sizes.items()):
        limit = limits.get(name, 0)
        print(f"{name:12}{size:8,} of {limit:6,}")
        if size > limit:
            problems.append(
                f"{name} has {size:,}, more than tool.size of pyproject.toml allows ({limit:,}): "
                "make it shorter, or lower another number by as much"
            )
    return problems


if __name__ == "__main__":
    main()
