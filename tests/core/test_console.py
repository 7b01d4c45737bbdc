"""What progress bars leave in a log, and tables in a narrow terminal."""

import subprocess
import sys

import pandas as pd
import pytest

from galaxyzoo.core import console
from galaxyzoo.core.console import ProgressBar
from support.commands import SRC


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


HIDDEN = {60: [], 35: ["what it is"], 19: ["± sd", "what it is"]}


@pytest.mark.parametrize("width", HIDDEN)
def test_a_table_too_wide_for_a_line_keeps_the_score_and_names_what_it_hides(
    width, monkeypatch, capsys
):
    monkeypatch.setattr(console, "_LOG_WIDTH", width)
    row = {
        "name": "mean",
        "score": 0.08123,
        "± sd": 0.001,
        "what it is": "uniform mean of all runs",
    }
    nothing = dict.fromkeys(row)
    console.print_table("runs", pd.DataFrame([row, nothing | {"name": "pool"}]))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    header, mean, pool = lines[2:5]
    assert mean.split()[:2] == ["mean", "0.08123"]
    assert pool.split() == ["pool", *(3 - len(HIDDEN[width])) * "–"]
    for column in row:
        assert (column in header) == (column not in HIDDEN[width])
        assert (column in " ".join(lines[5:])) == (column in HIDDEN[width])


def test_a_terminal_narrower_than_a_name_gets_its_table(monkeypatch, capsys):
    monkeypatch.setattr(console, "_LOG_WIDTH", 12)
    console.print_table("runs", pd.DataFrame([{"run": "gz37/mobilenetv2", "score": 0.08123}]))
    assert "0.08123" in capsys.readouterr().out


def test_a_bar_makes_no_semaphore_that_would_be_called_leaked_after_ctrl_c():
    """Where processes are spawned, as for --jobs, another one watches these and prints a line."""
    code = """
from multiprocessing import resource_tracker, set_start_method
set_start_method("spawn")
from galaxyzoo.core.console import ProgressBar
list(ProgressBar(range(3)))
assert resource_tracker._resource_tracker._fd is None
"""
    subprocess.run([sys.executable, "-c", code], cwd=SRC, check=True)
