"""Data sets that are too large for the repository, in the folder `GALAXYZOO_TEST_DATA`."""

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("GALAXYZOO_TEST_DATA") or os.devnull)
MINI = FOLDER / "kaggle-mini"  # a part of the competition
GZ2 = FOLDER / "gz2-sample"
ZOO5 = FOLDER / "zoo5"


def needs_data(*folders: Path) -> pytest.MarkDecorator:
    """Skip a test where GALAXYZOO_TEST_DATA does not hold these folders."""
    missing = ", ".join(folder.name for folder in folders if not folder.is_dir())
    return pytest.mark.skipif(bool(missing), reason=f"GALAXYZOO_TEST_DATA holds no {missing}")
