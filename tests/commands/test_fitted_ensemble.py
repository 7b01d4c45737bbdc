"""An ensemble that answers for any image, by the real commands; refused once it has changed."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from galaxyzoo.core import files
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.manifest import write_sealed
from galaxyzoo.inference.load_model import EnsembleNetworks
from galaxyzoo.inference.predict import predict_stores
from support.commands import TRAIN, artifacts, call, complaint, dataset, succeed


def predict(root: Path, *words: str | Path) -> str:
    """What predict.py prints of the test images; it writes out.csv."""
    archive = root / "input" / "images_test_rev1.zip"
    return succeed(root, "predict.py", *words, archive, "--output", root / "out.csv").stdout


def refusal(root: Path) -> str:
    """The error line of an ensemble that cannot be applied any more."""
    archive = root / "input" / "images_test_rev1.zip"
    before = artifacts(root)
    words = ["predict.py", "ensemble:all", archive, "--output", root / "out.csv"]
    line = complaint(call(root, *words))
    assert artifacts(root) == before
    assert not (root / "out.csv").exists()
    return line


def test_a_member_that_lacks_networks_or_was_trained_again_is_one_line(copy):
    fold = copy / "folds" / dataset(copy) / "gz37/cnn/fold_1"
    fold.rename(copy / "fold_1")
    line = refusal(copy)
    assert "gz37/cnn, a member of submissions/" in line
    assert "another ensemble or, if this run has a config, type `bash " in line
    (copy / "fold_1").rename(fold)
    weights = fold / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert "weights.safetensors does not match" in refusal(copy)
    shutil.rmtree(fold.parent)
    succeed(copy, *TRAIN, "train.seed=1", "train.epochs=1", "tta.angles=1")
    assert "was retrained later: type `python3 src/ensemble.py" in refusal(copy)
    succeed(copy, "ensemble.py", "--candidates", "mean")
    predict(copy, "ensemble:all")


def test_tables_without_networks_are_named(copy):
    oof = copy / "oof" / dataset(copy) / "gz37/cnn.csv"
    test = copy / "submissions" / dataset(copy) / "gz37/cnn.csv"
    succeed(copy, "ensemble.py", "--import", f"theirs={oof},{test}")
    succeed(copy, "ensemble.py", "all", "--candidates", "mean")
    line = refusal(copy)
    assert "gz37/theirs, a member of submissions/" in line
    assert "has no networks" in line
    assert "gz37/theirs" in complaint(call(copy, "predict.py", "gz37/theirs", oof))
    assert "gz37/theirs" in succeed(copy, "evaluate.py", "gz37").stdout


def test_an_exported_ensemble_predicts_the_same_elsewhere(copy, tmp_path, monkeypatch):
    predict(copy, "ensemble:all")
    succeed(copy, "export.py", "ensemble:all", "--no-onnx", "--output", tmp_path / "model")
    archive = (copy / "input" / "images_test_rev1.zip").rename(tmp_path / "images.zip")
    monkeypatch.setenv("GALAXYZOO_ROOT", str(tmp_path / "nothing"))
    ensemble = EnsembleNetworks.load_exported(tmp_path / "model")
    found, unreadable = predict_stores(ensemble, [archive])
    assert unreadable == []
    expected = pd.read_csv(copy / "out.csv", index_col="GalaxyID")
    assert abs(found.loc[expected.index] - expected).to_numpy().max() < 1e-6
    assert "EnsembleNetworks.load_exported" in (tmp_path / "model/README.md").read_text()
    mark = tmp_path / "model/gz37/cnn/digests.json"
    content = files.read_json(mark)
    write_sealed(mark, {**content, "made_by": {**content["made_by"], "networks": "0"}})
    with pytest.raises(InputError, match=r"cnn/digests.json has other networks: "):
        EnsembleNetworks.load_exported(tmp_path / "model")
