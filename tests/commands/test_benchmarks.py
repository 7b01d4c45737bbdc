"""The benchmarks' own arithmetic, and that their command runs; times themselves are no test."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from galaxyzoo.core import paths
from support.commands import COMPETITION, SRC, environment
from support.thoroughness import long_only

BENCHMARKS = paths.CODE_ROOT / "scripts" / "dev" / "benchmarks"
sys.path.append(str(BENCHMARKS))
from measuring import growth, race, rate_rows, ratio  # noqa: E402


def test_a_race_goes_round_by_round_and_the_first_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a clock that stands still but for the work that is done."""
    now, order = 0.0, []
    monkeypatch.setattr(time, "perf_counter", lambda: now)

    def work(name: str, *seconds: int) -> Callable[[], int]:
        left = iter(seconds)

        def step() -> int:
            nonlocal now
            order.append(name)
            now += next(left)
            return 100

        return step

    rates = race({"slow": work("slow", 9, 2, 4, 8), "fast": work("fast", 9, 1, 1, 1)}, repeats=3)
    assert rates == {"slow": [50, 25, 12.5], "fast": [100, 100, 100]}
    assert order == ["slow", "fast"] * 4
    assert ratio(rates, "fast", "slow") == 4  # of the rounds 2, 4, 8; of the medians too
    assert ratio({"a": [1, 8, 9], "b": [1, 4, 9]}, "a", "b") == 1  # medians would give 2
    assert rate_rows(rates, "slow")[1] == ("fast", "100", "100 – 100", "4.00")


def test_growth_is_the_exponent() -> None:
    sizes = np.array([1.0, 3.0, 10.0])
    assert growth(sizes.tolist(), (7 * sizes**1.5).tolist()) == pytest.approx(1.5)


@long_only("a minute of imports")
def test_the_command_prints_its_tables(tmp_path: Path) -> None:
    COMPETITION.write_zips(tmp_path / "input")
    searched = os.pathsep.join([str(SRC), str(paths.CODE_ROOT / "tests")])
    result = subprocess.run(
        [sys.executable, str(BENCHMARKS), "decoding", "--repeats", "1"],
        env={**environment(tmp_path), "PYTHONPATH": searched},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "| OpenCV, full size | " in result.stdout
    assert "`bash scripts/dev/bench.sh decoding`" in result.stdout
