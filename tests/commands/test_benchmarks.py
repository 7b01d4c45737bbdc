"""The benchmarks' own arithmetic; times themselves are no test."""

import sys
import time
from collections.abc import Callable

from galaxyzoo.core import paths

BENCHMARKS = paths.CODE_ROOT / "scripts" / "dev" / "benchmarks"
sys.path.append(str(BENCHMARKS))
from measuring import race, rate_rows, ratio  # noqa: E402


def test_a_race_goes_round_by_round_and_the_first_does_not_count(monkeypatch):
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
