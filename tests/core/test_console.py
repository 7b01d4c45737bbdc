"""What progress bars leave in a log."""

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
    assert not lines or (not every_s and max(map(len, lines)) <= 200)
    assert not {"\r", "\x1b"} & {*err}
