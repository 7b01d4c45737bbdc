"""How much the costly tests try: a little in every run, far more with `--long`.

bash scripts/test.sh -m quick   under a minute on two cores: no commands, kills and trainings
bash scripts/test.sh            some kills, faults and random cases of each kind
bash scripts/test.sh --long     many more of them, and the tests marked `long_only`
"""

import os
from pathlib import Path

import pytest

# Besides what is slow, starts commands or is random: by durations, half of the rest's time.
NOT_QUICK = (
    *("commands/", "core/test_parallel", "data/demo/", "data/test_catalog", "data/test_folds"),
    *("data/test_prepare", "ensemble/test_build", "ensemble/test_stackers", "extras/intervals/"),
    *(
        "extras/download/test_gz2_dataset",
        "extras/explain/test_layers",
        "extras/formats/test_forms",
    ),
    *("extras/surveys/test_columns", "gpu/", "inference/test_pictures", "inference/test_predict"),
    *("leakage/", "models/test_build", "models/test_equivariant", "reliability/"),
    *("results/test_card", "results/test_imported", "results/test_submission_unreadable"),
    *("training/test_run", "training/test_trainer"),
)
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


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import what -m quick leaves out."""
    is_left_out = config.getoption("markexpr") == "quick" and is_costly(collection_path)
    return is_left_out or None


def is_costly(path: Path) -> bool:
    place = path.as_posix().rpartition("/tests/")[2]
    return (f"{place}/" if path.is_dir() else place).startswith(NOT_QUICK)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    for item in items:
        needs = {"call", "succeed", "subprocess", "given"} & {*vars(item.module)}
        needs |= {"trained_project"} & {*item.fixturenames}
        if not (needs or is_costly(item.path) or item.get_closest_marker("slow")):
            item.add_marker("quick")
