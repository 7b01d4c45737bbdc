"""The command that explains one galaxy, as a user types it."""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from galaxyzoo.extras.explain import command, figures, gradcam
from galaxyzoo.extras.explain.galaxy import Galaxy
from galaxyzoo.extras.explain.gradcam import HeatMap
from galaxyzoo.inference import load_model
from support.commands import COMPETITION, succeed
from support.refusals import one_line_refusal
from support.small_models import small_config, untrained
from support.trained import run_command

ID = str(COMPETITION.votes.index[5])


@pytest.fixture(scope="module")
def project(project: Path) -> Path:
    """A project in which two of three folds are trained."""
    shutil.rmtree(next(project.glob("folds/*/gz37/cnn/fold_1")))
    return project


def pictures(root: Path) -> list[str]:
    return sorted(path.name for path in root.glob("reports/*/gz37/cnn/*.png"))


@pytest.mark.parametrize(("fold", "expected"), [(0, 0), (1, None), (2, None), (None, None)])
def test_a_prediction_is_out_of_fold_if_every_run_has_the_fold(fold, expected, monkeypatch):
    """Else the other networks of that run predict, which learned from the galaxy."""
    config = small_config()
    galaxy = Galaxy("one", b"", "one.jpg", truth=np.zeros(37), fold=fold)
    used: list[int | None] = []

    def predict(decode: object, fold: int | None) -> np.ndarray:
        used.append(fold)
        return np.zeros((1, 37))

    runs = [untrained(config, folds=2), untrained(config, folds=1)]
    ensemble = SimpleNamespace(runs=runs, task=config.predicted_task, predict=predict)
    monkeypatch.setattr(load_model, "load_predictor", lambda *_: ensemble)
    monkeypatch.setattr(load_model, "describe", lambda _: "two runs")
    monkeypatch.setattr(command, "load_galaxy", lambda *_: galaxy)
    heat_map = HeatMap(np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32)), "stages.2")
    monkeypatch.setattr(gradcam, "explain", lambda *_: heat_map)
    monkeypatch.setattr(figures, "draw_gradcam", lambda _, drawn, *__: used.append(drawn.fold))
    options = command.GradcamOptions(run="ensemble:two", galaxy_id="7")
    command.plot_gradcam(options, "demo", "ensemble:two", 0)
    assert used == [expected, expected]


@pytest.mark.slow
def test_heat_and_maps_of_a_galaxy_are_drawn(project):
    result = succeed(project, "gradcam.py", "gz37/cnn", "--galaxy-id", ID, "--answer", "Class4.1")
    said, picture, then = result.stdout.splitlines()
    assert said.startswith("spiral arms: predicted 0.")
    assert ", actual 0." in said or ", actual 1." in said
    assert re.fullmatch(rf"done in .*: reports/.*/gz37/cnn/{ID}_hirescam_Class4.1.png", picture)
    assert then.startswith("next: python3 src/app.py gz37/cnn --dataset ")
    words = ["--feature-maps", "--layer", "stages.0,stages.2", "--fold", "2"]
    succeed(project, "gradcam.py", "gz37/cnn", "--galaxy-id", ID, *words)
    assert {f"{ID}_feature_maps.png", f"{ID}_feature_maps_filters.png"} <= {*pictures(project)}
    for path in project.glob("reports/*/gz37/cnn/*.png"):
        picture = cv2.imread(str(path))
        assert picture is not None
        assert picture[60:].std() > 10, path  # below the title


@pytest.mark.slow
@pytest.mark.parametrize(("run", "used"), [(["gz37/cnn"], ""), ([], "using gz37/d4cnn_transfer (")])
def test_any_image_can_be_explained(run, used, project, tmp_path):
    path = tmp_path / "my galaxy.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 99, (120, 150, 3), np.uint8))
    words = ["--image", path, "--method", "gradcam", "--output", tmp_path / "heat.png"]
    printed = succeed(project, "gradcam.py", *run, *words).stdout
    assert printed.startswith(used)
    assert "actual" not in printed
    picture = cv2.imread(str(tmp_path / "heat.png"))
    assert picture is not None
    assert picture[60:].std() > 10


@pytest.mark.slow
def test_filters_are_not_drawn_over_a_users_file(project, tmp_path, monkeypatch):
    path = tmp_path / "m51_filters.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 99, (120, 150, 3), np.uint8))
    before = path.read_bytes()
    monkeypatch.setenv("GALAXYZOO_ROOT", str(project))
    words = ["--image", path, "--feature-maps", "--fold", "2", "--output", tmp_path / "m51.png"]
    line = one_line_refusal(run_command, monkeypatch, "gradcam", "gz37/cnn", *words)
    assert "m51_filters.png" in line
    assert path.read_bytes() == before
    assert [*tmp_path.glob("*.png")] == [path]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--galaxy-id", "7"], "GalaxyID 7 is not in dataset"),
        (["--galaxy-id", ID, "--answer", "spirals"], "nearest: spiral arms (Class4.1), "),
        (["--galaxy-id", ID, "--answer", "No bulge"], "'No bulge' matches several answers of"),
        ([], "--galaxy-id ID or --image FILE"),
        (["--galaxy-id", ID, "--layer", "stages.0,stages.2"], "a heat map takes one --layer"),
        (["--galaxy-id", ID, "--layer", "head"], "no layer 'head' with spatial maps: choose from "),
        (["--image", __file__], "test_command.py: "),
        (["--image", "no.png"], "no.png cannot be read: No such file"),
        (["--galaxy-id", ID, "--feature-maps", "--fold", "1"], "fold 1 of gz37/cnn"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(words, message, project, monkeypatch):
    before = pictures(project)
    monkeypatch.setenv("GALAXYZOO_ROOT", str(project))
    line = one_line_refusal(run_command, monkeypatch, "gradcam", "gz37/cnn", *words)
    assert message in line
    assert len(line) < 200
    assert pictures(project) == before
