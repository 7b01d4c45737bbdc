"""Whole files or none; what killed writers leave goes away, what living ones write does not."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from galaxyzoo.core import paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.files import LOCK, hold_lock, read_json, write_text, writing, writing_folder

WRITER = """
import sys
from pathlib import Path
from galaxyzoo.core import files as atomic
with atomic.writing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("writing", flush=True)
    sys.stdin.readline()
"""


def start_writer(path: Path) -> subprocess.Popen[str]:
    """Another process in the middle of writing `path`."""
    command = [sys.executable, "-c", WRITER, str(path)]
    pipe = subprocess.PIPE
    code = {**os.environ, "PYTHONPATH": str(paths.CODE_ROOT / "src")}
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=code)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


def write_to_a_full_disk(path: Path) -> None:
    with writing(path) as temporary:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_writer_left_goes_with_the_next_writing(tmp_path):
    path = tmp_path / "table [1].csv"  # a name that is also a pattern
    path.write_text("old")
    writer = start_writer(path)
    writer.kill()
    writer.wait()
    assert len(files(tmp_path)) == 2
    assert path.read_text() == "old"
    write_text(path, "new")
    assert files(tmp_path) == [path.name]
    assert path.read_text() == "new"


def test_what_a_living_writer_writes_is_left_alone(tmp_path):
    path = tmp_path / "table.csv"
    writer = start_writer(path)
    write_text(path, "mine")
    assert len(files(tmp_path)) == 2
    writer.communicate("go on\n")
    assert path.read_text() == "half"
    assert files(tmp_path) == ["table.csv"]


def test_an_error_keeps_what_was_there_and_says_so(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(InputError, match=r"table\.csv: No space left on device .*unchanged"):
        write_to_a_full_disk(path)
    assert files(tmp_path) == ["table.csv"]
    assert path.read_text() == "old"


def test_what_is_no_file_is_not_replaced(tmp_path):
    """As root a rename goes over /dev/null as well, and then every program's nothing is a file."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(InputError, match=f"{name}: it is a folder or a device"):
            write_text(tmp_path / name, "new")
    assert (tmp_path / "pipe").is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]


def test_nothing_is_written_below_a_folder_that_was_deleted_under_its_lock(tmp_path):
    """Nor if somebody else has made one of its name and holds its lock."""
    folder = tmp_path / "run"
    with hold_lock(folder / LOCK, "at work"):
        write_text(folder / "fold_0" / "kept", "old")
        shutil.rmtree(folder)
        for _ in range(2):
            with pytest.raises(InputError, match="run was deleted while this command was using it"):
                write_text(folder / "fold_0" / "late", "old")
            folder.mkdir(exist_ok=True)
            (folder / LOCK).touch()
        assert files(folder) == [LOCK]
    with hold_lock(folder / LOCK, "at work"):
        write_text(folder / "new", "new")


def test_a_folder_is_whole_or_not_there(tmp_path):
    path = tmp_path / "out"

    def fail() -> None:
        with writing_folder(path) as part:
            (part / "a").write_text("a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []
    left = tmp_path / ".out.dead1234.part"  # of a writer that was killed
    left.mkdir()
    (left / "b").write_text("b")
    with writing_folder(path) as part:
        (part / "c").write_text("c")
        with writing_folder(tmp_path / "out2"):  # another writer leaves a living one alone
            pass
        assert not path.exists()
        assert part.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "out2"]
    assert (path / "c").read_text() == "c"


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[int, int]]:
    """Of each fsync so far: what it was of, and what was to be found under `out` (0: nothing)."""
    fsync = os.fsync
    calls = list[tuple[int, int]]()
    out = tmp_path / "out"

    def spy(handle: int) -> None:
        calls.append((os.fstat(handle).st_ino, inode(out) if out.exists() else 0))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", spy)
    return calls


def inode(path: Path) -> int:
    return path.stat().st_ino


def test_a_file_is_synced_renamed_and_its_folder_synced(tmp_path, synced):
    """A reader and a power cut find the old file or the new one, never a copy half done."""
    path = tmp_path / "out"
    path.write_text("old")
    old = inode(path)
    with writing(path) as temporary:
        temporary.write_text("new")
        new = inode(temporary)
    assert synced == [(new, old), (inode(tmp_path), new)]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file, no folder")
    with pytest.raises(InputError, match=r"cannot write .*taken/table\.csv"):
        write_text(tmp_path / "taken" / "table.csv", "x")


def test_json_that_is_missing_or_broken_is_named(tmp_path):
    with pytest.raises(InputError, match=r"card\.json is missing"):
        read_json(tmp_path / "card.json")
    (tmp_path / "folder.json").mkdir()
    for name, text in (("card", '{"score": 0.1'), ("deep", "[" * 100_000), ("folder", "")):
        path = tmp_path / f"{name}.json"
        if text:
            path.write_text(text)
        with pytest.raises(InputError, match=rf"{name}\.json is not valid JSON"):
            read_json(path)
