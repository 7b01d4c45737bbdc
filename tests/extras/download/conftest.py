"""Fixtures that the tests of downloads share."""

from collections.abc import Iterator

import pytest

from support.cutout_server import CutoutServer, serving
from support.kaggle_connection import kaggle_zips, rests, stand_in

__all__ = ["kaggle_zips", "rests", "server", "stand_in"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[CutoutServer]:
    """A stand-in for the survey's server, reached without a proxy."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as running:
        yield running
