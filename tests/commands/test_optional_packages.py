"""The line of a command whose optional package is not there; test_extras.py hides all of them."""

from itertools import chain

import pytest

from galaxyzoo.core.launch import EXTRAS
from support.commands import COMPETITION, call


@pytest.mark.slow
def test_what_needs_an_optional_package_names_it(root, monkeypatch):
    monkeypatch.setenv("HIDDEN_PACKAGES", " ".join(["simplejpeg", *chain(*EXTRAS.values())]))
    (root / "galaxy.jpg").write_bytes(COMPETITION.images[int(COMPETITION.test_ids[0])])
    for package, extra, *words in (
        ("pyarrow", "surveys", "survey.py", "galaxy.jpg", "votes/"),
        ("matplotlib", "explain", "gradcam.py", "gz37/d4cnn_transfer", "--image", "galaxy.jpg"),
        ("gradio", "app", "app.py", "--port", "0"),
    ):
        done = call(root, *words)
        said = f"error: {package}, which extras/{extra} needs, is not installed: type `"
        assert done.returncode == 1, words
        assert done.stderr.startswith(said), done.stderr
        assert not [*root.glob("votes*")]
