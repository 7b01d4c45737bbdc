"""The real commands on classes of a user's own: a table, a head, predictions, an exported run."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from galaxyzoo.config.loading import load_config
from galaxyzoo.core.files import read_json
from galaxyzoo.data.prepare import Dataset, prepare
from galaxyzoo.inference.network import compute_features, predict
from galaxyzoo.inference.predict import RunNetworks
from galaxyzoo.models.build import build_model, load_network
from galaxyzoo.results.fold_files import WEIGHTS, FoldFiles
from galaxyzoo.tasks.metrics import log_loss
from galaxyzoo.training import feature_cache, smoke
from galaxyzoo.training.feature_head import fit_head
from galaxyzoo.training.fold import History, copy_training, train_fold
from galaxyzoo.training.run import Run
from support.commands import call, complaint, succeed
from support.forms import write_folder
from support.pictures import draw_images
from support.refusals import listing
from support.small_models import small_config
from support.training_fixtures import class_fold

NAMES = ["dark, <odd>", "light"]


def write_mine(folder: Path, count: int = 16, names: Sequence[str] = NAMES) -> Path:
    """Dark and light images in turn, without a class the last two."""
    folder.mkdir(parents=True)
    images = draw_images(count) // 2
    images[1::2] += 120
    ids = [f"g{n:02}" for n in range(count)]
    write_folder(folder / "images", list(images), ids)
    classes = [names[n % 2] for n in range(count)]
    classes[-2:] = ["", ""]
    labels = pd.DataFrame({"file": [f"{name}.png" for name in ids], "class": classes})
    labels.to_csv(folder / "labels.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def once_trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A project in which the default run has learned such classes, and what that printed."""
    root = tmp_path_factory.mktemp("mine")
    write_mine(root / "input" / "mine")
    return root, succeed(root, "train.py", "--data", "mine", "--folds", "2", "--ensemble").stdout


@pytest.fixture
def trained(once_trained: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of the project, to change."""
    return Path(shutil.copytree(once_trained[0], tmp_path, dirs_exist_ok=True))


@pytest.mark.slow
def test_own_classes_are_trained_predicted_reported_and_exported(
    once_trained, trained, tmp_path, monkeypatch
):
    folder = tmp_path / "input" / "mine"
    printed = once_trained[1]
    assert "labels: dark, <odd> 7, light 7; 7 galaxies per fold; images of 48 × 48 px" in printed
    oof = pd.read_csv(tmp_path / "oof/mine/mine/head.csv", index_col="id")
    assert list(oof.columns) == [*NAMES, "fold"]
    assert oof.index.tolist() == [f"g{n:02}.png" for n in range(14)]
    assert (oof[NAMES].to_numpy().argmax(axis=1) == np.arange(14) % 2).all()
    test = pd.read_csv(tmp_path / "submissions/mine/mine/head.csv", index_col="id")
    assert test["class"].to_dict() == {"g14.png": NAMES[0], "g15.png": NAMES[1]}
    images = str(folder / "images")
    told = succeed(tmp_path, "predict.py", "mine/head", images, "--output", "new.csv")
    assert "424" not in told.stdout + told.stderr  # the head knows images of this size
    new = pd.read_csv(tmp_path / "new.csv", index_col=0)
    np.testing.assert_allclose(new.iloc[14:][NAMES], test[NAMES], atol=1e-5)
    succeed(tmp_path, "evaluate.py", "mine")
    html = (tmp_path / "reports/mine/mine/index.html").read_text()
    assert "dark, &lt;odd&gt;" in html
    assert "<odd>" not in html
    succeed(tmp_path, "explore.py", "--data", "mine")
    assert re.search(r">g\d\d\.png<", (tmp_path / "reports/mine/explore/index.html").read_text())
    succeed(tmp_path, "export.py", "mine/head", "--no-onnx", "--output", "exported")
    assert "whoever labeled `mine` would" in (tmp_path / "exported/README.md").read_text()
    monkeypatch.setenv("GALAXYZOO_ROOT", str(tmp_path / "elsewhere"))
    run = RunNetworks.load_exported(tmp_path / "exported")  # which brings its task along
    assert (run.task.name, run.task.columns) == ("mine", tuple(NAMES))


@pytest.mark.slow
def test_networks_of_earlier_labels_go_when_new_ones_are_there(trained, tmp_path):
    labels = tmp_path / "input" / "mine" / "labels.csv"
    train = ["train.py", "--data", "mine", "mine/head"]
    run, old = tmp_path / "folds/mine/mine/head", tmp_path / "folds/mine/old_labels/mine/head"
    before = listing(tmp_path / "folds")
    networks = listing(run)
    lines = labels.read_text().splitlines(keepends=True)
    labels.write_text("".join(line for line in lines if "g00" not in line))
    for command in (["explore.py", "--data", "mine"], ["prepare.py", "--data", "mine"]):
        assert "type `bash scripts/train_folds.sh --data mine`" in complaint(
            call(tmp_path, *command)
        )
    assert listing(tmp_path / "folds") == before
    mistake = complaint(call(tmp_path, *train, "image.size_px=33"))
    assert "image.size_px" in mistake
    assert listing(run) == networks
    weights = (run / "fold_0/weights.safetensors").read_bytes()
    assert "kept as folds/mine/old_labels" in succeed(tmp_path, *train, "--only", "0").stdout
    assert (old / "fold_0/weights.safetensors").read_bytes() == weights
    assert ": removed folds/mine/old_labels" in succeed(tmp_path, *train).stdout
    assert not old.exists()
    # The first labels again, of another image, for a run that was not trained in between
    catalog = read_json(tmp_path / "folds/mine/dataset.json")
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace(catalog["images"], "0" * 16))
    assert "kept as folds/mine/old_labels" in succeed(tmp_path, *train, "--only", "0").stdout


@pytest.mark.slow
def test_labels_of_a_known_task_are_learned_by_the_same_head(tmp_path):
    write_mine(tmp_path / "input/mine", names=["elliptical", "spiral"])
    printed = succeed(tmp_path, "train.py", "--data", "mine", "--folds", "2", "--ensemble").stdout
    assert "best elliptical_spiral/head, log-loss" in printed
    refused = complaint(call(tmp_path, "train.py", "--data", "mine", "elliptical_spiral/cnn"))
    assert "train elliptical_spiral/head, or add stages=null" in refused
    images = str(tmp_path / "input/mine/images")
    succeed(tmp_path, "predict.py", "elliptical_spiral/head", images, "--output", "new.csv")
    new = pd.read_csv(tmp_path / "new.csv", index_col=0)
    classes = new[["elliptical", "spiral"]].idxmax(axis=1).tolist()
    assert classes == ["elliptical", "spiral"] * 8


def test_a_check_sets_no_run_aside(trained, tmp_path, monkeypatch):
    """The run after it may be refused: then nothing has changed."""
    monkeypatch.setenv("GALAXYZOO_ROOT", str(tmp_path))
    labels = tmp_path / "input" / "mine" / "labels.csv"
    lines = labels.read_text().splitlines(keepends=True)
    labels.write_text("".join(line for line in lines if "g00" not in line))
    data = prepare("mine", tasks={"mine"}, update=True)
    run = Run(load_config("mine/head", own_task=data.task), data)
    before = listing(tmp_path / "folds")
    run.check()
    assert listing(tmp_path / "folds") == before
    run.begin()
    assert (tmp_path / "folds/mine/old_labels/mine/head/fold_0").is_dir()


def test_a_fold_is_its_first_network_with_a_fitted_head(root):
    data = class_fold()
    labels = {"columns": ["a", "b", "c", "d", "e"], "balanced": False}
    train = {"optimizer": "linear", "freeze": "backbone", "amp": "fp32"}
    small = {"task": "mine", "run": "mine/small", "labels": labels, "head": {"hidden": []}}
    config = small_config(**small, train=train, tta={"dihedral": False})
    reported: list[History] = []
    summary = train_fold(config, data, root / "fold_0", reported.append)
    assert (summary.start, summary.diverged) == ("scratch", False)
    network = load_network(config, root / "fold_0" / WEIGHTS)
    inputs = compute_features(network, data.cache.images, config, config.tta)
    head = fit_head(inputs[data.train_rows], data.targets[data.train_rows])
    expected = softmax(head.logits(inputs[data.val_rows]), axis=1)
    predicted = predict(network, data.cache, data.val_rows, config)
    np.testing.assert_allclose(predicted, expected, atol=1e-4)
    history = pd.read_csv(root / "fold_0" / "history.csv")
    truth = data.targets[data.val_rows]
    score = log_loss(expected, truth)
    assert history["val_score"].tolist() == pytest.approx([score], abs=1e-4)
    ((row,),) = reported  # which a search for better settings goes by
    assert (row["epoch"], row["val_score"]) == (1, history["val_score"][0])
    trained = FoldFiles.of(root, "fold_0", config, "")
    trained.seal({})
    copy_training(trained, root / "copy", config.model_copy(update={"stage": "first"}))
    copies = {path.name for path in (root / "copy").iterdir()}
    assert copies == {"history.csv", "weights.safetensors"}
    assert pd.read_csv(root / "copy/history.csv")["stage"].tolist() == ["first"]


def test_features_are_computed_once_an_image(root, monkeypatch):
    images = class_fold().cache.images
    config = small_config(tta={"dihedral": False})
    network = build_model(config)
    asked = []

    def count(model, new, *others):
        asked.append(len(new))
        return compute_features(model, new, *others)

    monkeypatch.setattr(feature_cache, "compute_features", count)
    first = feature_cache.cached_features(network, images[:10], config)
    second = feature_cache.cached_features(network, images[5:15], config)
    assert asked == [10, 5]
    np.testing.assert_array_equal(second[:5], first[5:])
    whole = compute_features(network, images[:15], config, config.tta)
    np.testing.assert_allclose(np.vstack([first, second[5:]]), whole, atol=1e-5)
    feature_cache.cached_features(build_model(config), images[:3], config)  # other weights
    assert asked == [10, 5, 3]
    views = small_config(tta={"dihedral": True})
    mean = feature_cache.cached_features(network, images[:2], views)
    expected = compute_features(network, images[:2], views, views.tta)
    np.testing.assert_allclose(mean, expected, atol=1e-5)
    folder = root / "input/cache/features"
    locks = [*folder.glob("*.lock")]
    for lock in locks:  # as where nothing may be written
        lock.unlink()
        lock.mkdir()
    feature_cache.cached_features(network, images[:15], config)
    for lock in locks:
        lock.rmdir()
    assert len(asked) == 4
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:-100])
    again = feature_cache.cached_features(network, images[:10], config)
    assert asked[4:] == [10]
    np.testing.assert_allclose(again, first, atol=1e-5)
    wider = config.model.model_copy(update={"kwargs": {"widths": (8, 32)}})
    feature_cache.cached_features(network, images[:2], config.model_copy(update={"model": wider}))
    network.mean.add_(9)  # the same weights, of images normalized otherwise
    feature_cache.cached_features(network, images[:3], config)
    assert asked[5:] == [2, 3]


def test_the_task_may_be_named_before_its_labels_are_prepared(tmp_path):
    write_mine(tmp_path / "input" / "mine")
    for words in (["prepare.py", "--data", "mine"], ["prepare.py"], ["explore.py"]):
        shutil.rmtree(tmp_path / "folds", ignore_errors=True)
        succeed(tmp_path, *words, "--task", "mine")
    refused = complaint(call(tmp_path, "prepare.py", "--task", "miner"))
    assert refused.startswith("error: unknown task 'miner'")


def test_classes_that_changed_after_the_split_are_explored(tmp_path):
    """The task in the split's catalog has the old ones."""
    folder = write_mine(tmp_path / "input" / "mine")
    succeed(tmp_path, "prepare.py", "--data", "mine", "--folds", "2")
    labels = folder / "labels.csv"
    labels.write_text(labels.read_text().replace("light", "bright"))
    succeed(tmp_path, "explore.py", "--task", "mine")
    page = (tmp_path / "reports/mine/explore/index.html").read_text()
    assert ">bright<" in page
    assert ">light<" not in page


def test_a_smoke_test_of_a_linear_head_names_no_epochs(root, monkeypatch, capsys):
    data = class_fold()
    labels = {"columns": ["a", "b", "c", "d", "e"], "balanced": False}
    train = {"optimizer": "linear", "freeze": "backbone", "amp": "fp32"}
    own = {"task": "mine", "run": "mine/x", "labels": labels}
    config = small_config(**own, head={"hidden": []}, train=train)
    monkeypatch.setattr(smoke, "part_named", lambda *_: data.part)
    monkeypatch.setattr(smoke, "make_fold_data", lambda *_, **__: data)
    smoke.smoke(config, cast(Dataset, None))
    assert f"fitted to {len(data.train_rows)} galaxies (log" in capsys.readouterr().out
