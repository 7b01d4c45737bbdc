"""The networks that come with the project answer where nothing is trained."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from pyarrow import parquet

from galaxyzoo.config.loading import load_config
from galaxyzoo.config.schema import TTAConfig
from galaxyzoo.core import paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import BUNDLED, CODE_ROOT
from galaxyzoo.extras.intervals.intervals import load_intervals
from galaxyzoo.inference import load_model
from galaxyzoo.inference.load_model import load_predictor
from galaxyzoo.inference.predict import RunNetworks, predict_stores
from galaxyzoo.models.weights import load_weights
from galaxyzoo.results.fold_files import WEIGHTS
from galaxyzoo.results.layout import bundled_dir
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.training.fold_data import find_bundled
from support.commands import COMPETITION, succeed
from support.fuzz_fixtures import flip_a_bit
from support.real_data import MINI, needs_data
from support.thoroughness import thorough
from support.trained import run_command

RUN = "gz37/d4cnn_transfer"
OOF = CODE_ROOT / "submissions/records/kaggle-mini/gz37/recipes/d4cnn_transfer/oof.csv.gz"


@pytest.fixture(scope="module")
def bundled() -> RunNetworks:
    """The bundled networks, loaded once."""
    return load_model.load_run(BUNDLED, RUN)


def test_a_fresh_copy_predicts_and_ranks_without_training(tmp_path, bundled, monkeypatch):
    images = tmp_path / "galaxies"
    images.mkdir()
    pixels = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 256, (424, 424, 3), np.uint8), (0, 0), 9
    )
    for name, one in (("1.png", pixels), ("2.png", np.rot90(pixels))):
        cv2.imwrite(str(images / name), one)
    words = ["predict.py", str(images), "--output", "votes.csv", "--networks", "folds"]
    said = succeed(tmp_path, *words).stdout
    assert f"using {RUN} (bundled): out-of-fold RMSE 0.0782 on 6,000 galaxies" in said
    table = pd.read_csv(tmp_path / "votes.csv", index_col="GalaxyID")
    assert GALAXY_ZOO_2.residuals(table.to_numpy()).max() < 1e-6
    assert np.allclose(table.loc[1], table.loc[2], atol=0.01)  # turned by 90 degrees
    assert table.loc[1].between(0.02, 0.98).any()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GALAXYZOO_ROOT", str(tmp_path))
    monkeypatch.setattr(load_model, "load_run", lambda *_: bundled)
    ranked = ["--with", "intervals", "--rank", "width"]
    run_command(monkeypatch, "survey", images, "job", *ranked)
    assert (tmp_path / "job" / "ranking.csv").exists()
    run_command(monkeypatch, "survey", images, "quick", "--folds", "0")
    (part,) = (tmp_path / "quick" / "parts").glob("*.parquet")
    found = parquet.read_table(part).to_pandas()[list(table.columns)]
    one_view = bundled.restrict([0], TTAConfig(dihedral=False))
    expected, _ = predict_stores(one_view, [images])
    assert np.allclose(found, expected, atol=1e-6)


def test_training_goes_on_from_the_box(tmp_path):
    """Marked: these galaxies may be among those that its networks have learned from."""
    COMPETITION.write_zips(tmp_path / "input")
    words = ["train.py", RUN, "stages=null", "model.weights_file=bundled"]
    words += ["train.epochs=1", "train.lr=1e-9", "image.size_px=32", "tta.angles=1"]
    succeed(tmp_path, *words, "--folds", "3", "--only", "1")
    (card,) = (json.loads(path.read_text()) for path in tmp_path.glob(f"oof/*/{RUN}.json"))
    assert card["start"].startswith(f"weights/{RUN} (")
    assert card["possible_leakage"]
    (trained,) = (load_weights(path) for path in tmp_path.glob(f"folds/*/{RUN}/fold_1/*.saf*"))
    start = load_weights(bundled_dir() / RUN / "fold_1" / WEIGHTS)
    name = "backbone.stages.0.0.weight"
    assert torch.allclose(trained[name], start[name].float(), atol=1e-4)


@needs_data(MINI)
@pytest.mark.parametrize("fold", range(thorough(2, 5)))
def test_half_precision_predicts_as_the_committed_table_does(fold, tmp_path, bundled):
    """Held-out galaxies of the fold."""
    table = pd.read_csv(OOF, index_col="GalaxyID").query("fold == @fold").drop(columns="fold")[:4]
    (archive,) = MINI.glob("images_training*.zip")
    names = {str(i) for i in table.index}
    with zipfile.ZipFile(archive) as images:
        for name in images.namelist():
            if Path(name).stem in names:
                (tmp_path / Path(name).name).write_bytes(images.read(name))
    found, unreadable = predict_stores(bundled.restrict([fold], None), [tmp_path])
    assert (len(found), unreadable) == (4, [])
    np.testing.assert_allclose(found, table, atol=3e-3)


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the bundled networks, which is what commands take them from."""
    folder = Path(shutil.copytree(bundled_dir() / RUN, tmp_path / "weights" / RUN))
    (tmp_path / "configs").symlink_to(paths.configs_dir())
    monkeypatch.setattr(paths, "RESOURCES", tmp_path)
    return folder


CHANGED: dict[str, tuple[str, Callable[[Path], object]]] = {
    "bit of weights": (f"fold_2/{WEIGHTS}", flip_a_bit),
    "fold deleted": (f"fold_3/{WEIGHTS}", lambda path: shutil.rmtree(path.parent)),
    "settings": (
        "config.yaml",
        lambda path: path.write_text(path.read_text().replace("field_px: ", "field_px: 1")),
    ),
    "no intervals": ("intervals.safetensors", Path.unlink),
    "list of digests": ("digests.json", lambda path: path.write_text(path.read_text() + " 1")),
}


@pytest.mark.parametrize("case", CHANGED)
def test_bundled_networks_that_changed_are_refused_wherever_they_are_used(case, copied):
    name, change = CHANGED[case]
    change(copied / name)
    start = load_config(RUN, ["stages=null", "model.weights_file=bundled"])
    for use in (
        lambda: load_predictor(BUNDLED, RUN),
        lambda: find_bundled(start),
        *([lambda: load_intervals(BUNDLED, RUN)] if "intervals" in name else []),
    ):
        with pytest.raises(InputError, match=f"{name} .*checkout weights") as error:
            use()
        assert "\n" not in str(error.value)
