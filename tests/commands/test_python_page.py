"""The code of docs/python.md, block after block, in a trained project."""

import re
from typing import Any

import pytest

from galaxyzoo.core.paths import CODE_ROOT


def test_the_code_of_the_page_runs(trained_project, monkeypatch):
    monkeypatch.setenv("GALAXYZOO_ROOT", str(trained_project))
    page = (CODE_ROOT / "docs/python.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "page"}
    for block in re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        exec(compile(block, "docs/python.md", "exec"), names)
    task, targets, fits = names["task"], names["targets"], names["fits"]
    assert names["table"].shape == (2, 37)
    assert fits.names == ["mean", "nnls", "shrunk"]
    assert fits.score("mean") == pytest.approx(task.score(names["oof"].values, targets), abs=1e-6)
    assert names["features"].shape == (len(targets), 1, 37)
