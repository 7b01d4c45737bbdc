"""The competition's files as fixtures."""

from pathlib import Path

import pytest

from support.datasets import Competition, draw_competition


@pytest.fixture(scope="module")
def competition() -> Competition:
    return draw_competition()


@pytest.fixture
def zips(competition: Competition, root: Path) -> Path:
    """input/ with the four zips."""
    return competition.write_zips(root / "input")
