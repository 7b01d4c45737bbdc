"""Images to predict: how tables name them, and which are named because they are not read."""

import zipfile
from pathlib import Path

import pytest

from galaxyzoo.data.stores.base import Images
from galaxyzoo.data.stores.opening import open_all
from galaxyzoo.inference.images import IdColumn
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
        (["-7", "-7"], "image '-7' appears twice"),
    ],
)
def test_two_images_of_one_id_are_refused(names, named):
    assert named in one_line_refusal(labels_of, names)


# Others skip them in silence as well (jpegview 168: .jfif beside .jpg in a folder)
ENDS = [".jfif", ".jpe", ".avif", ".npy", ".webp", ".TIF", ".heic", ".jp2", ".jxl", ".ppm"]


@pytest.mark.parametrize("is_zip", [False, True])
def test_pictures_that_are_not_read_are_named_with_the_reason(tmp_path, is_zip):
    names = ["1.png", *(f"2{end}" for end in ENDS)]
    path = tmp_path / "a"
    path.mkdir()
    for name in names:
        (path / name).write_bytes(b"x")
    if is_zip:
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name in [*names, "read.me", "labels.csv"]:
                archive.writestr(name, b"x")
    else:
        (path / "more").symlink_to("gone")
    [store] = open_all([path])
    assert store.names.tolist() == ["1.png"]
    reasons = {f"2{e}": f"{e.lower()} is not supported: convert it to JPEG or PNG" for e in ENDS}
    assert dict(store.left_out) == reasons | ({} if is_zip else {"more": "its link is broken"})


@pytest.mark.parametrize("end", [".jpg", ".PNG", ".fits", ".fits.gz"])
def test_single_pictures_are_named_as_in_their_folder(tmp_path, end, monkeypatch):
    """Also links; by their paths where two files have one name."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for name in (f"J0{end}", f"J1{end}", "J2.webp"):
            (tmp_path / folder / name).write_bytes(name.encode())
    (tmp_path / "a" / f"J3{end}").symlink_to(tmp_path / "b" / f"J1{end}")
    [whole] = open_all([tmp_path / "a"])
    monkeypatch.chdir(tmp_path)
    [single] = open_all([Path("a", name) for name in (*whole.names, "J2.webp")])
    assert single.names.tolist() == whole.names.tolist() == [f"J{n}{end}" for n in (0, 1, 3)]
    assert single.left_out == [(str(tmp_path / "a" / "J2.webp"), whole.left_out[0][1])]
    twins = [Path(folder, f"J0{end}") for folder in ("a", "b")]
    [both] = open_all(twins)
    assert both.names.tolist() == [str(tmp_path / path) for path in twins]
    [left_out] = open_all([Path("a", "J2.webp")])
    assert left_out.left_out == single.left_out


def test_single_pictures_are_read_wherever_the_command_runs(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "J0.jpg").write_bytes(b"picture")
    monkeypatch.chdir(tmp_path)
    [single] = open_all([Path("a", "J0.jpg")])
    monkeypatch.chdir("/")
    assert single.load(0) == b"picture"
