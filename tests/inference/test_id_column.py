"""Ids by which tables name predicted images."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from galaxyzoo.data.stores.base import Images
from galaxyzoo.inference import id_column
from galaxyzoo.inference.id_column import IdColumn
from support.refusals import one_line_refusal

# Names in a store, the column that they get, and the label of each
NAMED: dict[str, tuple[list[str], str, list[int | str]]] = {
    "GalaxyIDs of files": (["a/7.jpg", "0012.PNG", "3.fits"], "GalaxyID", [7, 12, 3]),
    "GalaxyIDs of a survey": (["0", "587722982275383513"], "GalaxyID", [0, 587722982275383513]),
    "negative": (["-600000000000000000", "5"], "id", [-600000000000000000, 5]),
    "20 digits": (["18446744073709551615", "5"], "id", ["18446744073709551615", "5"]),
    "other digits": (["3.jpg", "٣.jpg"], "id", ["3.jpg", "٣.jpg"]),
    "with a point": (["150.1163", "150.2"], "id", ["150.1163", "150.2"]),
    "with a slash": (["a/1", "b/2"], "id", ["a/1", "b/2"]),
    "the largest": (["9223372036854775807", "5"], "id", [2**63 - 1, 5]),
    "the least of 64 bits": (["-9223372036854775808", "5"], "id", ["-9223372036854775808", "5"]),
    "one of many is no number": ([*"0123456789", "x"], "id", [*"0123456789", "x"]),
    "a file of 19 digits": (["1237648720693755918.jpg"], "id", ["1237648720693755918.jpg"]),
}


@pytest.fixture(params=["names of files", "names of a list"], autouse=True)
def kind(request, monkeypatch):
    """Type of the names; a list's are in Arrow's memory, and are read some at a time."""
    monkeypatch.setattr(id_column, "_BATCH", 2)
    return object if request.param == "names of files" else "str"


def labels_of(names: list[str], kind: Any) -> IdColumn:
    return IdColumn.of([Images.of(Path(), pd.Series(names, dtype=kind), 0, lambda row: b"")])


@pytest.mark.parametrize(("names", "column", "expected"), NAMED.values(), ids=NAMED)
def test_images_are_labeled_by_their_ids_and_nothing_less(names, column, expected, kind):
    labels = labels_of(names, kind)
    assert (labels.column, [labels[name] for name in names]) == (column, expected)


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (["7.jpg", "a/007.jpg"], "'7.jpg' and 'a/007.jpg' are both GalaxyID 7: rename one of them"),
        (["7.jpg", "07.jpg", "007.jpg"], "'7.jpg' and '07.jpg' are both GalaxyID 7"),
        (["-7", "-7"], "image '-7' appears twice"),
        (["7", "8", "9", "7"], "image '7' appears twice"),
        (["b", "a", "c", "a", "b"], "image 'a' appears twice"),
        (["=a", "b", "'=a"], "image ''=a' appears twice"),  # equal in a table without formulas
        (["a\n", "b", "a\\n"], "image 'a\\n' appears twice"),
    ],
)
def test_two_images_of_one_id_are_refused(names, named, kind):
    assert named in one_line_refusal(labels_of, names, kind)
