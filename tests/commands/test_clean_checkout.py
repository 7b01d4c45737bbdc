"""What users make stays out of git, and committed records stay as they are."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from galaxyzoo.core import files
from galaxyzoo.core.paths import CODE_ROOT
from support.commands import COMPETITION, TRAIN, environment
from support.forked_commands import ForkServer, Job
from support.real_data import MINI, needs_data

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CODE_ROOT / ".git").exists(), reason="not a git checkout"),
]
Type = Callable[..., str]


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


@pytest.fixture(scope="module")
def type_in(clone: Path) -> Iterator[Type]:
    """Type a command in the checkout; gives what it prints."""
    own = {key: value for key, value in environment(clone).items() if key != "GALAXYZOO_ROOT"}
    own["PYTHONPATH"] = str(clone / "src")
    server, log = ForkServer(own), clone.parent / "log"

    def type_in(script: str, *words: str) -> str:
        log.unlink(missing_ok=True)
        command = [str(clone / "src" / script), *words]
        assert server.run(Job(command, str(clone), own, *2 * [str(log)])) == [0], log.read_text()
        return log.read_text()

    yield type_in
    server.close()


def assert_clean(clone: Path) -> None:
    assert git(clone, "status", "--porcelain") == ""


def test_the_readmes_commands_leave_a_clean_checkout(clone: Path, type_in: Type) -> None:
    COMPETITION.write_zips(clone / "input")
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    for folder in ("my_galaxies", "survey"):
        (clone / folder).mkdir()
        cv2.imwrite(str(clone / folder / "1.png"), noise)
    for script, *words in (
        ["prepare.py", "--folds", "3"],
        [*TRAIN, "--ensemble"],
        ["ensemble.py"],
        ["evaluate.py", "gz37"],
        ["explore.py"],
        ["export.py", "gz37/cnn", "--no-onnx"],
        ["predict.py", "my_galaxies/"],
        ["predict.py", "survey/", "--output", "votes/"],
        ["gradcam.py", "gz37/cnn", "--image", "survey/1.png"],
    ):
        type_in(script, *words)
        assert_clean(clone)
    (path,) = (clone / "submissions").glob("*/gz37/all/predictions.json")
    version = files.read_json(path)["code_version"]
    assert version.endswith("+" + git(clone, "describe", "--always").strip())  # no -dirty


@needs_data(MINI)
def test_committed_tables_make_the_record_again(clone: Path, type_in: Type) -> None:
    (clone / "input/kaggle-mini").symlink_to(MINI)
    type_in("prepare.py", "--data", "kaggle-mini")
    said = type_in("ensemble.py", "transfer", "--task", "elliptical_spiral")
    place = "kaggle-mini/elliptical_spiral/transfer/predictions"
    assert f"byte for byte the record: submissions/records/{place}.csv" in said
    assert_clean(clone)
    ours, record = (
        files.read_json(clone / folder / f"{place}.json")
        for folder in ("submissions", "submissions/records")
    )
    assert ours["score"] == pytest.approx(record["score"], abs=1e-9)
    with pytest.raises(AssertionError, match="no ensemble 'ensemble:default'"):
        type_in("predict.py", "ensemble:default", "input/kaggle-mini")
