"""Columns of ids: millions at once, read as one at a time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.stores.columns import read_id_column, read_ids

COLUMNS = {
    "whole numbers": [7, -7, 2**62 + 1, 0],
    "unsigned": np.array([2**64 - 1, 1], np.uint64),
    "of pandas, one missing": pd.array([7, None], "Int64"),
    "fractions": [7.0, 8.0],
    "some fractions": [7.0, 8.5],
    "a missing number": [7.0, np.nan],
    "rounded": [1.237648720693755918e18, 7.0],
    "single precision": np.array([16777217, 3], np.float32),
    "text": ["J1", " J2\t", "J 3", "007"],
    "text of numbers": ["7", " 8 ", "-9"],
    "numbers with a point": ["7", "8.", "9.00"],
    "names with a point": ["a.jpg", "7.0", "b"],
    "rounded text": ["7", "1.2376e+18"],
    "rounded with a point": ["9007199254740993.0", "7"],
    "a missing text": ["a", None],
    "an empty text": ["a", "  "],
    "bytes": [b"J1", b"J2"],
    "of several types": ["J1", 7, 8.0],
}


def outcome(read: Callable[[Any, Path], Any], ids: Any) -> list[str] | str:
    try:
        return list(read(ids, Path("list.csv")))
    except InputError as error:
        return str(error)


@pytest.mark.parametrize("ids", COLUMNS.values(), ids=COLUMNS)
def test_a_column_of_ids_is_read_as_its_ids_one_by_one(ids):
    column = pd.Series(ids)
    assert outcome(read_id_column, column) == outcome(read_ids, column.to_numpy())
