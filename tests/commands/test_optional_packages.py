"""The line of a command whose optional package is not there; test_extras.py hides all of them."""

import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from galaxyzoo.commands import predict
from galaxyzoo.data.stores.opening import open_images
from galaxyzoo.io.tables import read_table
from galaxyzoo.io.writing import write_predictions
from support.commands import COMPETITION, OPTIONAL, call
from support.refusals import one_line_refusal


def predict_into(path: Path) -> None:
    sys.argv = ["predict.py", str(path.parent), "--output", str(path)]
    predict.main()


@pytest.mark.parametrize(
    "use",
    [
        read_table,
        open_images,
        predict_into,
        lambda path: write_predictions(path, pd.DataFrame({"a": [0.5]})),
    ],
    ids=["a table", "images", "the command", "predictions"],
)
def test_parquet_without_its_package_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: Callable[[Path], object]
) -> None:
    """Wherever it is read or written, and before anything is."""
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "votes.parquet"
    line = one_line_refusal(use, path)
    assert line.startswith(f"{path} needs pyarrow, which is not installed: type `")
    assert not path.exists()


@pytest.mark.slow
def test_what_needs_an_optional_package_names_it(root, monkeypatch):
    monkeypatch.setenv("HIDDEN_PACKAGES", " ".join(["simplejpeg", *OPTIONAL]))
    (root / "galaxy.jpg").write_bytes(COMPETITION.images[int(COMPETITION.test_ids[0])])
    for package, extra, *words in (
        ("pyarrow", "surveys", "survey.py", "galaxy.jpg", "votes/"),
        ("matplotlib", "explain", "gradcam.py", "gz37/d4cnn_transfer", "--image", "galaxy.jpg"),
        ("gradio", "app", "app.py", "--port", "0"),
        ("uvicorn", "labels", "label.py", "votes", "--port", "0"),
    ):
        done = call(root, *words)
        said = f"error: {package}, which extras/{extra} needs, is not installed: type `"
        assert done.returncode == 1, words
        assert done.stderr.startswith(said), done.stderr
        assert not [*root.glob("votes*")]
