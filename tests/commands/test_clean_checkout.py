"""What users make stays out of git, and committed records stay as they are."""

import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from galaxyzoo.core import files
from galaxyzoo.core.paths import CODE_ROOT
from support.commands import call, complaint, succeed
from support.real_data import MINI, needs_data

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CODE_ROOT / ".git").exists(), reason="not a git checkout"),
]


def git(folder: Path, *words: str) -> str:
    names = ["-c", "user.name=a", "-c", "user.email=a@b"]
    command = ["git", "-C", str(folder), *names, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of its own with this one's tracked files as they are now."""
    folder = tmp_path_factory.mktemp("checkout") / "clone"
    for name in git(CODE_ROOT, "ls-files", "-z").split("\0"):
        if name and (CODE_ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CODE_ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all")
    return folder


def assert_clean(clone: Path) -> None:
    assert git(clone, "status", "--porcelain") == ""


def test_the_readmes_commands_leave_a_clean_checkout(clone: Path, trained_project: Path) -> None:
    shutil.copytree(trained_project, clone, dirs_exist_ok=True)
    assert_clean(clone)
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    for folder in ("my_galaxies", "survey"):
        (clone / folder).mkdir()
        cv2.imwrite(str(clone / folder / "1.png"), noise)
    for script, *words in (
        ["export.py", "gz37/cnn", "--no-onnx"],
        ["predict.py", "gz37/cnn", "my_galaxies/"],
        ["predict.py", "gz37/cnn", "survey/", "--output", "votes/"],
        ["gradcam.py", "gz37/cnn", "--image", "survey/1.png"],  # into reports/
    ):
        succeed(clone, script, *words)
        assert_clean(clone)
    code = "from galaxyzoo.core.version import code_version; print(code_version())"
    version = subprocess.check_output([sys.executable, "-c", code], cwd=clone / "src", text=True)
    assert version.endswith("+" + git(clone, "describe", "--always"))  # no -dirty


@needs_data(MINI)
def test_committed_tables_make_the_record_again(clone: Path) -> None:
    (clone / "input/kaggle-mini").symlink_to(MINI)
    succeed(clone, "prepare.py", "--data", "kaggle-mini")
    said = succeed(clone, "ensemble.py", "transfer", "--task", "elliptical_spiral").stdout
    place = "kaggle-mini/elliptical_spiral/transfer/predictions"
    assert f"byte for byte the record: submissions/records/{place}.csv" in said
    assert_clean(clone)
    ours, record = (
        files.read_json(clone / folder / f"{place}.json")
        for folder in ("submissions", "submissions/records")
    )
    assert ours["score"] == pytest.approx(record["score"], abs=1e-9)
    refused = call(clone, "predict.py", "ensemble:default", "input/kaggle-mini")
    assert "no ensemble 'ensemble:default'" in complaint(refused)
