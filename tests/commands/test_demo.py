"""Without data: the demo set with its short schedules, and in full, by the real commands."""

from pathlib import Path

import pandas as pd
import pytest

from galaxyzoo.config.loading import load_config, load_ensemble_settings, load_run_config
from support.commands import TINY, artifacts, succeed
from support.fork_server import FAULTS

TRAIN = (str(FAULTS / "train_on_small_demo.py"), "--folds", "2")
SMALL = ("image.size_px=32", "train.epochs=1", "tta.dihedral=false", "tta.angles=1")
CSV = "submissions/predictions.csv"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A project in which the default runs learned a small demo set, and what that printed."""
    root = tmp_path_factory.mktemp("demo")
    return root, succeed(root, *TRAIN, "--ensemble", *SMALL).stdout


def test_the_default_command_takes_short_schedules_and_says_how_to_train_in_full(demo):
    root, printed = demo
    runs = [run for run in load_ensemble_settings("default").runs if "@" not in run]
    (said,) = (line for line in printed.splitlines() if line.startswith("short demo schedule ("))
    assert ", ".join(runs) in said
    assert said.endswith("add --data demo-full")
    for run in runs:
        saved = load_run_config(root / "folds/demo" / run).config
        assert saved == load_config(run, SMALL, "demo")
        assert saved.digest() != load_config(run, SMALL).digest()
    assert len(pd.read_csv(root / CSV)) == 5


def test_demo_full_trains_the_same_galaxies_as_the_configs_say(demo):
    root, _ = demo
    before = artifacts(root)
    words = ("--data", "demo-full", "gz37/cnn", *TINY, "train.epochs=1", "--ensemble")
    printed = succeed(root, *TRAIN, *words).stdout
    assert "demo schedule" not in printed
    saved = load_run_config(root / "folds/demo-full/gz37/cnn").config
    assert saved == load_config("gz37/cnn", [*TINY, "train.epochs=1"])
    split = (root / "folds/demo-full/train.csv").read_bytes()
    assert split == before["folds/demo/train.csv"]
    assert f"copied to {CSV}" in printed
    assert "demo-full" in succeed(root, "ensemble.py").stdout  # the more thorough one
