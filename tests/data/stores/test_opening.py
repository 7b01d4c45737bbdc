"""Images to predict: which are named because they are not read, and names of single files."""

import zipfile
from pathlib import Path

import pytest

from galaxyzoo.data.stores.opening import open_all

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
