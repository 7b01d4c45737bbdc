"""What progress bars leave in a log, and tables in a narrow terminal."""

import pandas as pd
import pytest

from galaxyzoo.core import console
from galaxyzoo.core.console import ProgressBar


@pytest.mark.parametrize("every_s", [0.0, 60.0])
def test_a_log_gets_short_whole_lines_of_what_takes_long(every_s, monkeypatch, capsys):
    monkeypatch.setattr(console, "_MINUTE_S", every_s)
    for label in ("training", 300 * "x"):
        list(ProgressBar(range(3), label, leave=label == "training", unit="step"))
    err = capsys.readouterr().err
    lines = err.splitlines()
    assert ("training: 33 % (1/3), 00:00 elapsed, 00:00 left" in lines) == (every_s == 0)
    assert ("training: 100 % (3/3), 00:00 elapsed, 00:00 left" in lines) == (every_s == 0)
    assert not lines or (not every_s and max(map(len, lines)) <= 200)
    assert not {"\r", "\x1b"} & {*err}


@pytest.mark.parametrize(("width", "parts"), [(60, 1), (35, 2), (25, 2)])
def test_a_table_too_wide_for_a_line_goes_on_below(width, parts, monkeypatch, capsys):
    monkeypatch.setattr(console, "_LOG_WIDTH", width)
    row = {"name": "mean", "what it is": "uniform mean of all runs", "score": 0.08123}
    console.print_table("runs", pd.DataFrame([row, row | {"what it is": None, "score": None}]))
    printed = capsys.readouterr().out
    assert printed.count("\nmean ") == 2 * parts
    assert max(map(len, printed.splitlines())) <= width
    assert "0.08123" in printed
    assert printed.count("–") == 2


def test_a_terminal_narrower_than_a_name_gets_its_table(monkeypatch, capsys):
    monkeypatch.setattr(console, "_LOG_WIDTH", 12)
    console.print_table("runs", pd.DataFrame([{"run": "gz37/mobilenetv2", "score": 0.08123}]))
    assert "0.08123" in capsys.readouterr().out
