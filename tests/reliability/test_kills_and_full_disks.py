"""Real commands killed anywhere, doubled, refused by the disk: they end as an undisturbed one."""

import errno
import itertools
import os
import random
import re
import subprocess
from pathlib import Path

import pytest

from galaxyzoo.core import files
from support.commands import complaint
from support.faulty_commands import TRAIN, Fault, Project, ranks
from support.thoroughness import is_long, long_only, thorough

KILLED = -9, 1  # the second where the ensembler, a child, was killed alone
UNCHANGED = "(any previous file is unchanged)"

Files = dict[str, bytes]
Undisturbed = tuple[Files, dict[str, int]]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """What an undisturbed run leaves, and the file operations at which it can be struck."""
    project = Project.new(tmp_path_factory.mktemp("undisturbed"))
    result = project.run(TRAIN)
    assert result.status == 0, result.output
    return project.artifacts(), ranks(result.operations)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.new(tmp_path)


def check_whole(project: Project, expected: Files) -> None:
    """The same files with the same bytes, and nothing besides."""
    found = project.artifacts()
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []


def finish(project: Project, expected: Files) -> None:
    """The same command, left alone, goes on to the end of the undisturbed one."""
    last = project.run(TRAIN)
    assert last.status == 0, last.output
    check_whole(project, expected)


@pytest.mark.parametrize("seed", range(thorough(1, 8)))
def test_a_run_killed_at_random_points_ends_with_the_same_bytes(undisturbed, project, seed):
    """SIGKILL before a file operation, or up to 0.3 s after it, so in the middle of anything."""
    expected, places = undisturbed
    rng = random.Random(seed)
    kills = 0
    for at in sorted(rng.choices(list(places.values()), k=thorough(3, 125))):
        delay_s = rng.choice([0.0, rng.uniform(0.0, 0.002), rng.uniform(0.0, 0.3)])
        result = project.run(TRAIN, Fault(places, at, delay_s, group=rng.random() < 0.7))
        if result.status == 0:  # the kill came too late: the others strike a new beginning
            check_whole(project, expected)
            project.clear()
            continue
        assert result.status in KILLED, result.output
        assert result.struck
        kills += 1
    assert kills >= thorough(2, 100)
    finish(project, expected)


@long_only("kills at each of some 150 operations")
def test_a_run_killed_before_every_file_operation_ends_with_the_same_bytes(undisturbed, project):
    expected, places = undisturbed
    for at in sorted(places.values()):
        result = project.run(TRAIN, Fault(places, at))
        assert result.status in KILLED, result.output
        assert result.struck
    finish(project, expected)


@pytest.mark.parametrize("seed", range(thorough(1, 4)))
def test_a_run_whose_power_is_cut_ends_with_the_same_bytes(undisturbed, project, seed):
    """Renames, removals and new folders that were not synced are lost at each cut."""
    expected, places = undisturbed
    chosen = random.Random(seed).sample(sorted(places.values()), thorough(3, 100))
    for at in sorted(chosen):
        result = project.run(TRAIN, Fault(places, at, power=True))
        assert result.status in KILLED, result.output
        assert result.struck
    finish(project, expected)


def test_two_commands_at_once_work_one_after_the_other(undisturbed, project):
    results = project.run_twice(TRAIN)
    assert [result.status for result in results] == [0, 0], results
    assert any("another process" in result.output for result in results)
    check_whole(project, undisturbed[0])
    trained = [line for r in results for line in r.operations if re.match("rename.*weights", line)]
    assert len(trained) == len(set(trained)) == 2  # no fold twice


def test_a_command_beside_the_orphan_of_a_killed_one(undisturbed, project):
    """The ensembler, a process of its own, goes on when only its parent is killed."""
    expected, places = undisturbed
    for name, data in expected.items():  # all that comes before
        if name.startswith(("input", "folds")):
            files.write_bytes(project.root / name, data)
    folder = "submissions/demo-full/gz37/all"
    first = next(name for name in places if name.startswith(f"open {folder}/.oof.csv"))
    orphan = Fault({first: 1}, at=1, orphan_until=f"open {folder}/.lock")
    assert project.run(TRAIN, orphan).status == -9
    finish(project, expected)


def test_a_disk_that_refuses_is_one_line_and_loses_nothing(undisturbed, project):
    """It is full and read-only in turn."""
    expected, places = undisturbed
    chosen = sorted(place for name, place in places.items() if not name.startswith("remove"))
    if not is_long():
        chosen = sorted(random.Random(0).sample(chosen, 2))
    for at, number in zip(chosen, itertools.cycle([errno.ENOSPC, errno.EROFS]), strict=False):
        refused = rf"error: cannot write \S+: {os.strerror(number)} {re.escape(UNCHANGED)}"
        before = project.artifacts()
        result = project.run(TRAIN, Fault(places, at, errno=number))
        check_kept(before, project.artifacts(), expected)
        assert re.fullmatch(refused, complaint(result.completed))
    finish(project, expected)


def check_kept(before: Files, after: Files, expected: Files) -> None:
    """Every finished file is still there, as it was or as it will be at the end."""
    for name in before.keys() & expected.keys():
        assert name in after
        end = expected[name]
        grows = name.endswith("history.csv") and end.startswith(after[name])
        assert grows or after[name] in (before[name], end), name


def may_mount() -> bool:
    """Whether a small disk can be had here without being root outside."""
    command = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not may_mount(), reason="no disk can be mounted here")
def test_a_small_disk_that_fills_up_is_one_line_and_loses_nothing(undisturbed, tmp_path):
    """A real file system with a little more room after every refusal."""
    expected, _ = undisturbed
    root = tmp_path / "root"
    root.mkdir()
    mount = 'mount -t tmpfs -o size=16m tmpfs "$0" && echo && exec sleep infinity'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(root)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline()
    of = Path(f"/proc/{holder.pid}")
    inside = Project(Path(f"{of}/root{root}"), tmp_path / "work")
    project = Project(root, tmp_path / "work", (f"{of}/ns/user", f"{of}/ns/mnt"))
    refused = 0
    try:
        for room in range(20_000, 4_000_000, thorough(1_300_000, 40_000)):
            fill(inside.root, room)
            before = inside.artifacts()
            result = project.run(TRAIN)
            if result.status == 0:
                break
            check_kept(before, inside.artifacts(), expected)
            assert re.search(
                "No space left on device|GB and its disk has", complaint(result.completed)
            )
            refused += 1
        assert result.status == 0, result.output
        check_whole(inside, expected)
    finally:
        holder.kill()
        holder.communicate()
    assert refused >= 2


def fill(disk: Path, room: int) -> None:
    """Leave so many bytes free."""
    (disk / "filler").unlink(missing_ok=True)
    usage = os.statvfs(disk)
    free = usage.f_bavail * usage.f_frsize
    with open(disk / "filler", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free - room))
