"""One bundled network, which learned what those of the folds predict, answers in their place."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from galaxyzoo import load
from galaxyzoo.config.schema import TTAConfig
from galaxyzoo.core import paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.extras.surveys.survey import Survey
from galaxyzoo.inference.load_model import describe, load_predictor
from galaxyzoo.inference.predict import RunNetworks, load_run, predict_stores
from galaxyzoo.models.weights import load_weights
from galaxyzoo.results.fold_files import GALAXIES
from galaxyzoo.results.layout import bundled_dir, student_dir
from support.fuzz_fixtures import flip_a_bit
from support.pictures import draw_image, encode
from support.real_data import MINI, needs_data
from support.trained import run_command

RUN = "gz37/d4cnn_transfer"
ONE_VIEW = TTAConfig(dihedral=False)


@pytest.fixture(scope="module")
def student() -> RunNetworks:
    """The student's one network, loaded once."""
    folder = student_dir(RUN)
    assert folder is not None
    return RunNetworks.load_exported(folder)


@pytest.fixture
def galaxies(root: Path, student: RunNetworks) -> Path:
    """Three pictures, of which one is named like a galaxy that the student learned from."""
    folder = root / "galaxies"
    folder.mkdir()
    rng = np.random.default_rng(3)
    for name in (min(student.galaxies), 1, 2):
        (folder / f"{name}.png").write_bytes(encode(draw_image(rng, 424), end=".png"))
    return folder


def test_it_predicts_by_default_and_galaxies_it_learned_from_are_told(
    galaxies, student, monkeypatch, capsys
):
    monkeypatch.chdir(galaxies.parent)
    run_command(monkeypatch, "predict", "galaxies")
    printed = capsys.readouterr()
    first = min(student.galaxies)
    known = "1 of 3 images: named by the GalaxyID of a training galaxy"
    assert known in printed.out + printed.err
    assert f"(first: {first}.png)" in printed.out + printed.err
    assert "3 images, student network\n" in printed.out
    assert (
        "predicting with the student, one network distilled from the five bundled ones"
        in printed.out
    )
    found = pd.read_csv("predictions.csv", index_col="GalaxyID")
    expected, _ = predict_stores(student, [galaxies])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(load().predict(galaxies), expected, atol=1e-6)


def test_the_folds_networks_come_back(galaxies, monkeypatch, capsys):
    monkeypatch.chdir(galaxies.parent)
    run_command(monkeypatch, "predict", "galaxies", "--networks", "folds")
    printed = capsys.readouterr()
    assert "mean of 5 folds' networks" in printed.out
    assert "student" not in printed.out
    assert "training galaxy" not in printed.out + printed.err
    found = pd.read_csv("predictions.csv", index_col="GalaxyID")
    expected, _ = predict_stores(load_run(BUNDLED, RUN), [galaxies])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    every_fold = load(folds=range(5)).predict(galaxies)
    np.testing.assert_allclose(every_fold, expected, atol=1e-6)
    assert describe(load_predictor(BUNDLED, RUN, [0], by_student=True)) == "one fold's network"


def test_a_survey_takes_one_pass_an_image_for_predictions_and_features(
    galaxies, student, monkeypatch, capsys
):
    monkeypatch.chdir(galaxies.parent)
    run_command(monkeypatch, "survey", "galaxies", "votes/")
    printed = capsys.readouterr()
    assert "3 images; forward passes per image: 1 (predictions, features)" in printed.out
    assert "named by the GalaxyID of a training galaxy" in printed.out + printed.err
    (part,) = Path("votes/parts").glob("*.parquet")
    table = parquet.read_table(part).to_pandas().set_index("GalaxyID")
    expected, _ = predict_stores(student.restrict(None, ONE_VIEW), [galaxies])
    columns = list(student.task.columns)
    np.testing.assert_allclose(table.loc[expected.index, columns], expected, atol=1e-6)
    assert len(table["features"].iloc[0]) == student.models[1000].head[0].in_features


@pytest.mark.parametrize("extra", ["spread", "intervals"])
def test_what_needs_several_networks_takes_those_of_the_folds(galaxies, extra, monkeypatch, capsys):
    monkeypatch.chdir(galaxies.parent)
    run_command(monkeypatch, "survey", "galaxies", "votes/", "--with", extra)
    assert f"image: 6 (predictions, {extra}, features)" in capsys.readouterr().out
    (part,) = Path("votes/parts").glob("*.parquet")
    table = parquet.read_table(part).to_pandas().set_index("GalaxyID")
    folds = load_run(BUNDLED, RUN).restrict(None, ONE_VIEW)
    expected, _ = predict_stores(folds, [galaxies])
    np.testing.assert_allclose(table.loc[expected.index, expected.columns], expected, atol=1e-6)


def test_a_survey_that_the_folds_networks_began_goes_on_with_them(galaxies, monkeypatch, capsys):
    monkeypatch.chdir(galaxies.parent)
    words = ["survey", "galaxies", "votes/"]
    with monkeypatch.context() as killed:
        killed.setattr(Survey, "make_parts", lambda survey: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_command(monkeypatch, *words, "--networks", "folds")
    run_command(monkeypatch, *words)
    assert "3 images, mean of 5 folds' networks" in capsys.readouterr().out


def test_a_run_without_a_student_has_no_choice_of_networks(project, monkeypatch):
    monkeypatch.setenv("GALAXYZOO_ROOT", str(project))
    for command, output in (("predict", []), ("survey", ["votes/"])):
        words = [command, "gz37/cnn", project / "input", *output, "--networks", "folds"]
        with pytest.raises(InputError, match="--networks folds: gz37/cnn has no others"):
            run_command(monkeypatch, *words)


def test_a_changed_student_is_refused(tmp_path, monkeypatch):
    copy = shutil.copytree(bundled_dir() / RUN, tmp_path / "weights" / RUN) / "student"
    monkeypatch.setattr(paths, "RESOURCES", tmp_path)
    for name in (GALAXIES, "refit_0/weights.safetensors"):
        before = (copy / name).read_bytes()
        flip_a_bit(copy / name)
        with pytest.raises(InputError, match=r"does not match .*type `git checkout weights`"):
            load_predictor(BUNDLED, RUN, by_student=True)
        (copy / name).write_bytes(before)
    load_predictor(BUNDLED, RUN, by_student=True)


def test_its_weights_are_in_half_precision(student):
    folder = student_dir(RUN)
    assert folder is not None
    weights = load_weights(folder / "refit_0/weights.safetensors")
    assert {str(tensor.dtype) for tensor in weights.values()} <= {"torch.float16", "torch.int64"}
    assert len(student.models) == 1


@needs_data(MINI)
def test_it_is_nearer_to_the_folds_mean_than_any_network_of_them(tmp_path, student):
    """Of test galaxies, which none of them has seen, in one view; in its own, half as far."""
    (archive,) = MINI.glob("images_test*.zip")
    with zipfile.ZipFile(archive) as images:
        for name in sorted(images.namelist())[1:25]:
            (tmp_path / Path(name).name).write_bytes(images.read(name))
    folds = load_run(BUNDLED, RUN)
    teacher, _ = predict_stores(folds, [tmp_path])

    def distance(predictor: RunNetworks, tta: TTAConfig | None = ONE_VIEW) -> float:
        votes, _ = predict_stores(predictor.restrict(None, tta), [tmp_path])
        return float(np.sqrt(((votes - teacher) ** 2).to_numpy().mean()))

    singles = [distance(folds.restrict([fold], None)) for fold in range(5)]
    assert distance(student) < 0.9 * min(singles)
    assert distance(student, None) < 0.6 * np.mean(singles)
