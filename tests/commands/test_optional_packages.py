"""The line of a command whose optional package is not there; test_extras.py hides all of them."""

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from galaxyzoo.core.launch import EXTRAS
from support.commands import COMPETITION, call


@pytest.fixture
def pictures(root: Path) -> Path:
    """A folder of one picture."""
    (root / "mine").mkdir()
    (root / "mine" / "7.jpg").write_bytes(COMPETITION.images[int(COMPETITION.test_ids[0])])
    return root / "mine"


@pytest.mark.slow
def test_what_needs_an_optional_package_names_it(root, pictures, monkeypatch):
    hidden = [*itertools.chain(*EXTRAS.values()), "simplejpeg"]
    monkeypatch.setenv("HIDDEN_PACKAGES", " ".join(hidden))
    cv2.imwrite(str(root / "galaxy.png"), np.zeros((64, 64, 3), np.uint8))
    for package, extra, *words in (
        ("pyarrow", "surveys", "predict.py", pictures, "--output", "votes/"),
        ("matplotlib", "reports", "gradcam.py", "gz37/d4cnn_transfer", "--image", "galaxy.png"),
        ("gradio", "app", "app.py", "--port", "0"),
    ):
        done = call(root, *words)
        said = f"error: {package}, which {extra} needs, is not installed: type `"
        assert done.returncode == 1, words
        assert done.stderr.startswith(said), done.stderr
        assert not [*root.glob("votes*")]
