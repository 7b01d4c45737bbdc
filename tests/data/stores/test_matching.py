"""Names in tables and names of images: whatever was written, the one image that is meant."""

import unicodedata
from pathlib import Path

import pytest

from galaxyzoo.data.stores.base import Images
from galaxyzoo.data.stores.matching import match
from support.refusals import one_line_refusal

PLATES = ["a/0000.png", "a/0001.png", "b/0000.png"]
LONG = unicodedata.normalize("NFD", "sphère.png")
# names of the images, the name in the table, the row or a part of the refusal
NAMES: dict[str, tuple[list[str], str, int | str]] = {
    "as written": (PLATES, "b/0000.png", 2),
    "without its ending": (PLATES, "b/0000", 2),
    "another case of the ending": (["7.JPG", "7.png"], "7.jpg", 0),
    "from a folder above": (PLATES, "images/b/0000.png", 2),
    "from here": (PLATES, "./a/0000.png", 0),
    "absolute": (PLATES, "/data/of/others/b/0000.png", 2),
    "backslashes": (PLATES, "images\\b\\0000.png", 2),
    "a bare name": (PLATES, "0001.png", 1),
    "a folder that is not there": (PLATES, "c/0000.png", "both 'a/0000.png' and 'b/0000.png'"),
    "two files of a stem": (["g.png", "g.jpg"], "g", "both 'g.png' and 'g.jpg' are named 'g'"),
    "the nearest of two": (["x/a/1.png", "a/1.png"], "a/1.png", 1),
    "decomposed": ([LONG, "b.png"], unicodedata.normalize("NFC", LONG), 0),
    "behind an upload's mark": (["J1.png", "J2.png"], "/data/upload/1/1a2b3c4d-J2.png", 1),
    "behind a signed URL": (["J1.png", "J2.png"], "s3://a/J2.png?X-Sign=1/J1.png", 1),
    "a space in a URL": (["J 1.png", "J 2.png"], "/data/local-files/?d=a/J%202.png", 1),
    "an id with a slash": (["p/1", "q/1"], "q/1", 1),
    "a formula in a spreadsheet": (["=1.png", "b.png"], "'=1.png", 0),
    "another id": (["J1042", "J1043"], "J104", "no image is named 'J104'"),
    "zeros": (["7", "007"], "007", 1),
    "zeros that a GalaxyID lost": (["0016.jpg", "0160.jpg", "7.jpg"], "16", 0),
    "zeros that a survey has not": (["16", "160"], "0016.jpg", 0),
    "all its zeros": (["0.jpg", "7.jpg"], "00", 0),
    "nothing is not 0": (["0.jpg", "7.jpg"], "", "no image is named ''"),
    "a folder is not 0": (["0", "7"], "images/", "no image is named 'images/'"),
    "an ending is not 0": (["0.jpg", ".jpg"], ".jpg", "no image is named '.jpg'"),
    "a negative number": (["20.jpg", "-20.jpg"], "-20", 1),
}


@pytest.mark.parametrize(("known", "name", "expected"), NAMES.values(), ids=NAMES)
def test_a_name_means_one_image_or_is_refused(known, name, expected):
    images = Images.of(Path(), known, 0, str.encode)
    table = Path("labels.csv")
    if isinstance(expected, str):
        assert f"labels.csv: {expected}" in one_line_refusal(match, [name], images, table)
    else:
        assert match([name], images, table) == [expected]
