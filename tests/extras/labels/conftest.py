"""The label loop of a made-up survey."""

from pathlib import Path

import pytest

from galaxyzoo.extras.labels.label_loop import LabelLoop
from support.surveys import make_loop


@pytest.fixture
def loop(tmp_path: Path) -> LabelLoop:
    """Sixty galaxies to be labeled as rare or plain."""
    made = make_loop(tmp_path)
    made.add_class("rare")
    made.add_class("plain, old")
    return made
