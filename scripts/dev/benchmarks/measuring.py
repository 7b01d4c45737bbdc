"""Shared by all benchmarks: races of contestants in turn, tables of ratios, watching a value."""

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

Rates = dict[str, list[float]]  # per second, round by round


@dataclass(frozen=True)
class Table:
    """A table of results, with notes below."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    notes: list[str] = field(default_factory=list)

    def format(self) -> str:
        """Format as Markdown."""
        rule = ["---", *("---:" for _ in self.header[1:])]
        lines = ["| " + " | ".join(row) + " |" for row in (self.header, rule, *self.rows)]
        return "\n\n".join([f"**{self.title}**", "\n".join(lines), *self.notes])


def race(contestants: Mapping[str, Callable[[], int]], repeats: int, warm: bool = True) -> Rates:
    """Let each work in turn, round after round, so that what disturbs the machine disturbs all.

    Args:
        contestants: name -> a piece of work, which returns how many images it did.
        repeats: rounds.
        warm: whether a round before does not count.
    Returns:
        Images per second, name -> one for each round.
    """
    rates: Rates = {name: [] for name in contestants}
    for number in range(repeats + warm):
        for name, work in contestants.items():
            started = time.perf_counter()
            done = work()
            rate = done / (time.perf_counter() - started)
            if number >= warm:
                rates[name].append(rate)
    return rates


def ratio(rates: Rates, name: str, base: str) -> float:
    """How many times as fast as another: the median over the rounds."""
    pairs = zip(rates[name], rates[base], strict=True)
    return statistics.median(own / other for own, other in pairs)


def rate_rows(rates: Rates, base: str) -> list[tuple[str, str, str, str]]:
    """Each contestant's median rate, its range, and its ratio to another one."""
    return [
        (
            name,
            f"{statistics.median(some):,.0f}",
            f"{min(some):,.0f} – {max(some):,.0f}",
            f"{ratio(rates, name, base):.2f}",
        )
        for name, some in rates.items()
    ]


def measure_alone(script: str, counts: Sequence[int]) -> list[tuple[float, ...]]:
    """Run a script for each count in its own process; return the numbers that it prints."""
    return [run_alone(script, str(count)) for count in counts]


def run_alone(script: str, *arguments: str) -> tuple[float, ...]:
    """Run a script in its own process; return the numbers of the last line that it prints."""
    command = [sys.executable, str(Path(script).resolve()), *arguments]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return tuple(map(float, printed.splitlines()[-1].split()))


def read_peak(process: int | str = "self") -> float:
    """GiB that a process has held at most; its `ru_maxrss` has its parent's, too."""
    with suppress(OSError):  # it has ended
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return max((int(line.split()[1]) for line in lines if "VmHWM" in line), default=0) / 2**20
    return 0.0


def growth(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Exponent b of values = a · sizes ** b, by least squares on logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


class Watch:
    """Reads a value now and then, in a thread, until it is stopped."""

    def __init__(self, read: Callable[[], float], every_s: float) -> None:
        self._read, self._every_s, self._values = read, every_s, list[float]()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not self._ended.wait(self._every_s):
            self._values.append(self._read())

    def stop(self) -> list[float]:
        """All that was read, 0 where nothing was."""
        self._ended.set()
        self._thread.join()
        return self._values or [0.0]
