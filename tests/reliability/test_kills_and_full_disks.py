"""Real commands killed anywhere, doubled, refused by the disk: they end as an undisturbed one."""

import errno
import os
import random
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import COMPETITION
from support.faulty_commands import (
    TRAIN,
    Fault,
    Result,
    Server,
    all_artefacts,
    call,
    ranks,
    serving,
)
from support.thoroughness import is_long, long_only, thorough

KILLED = -9, 1  # the second where the ensembler, a child, was killed alone
UNCHANGED = "(what was there before is unchanged)"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], list[str]]:
    """What an undisturbed run leaves, and all that it did to files, in order."""
    folder = tmp_path_factory.mktemp("undisturbed")
    result = call(new_root(folder), folder / "work", TRAIN)
    assert result.status == 0, result.output
    return all_artefacts(folder / "root"), result.operations


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(new_root(tmp_path), tmp_path / "work") as server:
        yield server


def new_root(folder: Path) -> Path:
    """A project folder in which nothing has run."""
    COMPETITION.write_zips(folder / "root" / "input")
    return folder / "root"


def check_whole(root: Path, expected: dict[str, bytes]) -> None:
    """The same files with the same bytes, and nothing besides."""
    found = all_artefacts(root)
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []


@pytest.mark.parametrize("seed", range(thorough(1, 8)))
def test_a_run_killed_at_random_points_ends_with_the_same_bytes(
    undisturbed: tuple[dict[str, bytes], list[str]], server: Server, seed: int
) -> None:
    """SIGKILL before a file operation, or up to 0.3 s after it, so in the middle of anything."""
    expected, operations = undisturbed
    rng = random.Random(seed)
    places = ranks(operations)
    kills = 0
    for at in sorted(rng.choices(list(places.values()), k=30)):
        delay_s = rng.choice([0.0, rng.uniform(0.0, 0.002), rng.uniform(0.0, 0.3)])
        result = server.run(TRAIN, Fault(places, at, delay_s, group=rng.random() < 0.7))
        if result.status == 0:  # the last kills came too late
            break
        assert result.status in KILLED, result.output
        assert result.struck
        kills += 1
    assert kills >= 20
    last = server.run(TRAIN)
    assert last.status == 0, last.output
    check_whole(server.root, expected)


@long_only("kills at each of some 200 operations")
def test_a_run_killed_before_every_file_operation_ends_with_the_same_bytes(
    undisturbed: tuple[dict[str, bytes], list[str]], server: Server
) -> None:
    expected, operations = undisturbed
    places = ranks(operations)
    for at in sorted(places.values()):
        result = server.run(TRAIN, Fault(places, at))
        assert result.status in KILLED, result.output
    assert server.run(TRAIN).status == 0
    check_whole(server.root, expected)


def test_two_commands_at_once_work_one_after_the_other(
    undisturbed: tuple[dict[str, bytes], list[str]], tmp_path: Path
) -> None:
    expected, _ = undisturbed
    root = new_root(tmp_path)
    results: list[Result] = []
    threads = [
        threading.Thread(
            target=lambda name=name: results.append(call(root, tmp_path / name, TRAIN))
        )
        for name in ("one", "two")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [result.status for result in results] == [0, 0], results
    said = [line for r in results for line in r.output.splitlines() if "another process" in line]
    assert said
    check_whole(root, expected)
    trained = [line for r in results for line in r.operations if re.match("rename.*weights", line)]
    assert len(trained) == len(set(trained)) == 3  # no fold twice


def test_a_command_beside_the_orphan_of_a_killed_one(
    undisturbed: tuple[dict[str, bytes], list[str]], server: Server
) -> None:
    """The ensembler is a process of its own, which survives when only its parent is killed."""
    expected, operations = undisturbed
    places = ranks(operations)
    at = next(place for name, place in places.items() if name.endswith("gz37/cnn.json"))
    result = server.run(TRAIN, Fault(places, at, delay_s=1.0, group=False))
    assert result.status in KILLED
    last = server.run(TRAIN)
    assert last.status == 0, last.output
    check_whole(server.root, expected)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS], ids=["full", "read-only"])
def test_a_disk_that_refuses_is_one_line_and_loses_nothing(
    undisturbed: tuple[dict[str, bytes], list[str]], server: Server, number: int
) -> None:
    expected, operations = undisturbed
    places = ranks(operations)
    chosen = sorted(v for name, v in places.items() if not name.startswith("remove"))
    if not is_long():
        chosen = sorted(random.Random(number).sample(chosen, 8))
    for at in chosen:
        before = all_artefacts(server.root)
        result = server.run(TRAIN, Fault(places, at, errno=number))
        check_kept(before, all_artefacts(server.root), expected)
        said = rf"error: cannot write \S+: {os.strerror(number)} {re.escape(UNCHANGED)}"
        assert re.fullmatch(said, complaint(result))
    last = server.run(TRAIN)
    assert last.status == 0, last.output
    check_whole(server.root, expected)


def check_kept(
    before: dict[str, bytes], after: dict[str, bytes], expected: dict[str, bytes]
) -> None:
    """Every file for good that was there is there, as it was or as it will be at the end."""
    for name in before.keys() & expected.keys():
        assert name in after
        end = expected[name]
        grows = name.endswith("history.csv") and end.startswith(after[name])
        assert grows or after[name] in (before[name], end), name


def complaint(result: Result) -> str:
    """The one line that a refused command says."""
    assert result.status == 1, result.output
    assert "Traceback" not in result.output, result.output
    lines = [line for line in result.output.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.output
    return lines[0]


def may_mount() -> bool:
    """Whether a small disk can be had here without being root outside."""
    command = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not may_mount(), reason="no disk can be mounted here")
def test_a_small_disk_that_fills_up_is_one_line_and_loses_nothing(
    undisturbed: tuple[dict[str, bytes], list[str]], tmp_path: Path
) -> None:
    """A real file system with a little more room after every refusal."""
    expected, _ = undisturbed
    root = tmp_path / "root"
    root.mkdir()
    mount = 'mount -t tmpfs -o size=16m tmpfs "$0" && exec "$@"'
    prefix = ("unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(root))
    refused = 0
    with serving(root, tmp_path / "work", prefix) as server:
        inside = Path(f"/proc/{server.forks.process.pid}/root{root}")
        COMPETITION.write_zips(inside / "input")
        for room in range(20_000, 4_000_000, thorough(300_000, 40_000)):
            fill(inside, room)
            before = all_artefacts(inside)
            result = server.run(TRAIN)
            if result.status == 0:
                break
            check_kept(before, all_artefacts(inside), expected)
            assert re.search("No space left on device|GB and its disk has", complaint(result))
            refused += 1
        assert result.status == 0, result.output
        check_whole(inside, expected)
    assert refused >= 2


def fill(disk: Path, room: int) -> None:
    """Leave so many bytes free."""
    (disk / "filler").unlink(missing_ok=True)
    usage = os.statvfs(disk)
    free = usage.f_bavail * usage.f_frsize
    with open(disk / "filler", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free - room))
