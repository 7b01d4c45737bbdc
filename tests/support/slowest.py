"""The slowest files, told at the end of a test run."""

from collections import Counter
from typing import Any

COUNT = 5


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the wall seconds of files: of their tests, what sets these up and cleans up after."""
    seconds = Counter[str]()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if hasattr(report, "duration"):
                seconds[report.nodeid.partition("::")[0]] += report.duration
    if len(seconds) > COUNT:
        terminalreporter.section("slowest files")
        for path, spent in seconds.most_common(COUNT):
            terminalreporter.write_line(f"{spent:6.1f} s  {path}")
