"""An exported run: the folder predicts what the run does, or is not there."""

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
import torch
import yaml

from galaxyzoo.core import files
from galaxyzoo.core.manifest import write_sealed
from galaxyzoo.data.geometry import DIHEDRAL, dihedral_view
from galaxyzoo.extras.export import bundle
from galaxyzoo.extras.export.onnx import OLDEST_RUNTIME, TOLERANCE, MeanNetwork, run_onnx
from galaxyzoo.inference.predict import RunNetworks, predict_stores
from galaxyzoo.models.build import build_model
from support.commands import COMPETITION, SRC, TINY, dataset, succeed, table
from support.pictures import draw_image, encode
from support.refusals import one_line_refusal
from support.small_models import small_config
from support.thoroughness import long_only
from support.trained import run_command

EXACT = [*TINY, "train.epochs=1", "train.amp=fp32"]

RUN = "gz37/cnn"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder in which one fold of two is trained, in fp32."""
    root = tmp_path_factory.mktemp("trained")
    COMPETITION.write_zips(root / "input")
    succeed(root, "train.py", RUN, *EXACT, "--folds", "2", "--only", "0")
    return root


@pytest.fixture(scope="module")
def exported(trained: Path) -> Path:
    result = succeed(trained, "export.py", RUN)
    folder = trained / "exported" / "gz37-cnn"
    assert "hf upload YOUR_NAME/gz37-cnn exported/gz37-cnn" in result.stdout
    assert "; needs onnxruntime >= 1.18\n" in result.stdout
    return folder


def snippets(folder: Path) -> list[str]:
    """The card's examples in Python."""
    return re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def test_the_folder_holds_all_that_is_needed_and_nothing_of_this_machine(exported):
    names = sorted(str(p.relative_to(exported)) for p in exported.rglob("*") if p.is_file())
    assert names == [
        "LICENSE",
        "README.md",
        "config.yaml",
        "digests.json",
        "fold_0/weights.safetensors",
        "model.onnx",
        "oof.json",
    ]
    for path in exported.rglob("*"):
        if path.is_file():
            assert str(exported.parents[1]).encode() not in path.read_bytes(), path
            assert str(SRC).encode() not in path.read_bytes(), path
    assert [p.name for p in exported.parent.iterdir()] == ["gz37-cnn"]


def test_the_card_has_the_scores_of_the_score_card(trained, exported):
    text = (exported / "README.md").read_text()
    scores = files.read_json(trained / "oof" / dataset(trained) / "gz37/cnn.json")
    _, head, body = text.split("---\n", 2)
    values = yaml.safe_load(head)
    assert values["license_link"] == "LICENSE"
    assert values["model-index"][0]["results"][0]["metrics"][0]["value"] == scores["score"]
    for fold, score in scores["per_fold"].items():
        assert f"| {fold} | {score:.5f} |" in body
    assert "stt1458" in body


def test_the_cards_examples_predict_as_the_run_does(trained, exported, tmp_path, monkeypatch):
    (tmp_path / "model").symlink_to(exported)
    (tmp_path / "model.onnx").symlink_to(exported / "model.onnx")
    (tmp_path / "my_galaxies").mkdir()
    for galaxy_id in COMPETITION.test_ids:
        name = f"{galaxy_id}.jpg"
        (tmp_path / "my_galaxies" / name).write_bytes(COMPETITION.images[int(galaxy_id)])
    monkeypatch.chdir(tmp_path)
    with_project, with_onnx = snippets(exported)
    expected = table(trained, "submissions")
    got: dict[str, pd.DataFrame] = {}
    with silent():
        exec(compile(with_project, "card", "exec"), got)
    assert np.abs(got["table"].loc[expected.index] - expected).to_numpy().max() < TOLERANCE
    for galaxy_id in expected.index[:3]:
        (tmp_path / "galaxy.jpg").write_bytes(COMPETITION.images[int(galaxy_id)])
        found: dict[str, np.ndarray] = {}
        with silent():
            exec(compile(with_onnx, "card", "exec"), found)
        assert np.abs(found["predictions"][0] - expected.loc[galaxy_id]).max() < TOLERANCE


# Height, width and ending: smaller than the cached image, in between, of each reduction, not square
PICTURES = [(7, 7, ".jpg"), (60, 90, ".jpg"), (100, 100, ".png"), (213, 212, ".jpg")]
PICTURES += [(424, 424, ".jpg"), (640, 423, ".png"), (850, 1100, ".jpg"), (1701, 1700, ".jpg")]


def test_the_cards_recipe_predicts_as_the_run_does_at_any_size(exported, tmp_path, monkeypatch):
    (tmp_path / "model.onnx").symlink_to(exported / "model.onnx")
    monkeypatch.chdir(tmp_path)
    recipe = compile(snippets(exported)[1], "card", "exec")
    run = RunNetworks.load_exported(exported)
    for height, width, ending in PICTURES:
        picture = draw_image(np.random.default_rng(height), max(height, width, 12))
        picture = picture[-height:, -width:]
        picture[:, ::3] //= 2  # lines, which ways to shrink treat differently
        for name in ("galaxy.jpg", f"galaxy{ending}"):
            Path(name).write_bytes(encode(picture, end=ending))
        expected, _ = predict_stores(run, [Path(f"galaxy{ending}")])
        found: dict[str, np.ndarray] = {}
        with silent():
            exec(recipe, found)
        difference = np.abs(found["predictions"] - expected.to_numpy()).max()
        assert difference < TOLERANCE, (height, width, ending)
    model = onnx.load(exported / "model.onnx")
    assert "Resize" not in {node.op_type for node in model.graph.node}


def test_weights_of_half_the_size_predict_almost_the_same(trained, exported, monkeypatch):
    half = trained / "exported" / "half"
    monkeypatch.setenv("GALAXYZOO_ROOT", str(trained))
    run_command(monkeypatch, "export", RUN, "--no-onnx", "--half", "--output", half)
    weights = "fold_0/weights.safetensors"
    assert (half / weights).stat().st_size < 0.6 * (exported / weights).stat().st_size
    images = np.random.default_rng(0).integers(0, 256, (5, 108, 108, 3), np.uint8)
    before = RunNetworks.load_exported(exported).predict(lambda _: images)
    after = RunNetworks.load_exported(half).predict(lambda _: images)
    assert 0 < np.abs(before - after).max() < 2e-3
    assert "rounded to half precision" in (half / "README.md").read_text()
    assert "rounded to half precision" not in (exported / "README.md").read_text()


def test_onnx_takes_batches_of_any_size(exported):
    model = onnx.load(exported / "model.onnx")
    onnx.checker.check_model(model)
    # What the card promises: onnxruntime 1.18 reads IR 10 and opset 21.
    assert (OLDEST_RUNTIME, model.ir_version <= 10) == ("1.18", True)
    assert max(imported.version for imported in model.opset_import) <= 21
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 32, 32), dtype=np.uint8)
    together = run_onnx(exported / "model.onnx", images)
    alone = np.concatenate([run_onnx(exported / "model.onnx", images[[i]]) for i in range(5)])
    assert together.shape == (5, 37)
    assert np.abs(together - alone).max() < 1e-6


def test_the_mean_network_is_the_mean_over_networks_and_views():
    networks = [build_model(small_config()).eval(), build_model(small_config()).eval()]
    images = torch.randint(0, 256, (3, 3, 32, 32)).to(torch.uint8)
    for count in (1, DIHEDRAL):
        outputs = []
        with torch.inference_mode():
            for network in networks:
                for number in range(count):
                    outputs.append(network(dihedral_view(images, number)))
            expected = torch.stack(outputs).mean(dim=0)
            found = MeanNetwork(networks, dihedral=count > 1)(images)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("words", ["ensemble:all --tables", "ensemble:all --half"])
def test_options_that_do_not_fit_what_is_exported_are_refused(root, words, monkeypatch):
    monkeypatch.chdir(root)
    refusal = one_line_refusal(run_command, monkeypatch, "export", *words.split())
    assert "name a run" in refusal
    assert not (root / "exported").exists()


@pytest.mark.parametrize(
    ("word", "changes", "message"),
    [
        ("--no-onnx", {"folds": [0]}, "cnn.json does not match the trained folds"),
        ("--tables", {"folds": [0]}, "1 of 3 folds are finished"),
        ("--tables", {"config": "another's"}, "or the settings in folds/"),
    ],
)
def test_scores_of_other_folds_or_settings_are_not_exported(
    copy, word, changes, message, monkeypatch
):
    monkeypatch.setenv("GALAXYZOO_ROOT", str(copy))
    monkeypatch.chdir(copy)
    path = copy / "oof" / dataset(copy) / "gz37/cnn.json"
    write_sealed(path, {**files.read_json(path), **changes})
    words = ["export", RUN, word, "--output", "out"]
    assert message in one_line_refusal(run_command, monkeypatch, *words)
    assert not (copy / "out").exists()


def test_a_bundled_run_is_exported_with_all_its_networks(tmp_path, monkeypatch):
    """Without the tracing of five networks, which takes half a minute."""
    monkeypatch.setattr(bundle.onnx, "write_onnx", lambda path, *_, **__: path.touch())
    bundle.export_bundled("gz37/d4cnn_transfer", tmp_path / "whole")
    made = bundle.list_files(tmp_path / "whole")
    assert "model.onnx" in made
    words = ["export", "gz37/d4cnn_transfer", "--tables"]
    assert "is bundled" in one_line_refusal(run_command, monkeypatch, *words)
    assert [path.endswith("weights.safetensors") for path in made].count(True) == 5


@long_only("half a minute of tracing five networks")
def test_the_bundled_networks_become_onnx_by_name(tmp_path):
    """The file says of one view what they say of it; their folder stays whole."""
    succeed(tmp_path, "export.py", "gz37/d4cnn_transfer", "--output", tmp_path / "out")
    run = RunNetworks.load_exported(tmp_path / "out")
    size = run.config.image.size_px
    images = np.random.default_rng(0).integers(0, 256, (2, 3, size, size), dtype=np.uint8)
    mean = MeanNetwork([*run.models.values()], dihedral=False).cpu().eval()
    with torch.inference_mode():
        expected = mean(torch.from_numpy(images)).numpy()
    values = run_onnx(tmp_path / "out" / "model.onnx", images)
    np.testing.assert_allclose(values, expected, atol=TOLERANCE)
