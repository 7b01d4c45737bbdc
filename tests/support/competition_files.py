"""The competition's files as fixtures, and how they are refused."""

from pathlib import Path

import pytest

from galaxyzoo.data.readers.dataset_files import DatasetFiles
from galaxyzoo.data.readers.kaggle import find_folder, open_dataset_files
from support.kaggle_fixtures import Competition, draw_competition, listing
from support.refusals import one_line_refusal


@pytest.fixture(scope="module")
def competition() -> Competition:
    return draw_competition()


@pytest.fixture
def zips(competition: Competition, root: Path) -> Path:
    """input/ with the four zips."""
    return competition.write_zips(root / "input")


def read() -> DatasetFiles:
    return open_dataset_files(find_folder())


def refusal(root: Path) -> str:
    """The message with which the input is refused; nothing may have been written."""
    before = listing(root)
    message = one_line_refusal(read)
    assert listing(root) == before
    return message
