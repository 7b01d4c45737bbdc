"""The ablation command on a tiny competition, as a user types it."""

from pathlib import Path

import pytest

from support.commands import COMPETITION, artifacts, call, complaint, succeed
from support.tuning_fixtures import CHANGES, write_study


@pytest.mark.slow
def test_a_study_is_trained_once_and_its_tables_are_printed(tmp_path: Path) -> None:
    COMPETITION.write_zips(tmp_path / "input")
    study = write_study(tmp_path, changes=CHANGES[:2])
    result = succeed(tmp_path, "ablate.py", study)
    done = [line.split(":")[0] for line in result.stdout.splitlines() if line.endswith(": done")]
    assert sorted(done) == ["base", "longer", "one_view"]
    assert result.stdout.count("| `longer` | 2 epochs | 0.") == 1
    assert "not run" not in result.stdout
    before = artifacts(tmp_path)
    write_study(
        tmp_path, changes=[*CHANGES[:2], {"name": "untrained", "changes": ["train.epochs=3"]}]
    )
    words = ["--folds", "1", "--table", "--only-changes", "longer", "untrained"]
    result = succeed(tmp_path, "ablate.py", study, *words)
    assert "folds 1 of" in result.stdout
    assert "| `longer` | 2 epochs | 0." in result.stdout
    assert "| `untrained` | train.epochs=3 | – | – | – | not run |" in result.stdout
    assert "one_view" not in result.stdout
    assert artifacts(tmp_path) == before


def test_a_mistake_is_said_before_anything_starts(tmp_path: Path) -> None:
    message = complaint(call(tmp_path, "ablate.py", "gz37", "--only-changes", "crop_161"))
    assert "has no change 'crop_161': it has base, crop_160" in message
    assert not list(tmp_path.glob("folds/*/"))
