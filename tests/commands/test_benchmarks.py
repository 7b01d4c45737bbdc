"""The benchmarks' own arithmetic, and that their command runs; times themselves are no test."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from galaxyzoo.core import paths
from support.commands import COMPETITION, environment

TESTS = paths.CODE_ROOT / "tests"
BENCHMARKS = paths.CODE_ROOT / "scripts" / "benchmarks"

sys.path.append(str(BENCHMARKS))
from measuring import Table, growth, race, rate_rows, ratio  # noqa: E402


def test_a_race_goes_round_by_round_and_the_first_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", lambda: clock.now)
    slow, fast = clock.work([9, 2, 4, 8]), clock.work([9, 1, 1, 1])
    rates = race({"slow": slow, "fast": fast}, repeats=3)
    assert rates == {"slow": [50, 25, 12.5], "fast": [100, 100, 100]}
    assert clock.order == ["slow", "fast"] * 4
    assert ratio(rates, "fast", "slow") == 4  # of the rounds 2, 4, 8; of the medians too
    assert ratio({"a": [1, 8, 9], "b": [1, 4, 9]}, "a", "b") == 1  # medians would say 2
    assert rate_rows(rates, "slow")[1] == ("fast", "100", "100 – 100", "4.00")


class Clock:
    """Stands still but for the work that is done."""

    def __init__(self) -> None:
        self.now, self.order = 0.0, list[str]()

    def work(self, seconds: list[float]) -> object:
        name, left = "slow" if not hasattr(self, "named") else "fast", iter(seconds)
        self.named = True

        def step() -> int:
            self.order.append(name)
            self.now += next(left)
            return 100

        return step


def test_growth_is_the_exponent() -> None:
    sizes = np.array([1.0, 3.0, 10.0])
    assert growth(sizes.tolist(), (7 * sizes**1.5).tolist()) == pytest.approx(1.5)


def test_a_table_is_markdown() -> None:
    table = Table("Speed", ("what", "img/s"), [("a", "1"), ("b", "2")], ["a note"])
    assert table.format() == (
        "**Speed**\n\n| what | img/s |\n| --- | ---: |\n| a | 1 |\n| b | 2 |\n\na note"
    )


@pytest.mark.slow
def test_the_command_prints_its_tables_as_markdown(tmp_path: Path) -> None:
    COMPETITION.write_zips(tmp_path / "input")
    command = [sys.executable, str(BENCHMARKS), "decoding", "--repeats", "1"]
    searched = os.pathsep.join([str(paths.CODE_ROOT / "src"), str(TESTS)])
    result = subprocess.run(
        command,
        env={**environment(tmp_path), "PYTHONPATH": searched},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "| OpenCV, full size | " in result.stdout
    assert "`bash scripts/bench.sh decoding`" in result.stdout
