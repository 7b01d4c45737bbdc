"""A recipe of three stages by the real commands: one result, its beginning shared and resumed."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from galaxyzoo.results.fold_files import CHECKPOINT
from support.commands import artifacts, dataset, succeed, table
from support.datasets import draw_competition
from support.thoroughness import is_long

pytestmark = pytest.mark.slow

COMPETITION = draw_competition(n_train=40, n_test=5, seed=3)
NETWORK = """
image: {crop_px: 424, cache_px: 32, size_px: 24}
model: {name: cnn, kwargs: {widths: [4, 8]}}
head: {hidden: 8}
train: {epochs: 2, batch_size: 16}
tta: {dihedral: false, angles: 1}
"""
RECIPE = (
    NETWORK
    + """
task: gz37
stages:
  - {name: small, predict: true}
  - {name: classes, task: elliptical_spiral, train: {epochs: 1}}
  - {name: large, image: {size_px: 32}}
"""
)
LONGER = RECIPE + "  - {name: last, train: {epochs: 1, lr: 1.0e-4}}\n"
BY_RULE = (
    NETWORK
    + """
task: elliptical_spiral
stages:
  - {name: small, task: gz37}
  - {name: classes, head: {output: rule}, train: {epochs: 0}}
"""
)
TRAIN = ["train.py", "net.yaml", "--folds", "2"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the recipe has been trained."""
    root = tmp_path_factory.mktemp("stages")
    COMPETITION.write_zips(root / "input")
    (root / "net.yaml").write_text(RECIPE)
    (root / "longer.yaml").write_text(LONGER)
    succeed(root, *TRAIN, "--ensemble")
    return root


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copy"))


def earlier(root: Path) -> dict[str, Path]:
    """Folder of each earlier stage, by its name."""
    found = (root / "folds" / dataset(root)).glob("*/stage.*")
    return {path.name.removeprefix("stage.").rsplit("-", 1)[0]: path for path in found}


def test_a_recipe_has_one_result_and_one_history(trained):
    assert len(table(trained, "oof", "gz37/net.csv")) == len(COMPETITION.votes)
    tables = sorted(p.name for p in (trained / "oof" / dataset(trained)).glob("*/*.csv"))
    assert tables == ["net.csv", "net@small.csv"]
    assert sorted(earlier(trained)) == ["classes", "small"]
    assert {path.parent.name for path in earlier(trained).values()} == {"gz37", "elliptical_spiral"}
    history = pd.read_csv(trained / "folds" / dataset(trained) / "gz37/net/fold_1/history.csv")
    assert history["stage"].tolist() == ["small", "small", "classes", "large", "large"]
    assert history["metric"].tolist() == ["RMSE", "RMSE", "log-loss", "RMSE", "RMSE"]


def test_an_earlier_stage_may_be_a_member_without_a_training(trained):
    folder = trained / "folds" / dataset(trained) / "gz37"
    (stage,) = folder.glob("stage.small-*")
    for fold in ("fold_0", "fold_1"):
        member = folder / "net@small" / fold
        weights = (member / "weights.safetensors").read_bytes()
        assert weights == (stage / fold / "weights.safetensors").read_bytes()
        assert (member / "timings.csv").read_text().startswith("0,")  # predicted, not trained
    card = json.loads((trained / "submissions/predictions.json").read_text())
    assert sorted(card["runs"]) == ["gz37/net", "gz37/net@small"]
    assert "net@small" in succeed(trained, "train.py", "net.yaml@small", "--folds", "2").stdout


def test_a_longer_recipe_trains_only_what_is_new(copy):
    times = {}
    for stage in earlier(copy).values():
        for path in stage.rglob("*"):
            if path.is_file():
                times[path] = path.stat().st_mtime_ns
    assert "gz37/longer" in succeed(copy, "train.py", "longer.yaml").stdout
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert sorted(earlier(copy)) == ["classes", "large", "small"]
    large = earlier(copy)["large"]
    net = copy / "folds" / dataset(copy) / "gz37/net"
    for fold in ("fold_0", "fold_1"):  # the same stage, now as an earlier one
        weights = (large / fold / "weights.safetensors").read_bytes()
        assert weights == (net / fold / "weights.safetensors").read_bytes()


def test_votes_may_become_classes_by_the_rule_without_a_training(copy):
    (copy / "rule.yaml").write_text(BY_RULE)
    succeed(copy, "train.py", "rule.yaml", "--folds", "2")
    (stage,) = (copy / "folds" / dataset(copy) / "gz37").glob("stage.small-*")  # shared
    for fold in ("fold_0", "fold_1"):
        run = copy / "folds" / dataset(copy) / "elliptical_spiral/rule" / fold
        for name in ("weights.safetensors", "history.csv"):
            assert (run / name).read_bytes() == (stage / fold / name).read_bytes()
    oof = table(copy, "oof", "elliptical_spiral/rule.csv")[["elliptical", "spiral"]]
    assert oof.sum(axis=1).to_numpy() == pytest.approx(1)
    succeed(copy, "evaluate.py", "elliptical_spiral")
    succeed(copy, "ensemble.py", "--task", "elliptical_spiral", "--candidates", "mean")
    images = "input/images_test_rev1.zip"
    for name, csv in (("rule", "rule.csv"), ("all", "all/predictions.csv")):
        by = f"{'ensemble:' if name == 'all' else ''}elliptical_spiral/{name}"
        succeed(copy, "predict.py", by, images, "--output", f"{name}.csv")
        got = pd.read_csv(copy / f"{name}.csv", index_col="GalaxyID")
        expected = table(copy, "submissions", f"elliptical_spiral/{csv}").loc[got.index]
        pd.testing.assert_frame_equal(got, expected, atol=1e-5)


LOST = ["small", "classes"]  # each with the last stage
if is_long():  # a longer recipe, too, finds all earlier stages there
    LOST.append("net")


@pytest.mark.parametrize("stage", LOST)
def test_what_is_lost_of_any_stage_is_made_again_byte_for_byte(copy, stage):
    expected = artifacts(copy)
    folders = {**earlier(copy), "net": copy / "folds" / dataset(copy) / "gz37/net"}
    fold = folders[stage] / "fold_1"
    shutil.rmtree(fold)
    shutil.rmtree(folders["net"] / "fold_1", ignore_errors=True)
    succeed(copy, *TRAIN, "--ensemble")
    assert not list(copy.rglob(CHECKPOINT))
    assert artifacts(copy) == expected


def test_the_plan_adds_the_stages_up(trained):
    printed = succeed(trained, "train.py", "longer.yaml", "--plan").stdout
    for name in ("stage small of", "stage classes of", "stage large of", "gz37/longer"):
        assert name in printed
    (row,) = [line for line in printed.splitlines() if "longer@small" in line]
    assert "0.0 min" in row  # nothing is trained
