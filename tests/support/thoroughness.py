"""How much the costly tests try: a little in every run, far more with `--long`.

bash scripts/test.sh          some kills, faults and random cases of each kind
bash scripts/test.sh --long   many more of them, and the tests marked `long_only`
"""

import os

import pytest

LONG = "GALAXYZOO_LONG_TESTS"  # set by --long; the environment reaches modules and subprocesses


def is_long() -> bool:
    """Whether the long version was asked for."""
    return os.environ.get(LONG) == "1"


def long_only(why: str) -> pytest.MarkDecorator:
    """Mark of a test that only the long version runs; `why`: what takes so long."""
    return pytest.mark.skipif(not is_long(), reason=f"{why}: --long")


def thorough(short: int, long: int) -> int:
    """How often to try: `short` in every test run, `long` with --long."""
    return long if is_long() else short


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="many more kills, faults and fuzz cases")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--long"):
        os.environ[LONG] = "1"
