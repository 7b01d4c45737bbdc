"""A browser for the tests of pages, and a survey for the label page."""

from pathlib import Path

import pytest

from support.browser import browser

__all__ = ["browser"]


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    """A finished survey of twelve images with features."""
    from support.surveys import finish_survey

    return finish_survey(tmp_path)
