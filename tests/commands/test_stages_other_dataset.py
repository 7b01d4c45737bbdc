"""A recipe whose second stage learns the classes of another dataset, by the real commands."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from support.commands import succeed
from support.datasets import ZOO5, draw_competition, write_classes, write_own_labels
from support.pictures import draw_images

pytestmark = pytest.mark.slow

COMPETITION = draw_competition(n_train=40, n_test=9, seed=3)
NETWORK = """
image: {crop_px: 424, cache_px: 32, size_px: 32}
model: {name: cnn, kwargs: {widths: [4, 8]}}
head: {hidden: 8}
train: {epochs: 1, batch_size: 8}
tta: {dihedral: false, angles: 1}
"""
RECIPE = f"""
task: gz37
{NETWORK}
stages:
  - {{name: votes}}
  - {{name: classes, task: zoo5, dataset: classes}}
  - {{name: again}}
"""
TRAIN = ["train.py", "net.yaml", "--data", "votes", "--folds", "2"]
SHARED = COMPETITION.votes.index[::2].tolist()
EVERY = [*SHARED, *COMPETITION.test_ids.tolist()]


def write_other(root: Path, turned: Collection[int] = ()) -> None:
    """The other dataset: half of the first's training galaxies and its test galaxies."""
    classes = {i: ZOO5[(k + (i in turned)) % 5] for k, i in enumerate(EVERY)}
    write_classes(root / "input" / "classes", classes, {i: COMPETITION.images[i] for i in EVERY})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("two")
    COMPETITION.write_zips(root / "input" / "votes")
    write_other(root)
    (root / "net.yaml").write_text(RECIPE)
    succeed(root, *TRAIN)
    return root


def own(root: Path) -> Path:
    """Folder of the recipe's own dataset in folds/."""
    return next(path for path in (root / "folds").glob("*/gz37/net")).parents[1]


def weights(root: Path) -> dict[int, bytes]:
    """Of each fold of the last stage."""
    paths = (own(root) / "gz37" / "net").glob("fold_*/weights.safetensors")
    return {int(path.parent.name[-1]): path.read_bytes() for path in paths}


def test_the_stage_is_trained_there_and_the_recipe_ends_here(trained):
    (stage,) = (trained / "folds/classes/zoo5").iterdir()
    assert stage.name.startswith("stage.classes-")
    saved = yaml.safe_load((stage / "config.yaml").read_text())
    assert saved["own_dataset"] == own(trained).name
    history = pd.read_csv(own(trained) / "gz37/net/fold_1/history.csv")
    assert history["stage"].tolist() == ["votes", "classes", "again"]
    split = pd.read_csv(own(trained) / "train.csv", index_col=0)
    other = pd.read_csv(trained / "folds/classes/train.csv", index_col=0)
    assert split.loc[SHARED, "fold"].tolist() == other.loc[SHARED, "fold"].tolist()


def test_no_label_of_the_fold_or_the_test_set_reaches_a_network(trained, tmp_path):
    """Classes of one fold's galaxies and of test galaxies are turned in the other dataset."""
    split = pd.read_csv(own(trained) / "train.csv", index_col=0)
    fold = split.index[split["fold"] == 1]
    turned = [*fold[np.isin(fold, SHARED)], *COMPETITION.test_ids]
    root = tmp_path / "copy"
    root.mkdir()
    COMPETITION.write_zips(root / "input" / "votes")
    write_other(root, turned)
    (root / "net.yaml").write_text(RECIPE)
    succeed(root, *TRAIN)
    again = pd.read_csv(own(root) / "train.csv", index_col=0)
    assert again["fold"].tolist() == split["fold"].tolist()
    assert weights(root)[1] == weights(trained)[1]
    assert weights(root)[0] != weights(trained)[0]  # a fold that may see its galaxies does


OWN_RECIPE = f"""
task: mine
{NETWORK}
stages:
  - {{name: first, task: yours, dataset: yours}}
  - {{name: last}}
"""
COPIES = {"x0": 0, "x1": 3, "x2": 29}  # in `yours`, of galaxies of `mine`, the last a test galaxy


def relabel(root: Path, galaxies: Collection[str]) -> None:
    """Give galaxies of `yours` the other class and train anew; they keep their folds."""
    path = root / "input/yours/labels.csv"
    table = pd.read_csv(path, index_col="id")
    turned = table.loc[[*galaxies], "class"].map({"dust": "none", "none": "dust"})
    table.loc[turned.index, "class"] = turned
    table.to_csv(path)
    printed = succeed(root, "train.py", "net.yaml", "--data", "mine").stdout
    for run in ("stage first of mine/net", "mine/net"):  # also what only started from that stage
        assert f"{run} was trained before its input changed: kept as folds/" in printed


def test_own_labels_of_other_galaxies_teach_nothing_about_copies(tmp_path):
    """Both datasets name their galaxies g00, g01, …; only images tell which they share."""
    images = draw_images(54)
    mine = {f"g{number:02}": images[number] for number in range(30)}
    yours = {f"g{number:02}": images[30 + number] for number in range(24)}
    yours |= {name: np.rot90(images[number]) for name, number in COPIES.items()}
    write_own_labels(tmp_path / "input/mine", mine, ["ring", "bar"] * 14 + ["", ""])
    classes = ["dust", "none"] * 12 + ["dust", "none", "dust"]
    write_own_labels(tmp_path / "input/yours", yours, classes)
    (tmp_path / "net.yaml").write_text(OWN_RECIPE)
    succeed(tmp_path, "train.py", "net.yaml", "--data", "mine", "--folds", "2")
    folds = tmp_path / "folds/mine/mine/net"
    first = {path: path.read_bytes() for path in folds.glob("fold_*/weights.safetensors")}
    assert len(first) == 2
    relabel(tmp_path, COPIES)
    assert {path: path.read_bytes() for path in first} == first
    relabel(tmp_path, ["g00", "g01"])
    assert all(path.read_bytes() != before for path, before in first.items())
