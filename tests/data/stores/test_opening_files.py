"""Folders and zips of images: which files count, links, and what cannot be read."""

import errno
import gc
import os
import pickle
import weakref
import zipfile
from pathlib import Path

import pytest

from galaxyzoo.data.stores import opening
from galaxyzoo.data.stores.opening import open_by_galaxy_id, open_files, open_images
from galaxyzoo.io.archives import open_unchecked
from support.pictures import write_zip
from support.refusals import one_line_refusal


def test_a_subfolder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    """By the system's answer, since root may read everything."""
    (tmp_path / "closed").mkdir()
    (tmp_path / "1.jpg").write_bytes(b"x")
    scandir = os.scandir

    def answer(path):
        if Path(path).name == "closed":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", answer)
    message = one_line_refusal(open_by_galaxy_id, tmp_path)
    assert message == f"{tmp_path / 'closed'} cannot be read: Permission denied"


def listed(folder: Path) -> list[str]:
    return open_files(folder).names.tolist()


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A folder with images here, in a subfolder and in one outside, both of which links lead to."""
    for name in ("in/a.png", "in/real/b.png", "out/c.png", "out/deep/d.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "in" / "linked").symlink_to("../out")
    return tmp_path / "in"


# Data sets of linked folders: fastai 2270, timm 334, torchvision 1580
LINKS: dict[str, list[tuple[str, str]]] = {
    "to another folder": [],
    "to itself": [("loop", "."), ("real/loop", ".."), ("linked/back", "../in")],
    "to each other": [("linked/deep/x", "../../out2"), ("../out2/y", "../out")],
    "to what is here": [("a", "real"), ("z", "linked")],
    "to a folder around it": [("real/up", "../..")],
}


@pytest.mark.parametrize("links", LINKS.values(), ids=LINKS)
def test_linked_subfolders_are_walked_once(linked, links):
    for place, target in links:
        (linked / place).parent.mkdir(exist_ok=True)
        (linked / place).symlink_to(target)
    names = ["a.png", "linked/c.png", "linked/deep/d.png", "real/b.png"]
    (linked.parent / "e.png").write_bytes(b"x")  # beside them, nobody named it
    assert listed(linked) == names
    assert open_images(linked).read(1) == b"x"


# Jupyter's checkpoints (torchvision 2831, tensorflow 46595); Synology's and macOS's copies
COPIES = [".ipynb_checkpoints/1-checkpoint.jpg", "@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg",
          "__MACOSX/images/1.jpg", "images/.thumbs/deep/1.jpg", "._1.jpg",
          "..old/1.jpg"]  # fmt: skip


@pytest.mark.parametrize("is_zip", [False, True])
@pytest.mark.parametrize("copy", COPIES)
def test_copies_in_hidden_folders_are_no_galaxies(tmp_path, copy, is_zip):
    names = ["images/1.jpg", "images/2.jpg", copy]
    write_zip(tmp_path / "a.zip", dict.fromkeys(names, b"x"))
    path = tmp_path / "a.zip"
    if not is_zip:
        path = tmp_path / ".hidden"  # what the user names is meant
        with zipfile.ZipFile(tmp_path / "a.zip") as archive:
            archive.extractall(path)
    assert listed(path) == names[:2]
    assert open_by_galaxy_id(path).ids.tolist() == [1, 2]


def test_a_folder_of_a_tar_or_zip_may_begin_with_a_point(tmp_path):
    write_zip(tmp_path / "a.zip", {"./1.jpg": b"x", "./d/2.jpg": b"x"})
    assert open_by_galaxy_id(tmp_path / "a.zip").ids.tolist() == [1, 2]


def test_what_cannot_be_read_is_listed_and_named(tmp_path):
    """A pipe would wait for ever."""
    (tmp_path / "1.jpg").write_bytes(b"x")
    os.mkfifo(tmp_path / "2.jpg")
    (tmp_path / "3.jpg").symlink_to("gone.jpg")
    (tmp_path / "4.jpg").symlink_to("4.jpg")
    store = open_by_galaxy_id(tmp_path)
    assert store.read(1) == b"x"
    assert "2.jpg is not a regular file" in one_line_refusal(store.read, 2)
    assert "3.jpg cannot be read" in one_line_refusal(store.read, 3)
    assert "4.jpg cannot be read" in one_line_refusal(store.read, 4)


def test_a_folder_behind_a_dead_link_is_named(tmp_path):
    (tmp_path / "1.jpg").write_bytes(b"x")
    (tmp_path / "more").symlink_to("/mnt/gone")
    assert "'more': its link is broken" in one_line_refusal(open_by_galaxy_id, tmp_path)


def test_of_many_zips_a_thread_keeps_few_open(tmp_path, monkeypatch):
    """A process may have 1,024 files open (Linux); a zip that was replaced is opened anew."""
    opened: list[weakref.ref[zipfile.ZipFile]] = []

    def open_counted(path: Path) -> zipfile.ZipFile:
        archive = open_unchecked(path)
        opened.append(weakref.ref(archive))
        return archive

    monkeypatch.setattr(opening, "open_unchecked", open_counted)
    stores = []
    for number in range(6):
        path = tmp_path / f"{number}.zip"
        write_zip(path, {"1.jpg": str(number).encode()})
        stores.append(open_files(path))
        for store in (stores[-1], pickle.loads(pickle.dumps(stores[-1]))):
            assert store.load(0) == str(number).encode()
    gc.collect()
    assert len(opened) == 6
    assert sum(archive() is not None for archive in opened) <= 4
    write_zip(path, {"1.jpg": b"another"})
    assert open_files(path).load(0) == b"another"
