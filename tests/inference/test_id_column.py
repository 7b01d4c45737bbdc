"""Ids by which tables name predicted images."""

from pathlib import Path

import pytest

from galaxyzoo.data.stores.base import Images
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
    "a file of 19 digits": (["1237648720693755918.jpg"], "id", ["1237648720693755918.jpg"]),
}


def labels_of(names: list[str]) -> IdColumn:
    return IdColumn.of([Images.of(Path(), names, 0, lambda row: b"")])


@pytest.mark.parametrize(("names", "column", "expected"), NAMED.values(), ids=NAMED)
def test_images_are_labeled_by_their_ids_and_nothing_less(names, column, expected):
    labels = labels_of(names)
    assert (labels.column, [labels[name] for name in names]) == (column, expected)


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (["7.jpg", "a/007.jpg"], "'7.jpg' and 'a/007.jpg' are both GalaxyID 7: rename one of them"),
        (["7.jpg", "07.jpg", "007.jpg"], "'7.jpg' and '07.jpg' are both GalaxyID 7"),
        (["-7", "-7"], "image '-7' appears twice"),
    ],
)
def test_two_images_of_one_id_are_refused(names, named):
    assert named in one_line_refusal(labels_of, names)
