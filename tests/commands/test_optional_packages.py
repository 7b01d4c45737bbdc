"""The line of a command whose optional package is not there; test_extras.py hides all of them."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from support.commands import COMPETITION, SRC, WITHOUT_PACKAGES, environment


def run(root: Path, script: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """A command, and what it starts, in a Python without optional packages and simplejpeg."""
    (root / "sitecustomize.py").write_text(WITHOUT_PACKAGES)
    command = [sys.executable, str(SRC / script), *map(str, words)]
    code = {**environment(root), "PYTHONPATH": str(root)}
    return subprocess.run(command, cwd=root, env=code, capture_output=True, text=True, check=False)


@pytest.fixture
def pictures(root: Path) -> Path:
    """A folder of one picture."""
    (root / "mine").mkdir()
    (root / "mine" / "7.jpg").write_bytes(COMPETITION.images[int(COMPETITION.test_ids[0])])
    return root / "mine"


@pytest.mark.slow
def test_what_needs_an_optional_package_names_it(root, pictures):
    cv2.imwrite(str(root / "galaxy.png"), np.zeros((64, 64, 3), np.uint8))
    for package, extra, *words in (
        ("pyarrow", "surveys", "predict.py", pictures, "--output", "votes/"),
        ("matplotlib", "reports", "gradcam.py", "gz37/d4cnn_transfer", "--image", "galaxy.png"),
        ("gradio", "app", "app.py", "--port", "0"),
    ):
        script, *arguments = map(str, words)
        done = run(root, script, *arguments)
        said = f"error: {package} is not installed (optional: {extra}): type `"
        assert done.returncode == 1, words
        assert done.stderr.startswith(said), done.stderr
        assert not [*root.glob("votes*")]
