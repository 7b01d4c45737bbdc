"""The ablation command on a tiny competition, as a user types it."""

from pathlib import Path

import pytest

from support.commands import COMPETITION, artifacts, call, complaint, succeed
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


def test_a_mistake_is_said_before_anything_starts(tmp_path: Path) -> None:
    message = complaint(call(tmp_path, "ablate.py", "gz37", "--only-changes", "crop_161"))
    assert "has no change 'crop_161': it has base, crop_160" in message
    assert not list(tmp_path.glob("folds/*/"))
