"""Zips that would write elsewhere, fill the disk, or say one thing and hold another."""

import io
import shutil
import stat
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.readers.kaggle import open_dataset_files
from galaxyzoo.data.stores.opening import open_by_galaxy_id
from galaxyzoo.io import archives
from galaxyzoo.io.archives import open_zip
from support.datasets import COLUMNS, SOLUTIONS, TRAIN_IMAGES, WHOLE, draw_competition
from support.pictures import write_zip
from support.refusals import one_line_refusal


def refusal(path: Path) -> str:
    """The message with which the list of contents is refused."""
    return one_line_refusal(open_zip, path)


def zip_of(path: Path, *infos: zipfile.ZipInfo) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for info in infos:
            archive.writestr(info, b"x")
    return path


def named(name: str, mode: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("x")
    info.filename = info.orig_filename = name
    info.external_attr = mode << 16
    return info


OUTSIDE = ["../evil.jpg", "images/../../evil.jpg", "images/..", "images\\..\\..\\evil.jpg"]
OUTSIDE += ["/etc/evil.jpg", "\\\\server\\evil.jpg", "C:\\evil.jpg", "c:evil.jpg"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_outside_is_refused(tmp_path, name):
    path = zip_of(tmp_path / "a.zip", named("1.jpg"), named(name))
    assert refusal(path) == f"{path}: '{name}' would be unpacked outside its folder"


@pytest.mark.parametrize("name", ["a..b.jpg", "...", "x/..y/1.jpg", "1..jpg", "ab:c.jpg", "d/"])
def test_names_with_points_and_colons_are_as_good_as_others(tmp_path, name):
    assert open_zip(zip_of(tmp_path / "a.zip", named(name))).namelist() == [name]


def test_a_name_that_ends_early_is_refused(tmp_path):
    path = zip_of(tmp_path / "a.zip", named("1.jpgXevil"))
    path.write_bytes(path.read_bytes().replace(b"1.jpgXevil", b"1.jpg\0evil"))
    assert "would be unpacked outside" in refusal(path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_are_refused(tmp_path, kind):
    path = zip_of(tmp_path / "a.zip", named("1.jpg", stat.S_IFREG), named("2.jpg", kind | 0o777))
    message = refusal(path)
    assert message == f"{path}: '2.jpg' is a link or a device, not a file: zip the file itself"


def test_a_member_that_is_there_twice_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = zip_of(tmp_path / "a.zip", named("1.jpg"), named("d/"), named("d/"))
    open_zip(path)  # folders are nothing to choose between
    with pytest.warns(UserWarning, match="Duplicate name"):
        zip_of(path, named("1.jpg"), named("2.jpg"), named("1.jpg"))
    assert refusal(path) == f"{path} has '1.jpg' twice: zip it again with one copy"


def edit_entries(path: Path, offset: int, value: bytes) -> None:
    """Change a field of every entry of the list of contents (APPNOTE 4.3.12)."""
    data = bytearray(path.read_bytes())
    start = data.find(b"PK\x01\x02")
    while start >= 0:
        data[start + offset : start + offset + len(value)] = value
        start = data.find(b"PK\x01\x02", start + 4)
    path.write_bytes(data)


def test_an_encrypted_zip_is_refused(tmp_path):
    path = zip_of(tmp_path / "a.zip", named("1.jpg"))
    edit_entries(path, 8, struct.pack("<H", 0x1))
    assert "'1.jpg' is encrypted: unzip it with its password, then zip it without" in refusal(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_rare_ways_of_packing_are_refused(tmp_path, compression):
    """Python's own reader puts no limit to what one read of those unpacks."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", compression) as archive:
        archive.writestr("1.jpg", b"x")
    message = refusal(tmp_path / "a.zip")
    assert "'1.jpg' uses a rare compression method: zip it again with deflate" in message


def squeezed(path: Path, members: int, size: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(members):
            archive.writestr(f"{number}.jpg", bytes(size))
    return path


def test_a_member_beyond_reason_is_refused(tmp_path):
    path = squeezed(tmp_path / "a.zip", 1, 1_000_000)
    edit_entries(path, 24, struct.pack("<I", 100_000_001))
    message = refusal(path)
    assert "'0.jpg' would grow from " in message
    assert "to 100,000,001 bytes, as a zip bomb does: if you trust it, zip it again" in message


def test_many_members_beyond_reason_are_refused(tmp_path):
    path = squeezed(tmp_path / "a.zip", 11, 1_000_000)
    edit_entries(path, 24, struct.pack("<I", 90_000_000))
    open_zip(path)  # 990 MB in all, which a disk can hold
    edit_entries(path, 24, struct.pack("<I", 91_000_000))
    assert "to 1,001,000,000 bytes, as a zip bomb does: if you trust it, zip it again" in refusal(
        path
    )


def test_members_that_share_their_bytes_are_refused(tmp_path):
    """Overlapping members multiply without any of them standing out (Fifield 2019, WOOT)."""
    path = squeezed(tmp_path / "a.zip", 2, 4_000_000)
    edit_entries(path, 20, struct.pack("<I", path.stat().st_size - 100))
    assert refusal(path) == f"{path}: its members overlap, as in a zip bomb: replace it"


def test_an_image_is_read_no_further_than_its_entry_says(tmp_path):
    """An entry that says 1 kB before 60 MB: its reader stops, and the checksum tells."""
    path = squeezed(tmp_path / "1.zip", 1, 60_000_000)
    edit_entries(path, 24, struct.pack("<I", 1000))
    store = open_by_galaxy_id(path)
    read: list[int] = []
    unpack = zipfile.ZipExtFile._read1  # type: ignore[attr-defined]

    def counted(self: zipfile.ZipExtFile, n: int) -> bytes:
        read.append(n)
        return unpack(self, n)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zipfile.ZipExtFile, "_read1", counted)
        with pytest.raises(InputError, match=r"0\.jpg cannot be read \(Bad CRC-32"):
            store.read(0)
    assert max(read) == 1000


def test_the_competitions_own_sample_submission_is_no_bomb(tmp_path):
    """Rows of zeros, the most compressible file that anyone has reason to bring."""
    ids = np.sort(np.random.default_rng(0).choice(900_000, 8_000, replace=False)) + 100_000
    zeros = ",".join(["0.000000"] * len(COLUMNS))
    rows = [",".join(["GalaxyID", *COLUMNS]), *(f"{galaxy_id},{zeros}" for galaxy_id in ids), ""]
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("a.csv", "\n".join(rows))
    member = open_zip(tmp_path / "a.zip").infolist()[0]
    ratio = member.file_size / member.compress_size
    assert 20 < ratio < archives.MAX_RATIO / 2


def bad(*_: object) -> bytes:
    """A whole zip with a link in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(named("../evil", stat.S_IFLNK), b"/etc/passwd")
    return buffer.getvalue()


@pytest.mark.parametrize("part", [SOLUTIONS, TRAIN_IMAGES, WHOLE, f"{SOLUTIONS} in {WHOLE}"])
def test_every_zip_of_the_competition_is_checked_before_it_is_read(root, part):
    folder = draw_competition(4, 2).write_zips(root / "input" / "mine")
    (folder / f"{part.split()[0]}.zip").write_bytes(bad())
    if part == WHOLE:
        (folder / f"{TRAIN_IMAGES}.zip").unlink()
    elif WHOLE in part:
        members = {path.name: path.read_bytes() for path in folder.iterdir()}
        shutil.rmtree(folder)
        write_zip(folder / f"{WHOLE}.zip", members)
    with pytest.raises(InputError, match=r"'\.\./evil' would be unpacked outside"):
        open_dataset_files(folder)
    assert not list(root.rglob("*evil*"))
