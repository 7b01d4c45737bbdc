"""Images to predict: how tables name them."""

from pathlib import Path

import pytest

from galaxyzoo.inference.images import Labels
from galaxyzoo.io.archives import ImageStore
from support.refusals import one_line_refusal

# Names in a store, the column that they get, and the label of each
NAMED: dict[str, tuple[list[str], str, list[int | str]]] = {
    "GalaxyIDs of files": (["a/7.jpg", "0012.PNG", "3.fits"], "GalaxyID", [7, 12, 3]),
    "GalaxyIDs of a catalogue": (["0", "587722982275383513"], "GalaxyID", [0, 587722982275383513]),
    "both": (["7.jpg", "8"], "GalaxyID", [7, 8]),
    "negative": (["-600000000000000000", "5"], "id", [-600000000000000000, 5]),
    "19 digits": (["1237648720693755918", "5"], "id", [1237648720693755918, 5]),
    "20 digits": (["18446744073709551615", "5"], "id", ["18446744073709551615", "5"]),
    "with a point": (["150.1163", "150.2"], "id", ["150.1163", "150.2"]),
    "with a slash": (["a/1", "b/2"], "id", ["a/1", "b/2"]),
    "with zeros": (["007", "7"], "id", ["007", "7"]),
    "files of other names": (["a/7.jpg", "b/7.jpg"], "id", ["a/7.jpg", "b/7.jpg"]),
    "a file of 19 digits": (["1237648720693755918.jpg"], "id", ["1237648720693755918.jpg"]),
}


def labels_of(names: list[str]) -> Labels:
    return Labels.of([ImageStore.numbered(Path(), [(name, 0) for name in names])])


@pytest.mark.parametrize(("names", "column", "expected"), NAMED.values(), ids=NAMED)
def test_images_are_labelled_by_their_ids_and_nothing_less(
    names: list[str], column: str, expected: list[int | str]
) -> None:
    labels = labels_of(names)
    assert (labels.column, [labels[name] for name in names]) == (column, expected)


@pytest.mark.parametrize(
    ("names", "named"),
    [
        (["7.jpg", "a/007.jpg"], "'7.jpg' and 'a/007.jpg' are both GalaxyID 7: rename one of them"),
        (["-7", "-7"], "image '-7' is named twice"),
    ],
)
def test_two_images_of_one_id_are_refused(names: list[str], named: str) -> None:
    assert named in one_line_refusal(labels_of, names)
