"""What progress bars leave in a log, and tables in a narrow terminal."""

import pytest

from galaxyzoo.core import console
from galaxyzoo.core.console import Bar


@pytest.mark.parametrize("every_s", [0.0, 60.0])
def test_a_log_gets_short_whole_lines_of_what_takes_long(
    every_s: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "_MINUTE_S", every_s)
    for _ in Bar(range(3), "training", unit="step"), Bar(range(3), 300 * "x", leave=False):
        list(_)
    err = capsys.readouterr().err
    lines = err.splitlines()
    assert ("training: 33 % (1 of 3), 00:00 gone, 00:00 left" in lines) == (every_s == 0)
    assert ("training: 100 % (3 of 3), 00:00 gone, 00:00 left" in lines) == (every_s == 0)
    assert not lines or (not every_s and max(map(len, lines)) <= 200)
    assert not {"\r", "\x1b"} & {*err}


def test_two_columns_of_a_name_are_both_printed(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_table("runs", ["run", "score", "score"], [["cnn", "0.1", "0.2"]])
    assert "0.1" in (printed := capsys.readouterr().out)
    assert "0.2" in printed


@pytest.mark.parametrize(("width", "lines", "left_out"), [(60, 6, False), (40, 6, True)])
def test_a_table_keeps_its_rows_on_a_line_each(
    width: int,
    lines: int,
    left_out: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(console, "_LOG_WIDTH", width)
    rows = [["mean", "uniform mean of all runs", "0.08123"], ["greedy", "–", "0.07999"]]
    console.print_table("runs", ["name", "what it is", "score"], rows, spare=["what it is"])
    printed = capsys.readouterr().out
    (row,) = [line for line in printed.splitlines() if "mean" in line.split()]
    assert "0.08123" in row
    assert ("uniform mean of all runs" in row) != left_out
    assert ("no room for: what it is" in printed) == left_out
