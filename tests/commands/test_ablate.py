"""The ablation command on a tiny competition, as a user types it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.commands import COMPETITION, SRC, artifacts, call, complaint, environment, succeed
from support.tuning_fixtures import CHANGES, write_study


def write_project(root: Path) -> Path:
    """A competition, and the path of a study."""
    COMPETITION.write_zips(root / "input")
    return write_study(root, changes=CHANGES[:2])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder in which a study has been trained."""
    root = tmp_path_factory.mktemp("done")
    study = write_project(root)
    result = succeed(root, "ablate.py", study)
    done = [line.split(":")[0] for line in result.stdout.splitlines() if line.endswith(": done")]
    assert sorted(done) == ["base", "longer", "one_view"]
    assert result.stdout.count("| `longer` | 2 epochs | 0.") == 1
    assert "not run" not in result.stdout
    return root


@pytest.mark.slow
def test_the_same_command_again_trains_nothing(done: Path) -> None:
    before = artifacts(done)
    result = succeed(done, "ablate.py", done / "tiny.yaml")
    assert ": done" not in result.stdout
    assert artifacts(done) == before


@pytest.mark.slow
def test_the_table_of_some_folds_and_changes_is_printed_without_training(
    done: Path, tmp_path: Path
) -> None:
    untrained = {"name": "untrained", "changes": ["train.epochs=3"]}
    changes = [*CHANGES[:2], untrained]
    study, before = write_study(tmp_path, changes=changes), artifacts(done)
    words = ["--folds", "1", "--table", "--only-changes", "longer", "untrained"]
    result = succeed(done, "ablate.py", study, *words)
    assert "folds 1 of" in result.stdout
    assert "| `longer` | 2 epochs | 0." in result.stdout
    assert "| `untrained` | train.epochs=3 | – | – | – | not run |" in result.stdout
    assert "one_view" not in result.stdout
    assert "left out" not in result.stdout
    assert artifacts(done) == before


def processes(root: Path) -> list[Path]:
    """Those that work on the project in that folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"GALAXYZOO_ROOT={root}\0".encode() in (folder / "environ").read_bytes():
                found.append(folder)
        except OSError:  # it has just ended
            continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads Linux's /proc")
def test_workers_end_with_a_killed_command_and_the_next_one_goes_on(
    done: Path, tmp_path: Path
) -> None:
    study = write_project(tmp_path)
    command = [sys.executable, str(SRC / "ablate.py"), str(study), "--jobs", "2"]
    with subprocess.Popen(command, env=environment(tmp_path), cwd=tmp_path) as parent:
        while not list(tmp_path.glob("folds/*/gz37/*/fold_0/timings.csv")):
            assert parent.poll() is None
            time.sleep(0.05)
        assert len(processes(tmp_path)) >= 3
        parent.send_signal(signal.SIGKILL)
    while processes(tmp_path):  # for ever, were they to wait for their parent
        time.sleep(0.05)
    succeed(tmp_path, "ablate.py", study)
    ours, theirs = artifacts(tmp_path), artifacts(done)
    assert ours.keys() == theirs.keys()
    assert ours == theirs


def test_a_mistake_is_said_before_anything_starts(tmp_path: Path) -> None:
    message = complaint(call(tmp_path, "ablate.py", "gz37", "--only-changes", "crop_161"))
    assert "has no change 'crop_161': it has base, crop_160" in message
    assert not list(tmp_path.glob("folds/*/"))
