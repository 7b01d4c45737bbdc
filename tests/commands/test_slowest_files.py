"""What a test run tells about its files' time."""

from types import SimpleNamespace

from support import slowest


def tell(seconds: dict[str, list[float]]) -> list[str]:
    """Lines that are printed where files took that long: setting up, call and clean-up of tests."""
    lines = list[str]()
    reporter = SimpleNamespace(stats={}, section=lines.append, write_line=lines.append)
    for path, spent in seconds.items():
        for number, duration in enumerate(spent):
            report = SimpleNamespace(nodeid=f"{path}::test[{number}::x]", duration=duration)
            category = "" if number != 1 else "passed"  # of pytest
            reporter.stats.setdefault(category, []).append(report)
    reporter.stats["warnings"] = [SimpleNamespace(nodeid="tests/w.py::test")]
    slowest.pytest_terminal_summary(reporter)
    return lines


def test_the_five_slowest_files_are_told_with_all_the_time_of_their_tests(request):
    assert request.config.pluginmanager.has_plugin("support.slowest")
    seconds = {f"tests/{name}.py": [0.5, float(k), 0.25] for k, name in enumerate("abcdef")}
    seconds["tests/b.py"] += [100.0]
    title, *lines = tell(seconds)
    assert title == "slowest files"
    assert [line.split() for line in lines] == [
        ["101.8", "s", "tests/b.py"], ["5.8", "s", "tests/f.py"], ["4.8", "s", "tests/e.py"],
        ["3.8", "s", "tests/d.py"], ["2.8", "s", "tests/c.py"]]  # fmt: skip


def test_a_run_of_few_files_tells_nothing():
    assert tell({"tests/a.py": [9.0]}) == []
