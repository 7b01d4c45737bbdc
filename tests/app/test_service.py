"""What the page asks of trained runs, without the page."""

import gzip
import io
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from galaxyzoo.app import service
from galaxyzoo.app.service import (
    FEATURES,
    LoadedRun,
    PredictedGalaxy,
    embed,
    load_features,
    nearest,
)
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import folds_dir
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.data.stores.fits import FitsSettings, draw
from galaxyzoo.explain.galaxy import Galaxy
from galaxyzoo.inference.predict import RunNetworks
from galaxyzoo.inference.survey import classes_of_votes
from galaxyzoo.io.tables import FOLD, write_predictions
from galaxyzoo.models.build import build_model
from galaxyzoo.results.layout import DONE, RunFolder
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.registry import TASKS
from support.app_fixtures import CONFIG, jpeg, loaded
from support.ensemble_fixtures import draw_votes


def of_some(run: LoadedRun, folds: list[int]) -> LoadedRun:
    """The run with the networks of some folds alone."""
    models = {fold: run.predictor.runs[0].models[fold] for fold in folds}
    return LoadedRun(run.dataset, run.run, RunNetworks(CONFIG, models), run.catalog, run.data)


def test_a_training_galaxy_comes_with_its_votes_and_its_own_folds_network(
    prepared: Dataset,
) -> None:
    run, catalog = loaded(prepared), prepared.catalog
    row = int(np.flatnonzero(catalog.folds == 1)[0])
    shown = run.predict(int(catalog.ids[row]))
    assert shown.galaxy.truth is not None
    assert np.array_equal(shown.galaxy.truth, catalog.targets("gz37")[row])
    alone = of_some(run, [1])
    assert np.array_equal(alone.predict(int(catalog.ids[row])).prediction, shown.prediction)
    assert GALAXY_ZOO_2.residuals(shown.prediction[None]).max() < 1e-6
    test = run.predict(int(catalog.test_ids[0]))
    assert test.galaxy.truth is None
    both = np.mean(
        [
            of_some(run, [k]).predict(int(catalog.test_ids[0])).prediction
            for k in run.predictor.runs[0].models
        ],
        axis=0,
    )
    assert np.allclose(test.prediction, both, atol=1e-3)
    with pytest.raises(InputError, match="GalaxyID 5 is not in dataset"):
        run.predict(5)


def test_a_fits_cut_out_is_predicted_as_the_picture_that_predict_draws(prepared: Dataset) -> None:
    file, run = io.BytesIO(), loaded(prepared)
    y, x = np.mgrid[:64, :64] - 32
    cube = np.exp(-np.hypot(x, y) / 9) + np.random.default_rng(0).normal(0, 0.01, (3, 64, 64))
    fits.PrimaryHDU(cube.astype(np.float32)).writeto(file)
    encoded = file.getvalue()
    png = cv2.imencode(".png", draw(encoded, FitsSettings())[..., ::-1])[1].tobytes()
    expected = run.predict_upload(png, "mine").prediction
    for sent in (encoded, gzip.compress(encoded)):
        assert np.allclose(run.predict_upload(sent, "mine").prediction, expected, atol=1e-6)
    with pytest.raises(InputError, match="mine cannot be used: it is damaged FITS"):
        run.predict_upload(encoded[:4000], "mine")


@pytest.mark.parametrize(
    ("encoded", "said"),
    [
        (b"not an image", "cannot be used"),
        (b"", "cannot be used"),
        (jpeg(64)[:300], "cannot be used"),
        (b"\xff" * (service.MAX_UPLOAD_BYTES + 1), "larger than 20 MB"),
    ],
    ids=["text", "nothing", "cut off", "too large"],
)
def test_what_is_no_image_is_a_sentence(encoded: bytes, said: str, prepared: Dataset) -> None:
    with pytest.raises(InputError, match=said):
        loaded(prepared).predict_upload(encoded, "../../etc/passwd")


def test_alike_are_the_nearest_by_angle(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(20, 5))
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    found = nearest(values.astype(np.float16), values[7], 3)
    plain = sorted(range(20), key=lambda i: -float(values[i] @ values[7]))[:3]
    assert [i for i, _ in found] == plain
    assert found[0][1] == pytest.approx(1, abs=1e-3)


def test_features_are_made_once_and_again_where_they_are_damaged(tmp_path: Path) -> None:
    model = build_model(CONFIG, initialize=False)
    side = CONFIG.image.cache_px
    images = np.random.default_rng(2).integers(0, 256, (9, side, side, 3), np.uint8)
    cache = ImageCache(np.arange(9), images, np.zeros(9, bool))
    shares: list[float] = []
    vectors = load_features(tmp_path, model, cache, CONFIG, shares.append)
    assert shares[-1] == 1
    assert np.allclose(np.linalg.norm(vectors.astype(float), axis=1), 1, atol=1e-2)
    assert np.array_equal(vectors, embed(model, images, CONFIG))
    before = (tmp_path / FEATURES).stat().st_mtime_ns
    load_features(tmp_path, model, cache, CONFIG)
    assert (tmp_path / FEATURES).stat().st_mtime_ns == before
    (tmp_path / FEATURES).write_bytes(b"x")
    assert np.array_equal(load_features(tmp_path, model, cache, CONFIG), vectors)


def test_features_of_fewer_galaxies_are_made_again(tmp_path: Path) -> None:
    model, side = build_model(CONFIG, initialize=False), CONFIG.image.cache_px
    images = np.random.default_rng(2).integers(0, 256, (6, side, side, 3), np.uint8)
    for count in (4, 6):
        cache = ImageCache(np.arange(count), images[:count], np.zeros(count, bool))
        assert len(load_features(tmp_path, model, cache, CONFIG)) == count


def test_a_galaxy_is_not_its_own_like(prepared: Dataset) -> None:
    run = loaded(prepared)
    own = int(prepared.catalog.ids[3])
    found = run.find_similar(run.predict(own), 4)
    assert len(found) == 4
    assert own not in [i for i, _ in found]
    galaxy = Galaxy("a copy", run.predict(own).galaxy.encoded, "here")
    copy = PredictedGalaxy(galaxy, None, np.zeros(37), run.predict(own).picture)
    assert run.find_similar(copy, 1)[0][0] == own


def test_the_worst_are_those_farthest_off(prepared: Dataset) -> None:
    run, catalog = loaded(prepared), prepared.catalog
    columns = list(GALAXY_ZOO_2.columns)
    table = pd.DataFrame(catalog.targets("gz37"), catalog.ids, columns)
    table.iloc[4, 2] += 0.5
    table.iloc[9] += 0.2
    table[FOLD] = catalog.folds
    write_predictions(RunFolder(run.dataset, CONFIG.run).oof_csv, table)
    assert run.worst(2, 2).index.tolist() == [catalog.ids[4], catalog.ids[9]]
    row = run.worst(2, 1).iloc[0]
    assert row["predicted"] - row["known"] == pytest.approx(0.5)
    every = run.worst(None, 2)
    assert every.index.tolist() == [catalog.ids[9], catalog.ids[4]]
    assert every["error"].tolist() == pytest.approx([0.2, 0.5 / np.sqrt(37)])


def test_classes_follow_from_votes_where_these_are_clear() -> None:
    votes = draw_votes(np.random.default_rng(3), 400)[0]
    table = pd.DataFrame(votes, columns=list(GALAXY_ZOO_2.columns))
    for name, task in TASKS.items():
        if task.rule is None:
            continue
        labels = task.rule.labels(table)
        for row in (0, 1, 2, int(labels.index[0])):
            found = dict(classes_of_votes(table.loc[[row]]))[name]
            expected = labels.loc[row].idxmax() if row in labels.index else ""
            assert found == [expected]


def test_what_can_answer_is_listed_real_galaxies_first(root: Path) -> None:
    runs = ("demo/gz37/cnn", "mini/zoo5/resnet18")
    for name in (*runs, "mini/gz37/stage.small-0123"):
        mark = folds_dir() / name / "fold_0" / DONE
        mark.parent.mkdir(parents=True)
        mark.write_text("{}")
    assert [known.title for known in service.list_runs()] == [
        "gz37/d4cnn_transfer (bundled)",
        "zoo5/resnet18 on mini",
        "gz37/cnn on demo",
    ]


def test_an_ensemble_stands_in_the_list_and_answers_as_its_runs_do(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GALAXYZOO_ROOT", str(project))
    known = service.list_runs()
    names = ["gz37/d4cnn_transfer", "gz37/cnn", "ensemble:all"]  # 36 galaxies say little
    assert [one.name for one in known] == names
    run, whole = (service.load_run.__wrapped__(one.dataset, one.name) for one in known[1:])
    with pytest.raises(InputError, match=r"no finished fold on dataset .*: trained are gz37/cnn$"):
        service.load_run.__wrapped__(known[1].dataset, "gz37/resnet18")
    galaxy = int(whole.catalog.ids[0])
    shown, alone = whole.predict(galaxy), run.predict(galaxy)
    assert np.allclose(shown.prediction, alone.prediction, atol=0.05)  # the chosen may correct it
    for one, two in zip(
        whole.gradcam(shown, 0, "gradcam"), run.gradcam(alone, 0, "gradcam"), strict=True
    ):
        assert np.array_equal(one, two)
    assert whole.find_similar(shown, 2) == run.find_similar(alone, 2)
    assert len(whole.worst(None, 3)) == 3
