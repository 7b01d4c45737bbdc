"""What users make stays out of git, and committed records stay as they are."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from galaxyzoo.core import files
from galaxyzoo.core.paths import CODE_ROOT
from galaxyzoo.data.catalog import GROUP, Catalog, save_catalog
from galaxyzoo.data.folds import make_folds
from galaxyzoo.data.readers.kaggle import open_dataset_files
from galaxyzoo.io.tables import FOLD
from support.commands import call, complaint, copy_checkout, succeed
from support.real_data import MINI, needs_data
from support.thoroughness import is_long

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
    folder = copy_checkout(tmp_path_factory.mktemp("checkout"))
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all")
    return folder


def test_what_the_readmes_commands_make_stays_out_of_git():
    made = ["input/mine/1.png", "folds/x/train.csv", "oof/x.csv", "submissions/predictions.csv"]
    made += ["submissions/x/gz37/all/predictions.json", "reports/index.html", "reports/x/heat.png"]
    made += ["predictions.csv", "votes/job.json", "exported/x/model.onnx", "my_galaxies/1.png"]
    kept = ["submissions/records/x/predictions.csv", "oof/README.md", "configs/gz37/mine.yaml"]
    assert git(CODE_ROOT, "check-ignore", "--no-index", *made, *kept).splitlines() == made


def split_by_votes(root: Path) -> None:
    """Write the split of `kaggle-mini` without looking at its images, none of which are alike."""
    raw = open_dataset_files(MINI)
    groups = np.arange(len(raw.targets))
    train = raw.targets.copy()
    train.insert(0, FOLD, make_folds(raw.targets.to_numpy(), groups, 5, 0))
    train.insert(1, GROUP, groups)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GALAXYZOO_ROOT", str(root))
        save_catalog(Catalog("kaggle-mini", train, raw.test_ids))


@needs_data(MINI)
def test_committed_tables_make_the_record_again(clone):
    (clone / "input/kaggle-mini").symlink_to(MINI)
    if is_long():  # decodes 7,500 images
        succeed(clone, "prepare.py", "--data", "kaggle-mini")
    else:
        split_by_votes(clone)
    said = succeed(clone, "ensemble.py", "transfer", "--task", "elliptical_spiral").stdout
    place = "kaggle-mini/elliptical_spiral/transfer/predictions"
    assert f"byte-identical to the record: submissions/records/{place}.csv" in said
    assert git(clone, "status", "--porcelain") == ""
    code = "from galaxyzoo.core.versions import code_version; print(code_version())"
    version = subprocess.check_output([sys.executable, "-c", code], cwd=clone / "src", text=True)
    assert version.endswith("+" + git(clone, "describe", "--always"))  # no -dirty
    ours = files.read_json(clone / "submissions" / f"{place}.json")
    record = files.read_json(clone / "submissions/records" / f"{place}.json")
    assert ours["score"] == pytest.approx(record["score"], abs=1e-9)
    refused = call(clone, "predict.py", "ensemble:default", "input/kaggle-mini")
    assert "no ensemble 'ensemble:default'" in complaint(refused)
