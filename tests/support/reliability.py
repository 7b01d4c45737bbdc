"""What the reliability tests try, counted: the tables of docs/reliability.md come from here.

bash scripts/test.sh -m reliability         the short version, part of every test run
bash scripts/test.sh -m reliability --long  many more cases; with --page=FILE, counts for a page
"""

import functools
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from galaxyzoo.core import devices, paths

LONG = "GALAXYZOO_LONG_TESTS"  # set by --long; the environment reaches modules and subprocesses
SECTIONS = {
    "kill points": "Where SIGKILL struck",
    "two at once": "Two processes at once",
    "disk": "Disks that are full or read-only",
    "bad images": "Bad images",
    "bad tables": "Bad tables",
    "no code from files": "Files that want to run code, fill the disk or get out of their folder",
    "numbers": "Numbers that go wrong",
    "no leak": "Leaks that were looked for",
}
# (section, case, what the user sees) -> how often
Cases = Counter[tuple[str, str, str]]
Witness = Callable[..., None]
_cases: Cases = Counter()
_fuzzed: Counter[str] = Counter()


def is_long() -> bool:
    """Whether the long version was asked for."""
    return os.environ.get(LONG) == "1"


def long_only(why: str) -> pytest.MarkDecorator:
    """Mark of a test that only the long version runs; `why`: what takes so long."""
    return pytest.mark.skipif(not is_long(), reason=f"{why}: --long")


def thorough(short: int, long: int) -> int:
    """How often to try: `short` in every test run, `long` with --long."""
    return long if is_long() else short


def fuzzed(what: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Count the cases that hypothesis hands to a test; stands below `@given`."""

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def counted(*args: Any, **kwargs: Any) -> None:
            _fuzzed[what] += 1
            test(*args, **kwargs)

        return counted

    return decorate


@pytest.fixture
def witness() -> Witness:
    """Note a case for docs/reliability.md: `witness(section, case, what the user sees, count)`.

    The first three are texts; an error's own words are best, taken from the real output.
    """

    def note(section: str, case: str, seen: str, count: int = 1) -> None:
        assert section in SECTIONS
        _cases[section, case, _shortened(seen)] += count

    return note


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("reliability")
    group.addoption("--long", action="store_true", help="many more kills, faults and fuzz cases")
    group.addoption(
        "--page", type=Path, metavar="FILE", help="write the counts of this run into the page"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--long"):
        os.environ[LONG] = "1"
    config.addinivalue_line("markers", "reliability: counted in docs/reliability.md")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if not _cases and not _fuzzed:
        return
    terminalreporter.write_line(f"reliability: {_totals()}")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Add what a process of pytest-xdist has counted, which ends."""
    cases, fuzzed = getattr(node, "workeroutput", {}).get("reliability", ([], {}))
    _cases.update({(section, case, seen): count for section, case, seen, count in cases})
    _fuzzed.update(fuzzed)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["reliability"] = [[*case, count] for case, count in _cases.items()], dict(_fuzzed)
        return
    page = session.config.getoption("--page")
    if page is not None and exitstatus == pytest.ExitCode.OK:
        _fill_page(page, "\n".join(_tables()))


def _totals() -> str:
    """How many cases of each section, and how many random ones."""
    totals = Counter[str]()
    for (section, _, _), count in _cases.items():
        totals[section] += count
    counted = [f"{totals[section]:,} {section}" for section in SECTIONS if totals[section]]
    return ", ".join([*counted, f"{_fuzzed.total():,} fuzz cases"])


def _tables() -> Iterator[str]:
    """Markdown: a line of totals, one table a section, then the fuzz cases."""
    yield f"Machine: {devices.describe_machine()}; `--long`: {'yes' if is_long() else 'no'}."
    yield f"In all: {_totals()}."
    for section, title in SECTIONS.items():
        rows = [(key[1], key[2], n) for key, n in _cases.items() if key[0] == section]
        if rows:
            yield f"\n### {title}: {sum(n for *_, n in rows)}\n"
            yield "| Case | Times | What the user sees |\n|---|---|---|"
            yield from (
                f"| {_cell(case)} | {n} | {_cell(seen)} |" for case, seen, n in sorted(rows)
            )
    if _fuzzed:
        yield f"\n### Fuzz cases: {_fuzzed.total():,}\n\n| Property | Cases |\n|---|---|"
        yield from (f"| {_cell(what)} | {n:,} |" for what, n in sorted(_fuzzed.items()))


def _fill_page(page: Path, text: str) -> None:
    """Put the text between the page's two marks."""
    start, end = "<!-- counts -->", "<!-- /counts -->"
    old = page.read_text(encoding="utf-8")
    head, _, rest = old.partition(start)
    _, found, tail = rest.partition(end)
    assert found, f"{page} lacks {start} … {end}"
    page.write_text(f"{head}{start}\n{text}\n{end}{tail}", encoding="utf-8")


def _shortened(seen: str) -> str:
    """On one line, without the test's own folder, and alike for all folds and digests."""
    seen = re.sub(r"\S*/pytest-of-[^/]+/pytest-\d+/[^/\s:]+(/?)", _folder, seen)
    seen = seen.replace(f"{paths.CODE_ROOT}/", "")
    seen = re.sub(r"kaggle-[0-9a-f]{6}\b", "kaggle-…", seen)
    seen = re.sub(r"(_\d+_\d+_)[0-9a-f]{12}", r"\1…", seen)
    seen = re.sub(r"fold_\d+/", "fold_…/", seen)
    return " ".join(seen.split())


def _folder(path: re.Match[str]) -> str:
    """What stands for a test's folder: nothing where more of the path follows."""
    return "" if path[1] else "…"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
