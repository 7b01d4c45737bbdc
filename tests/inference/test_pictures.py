"""Predictions from Python: pictures in memory are seen as files of them are."""

from types import SimpleNamespace
from typing import cast

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import galaxyzoo
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.ensemble.blends import Blend
from galaxyzoo.inference import pictures
from galaxyzoo.inference.load_model import EnsembleNetworks, load_predictor
from galaxyzoo.inference.pictures import Model
from galaxyzoo.inference.predict import Predictor, RunNetworks, predict_stores
from galaxyzoo.io.writing import write_predictions
from galaxyzoo.models.build import build_model
from galaxyzoo.results.card import EnsembleCard
from support.small_models import small_config


def _run(**image: int) -> RunNetworks:
    config = small_config(image=image)
    return RunNetworks(config, {0: build_model(config)})


def _ensemble() -> EnsembleNetworks:
    """The mean of two runs that want images of different crops and sizes."""
    runs = [_run(), _run(crop_px=320, cache_px=96, field_px=300, size_px=64)]
    card = SimpleNamespace(task=runs[0].task.name, members=dict.fromkeys(["gz37/a", "gz37/b"]))
    mean = Blend(np.full((2, len(runs[0].task.columns)), 0.5))
    return EnsembleNetworks(cast(EnsembleCard, card), mean, runs)


def _draw(*shape: int) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 3))


@pytest.mark.parametrize("make", [_run, _ensemble])
def test_pictures_are_seen_as_png_files_of_them(make, tmp_path):
    predictor: Predictor = make()
    wide = _draw(300, 501, 3)
    colored = Image.fromarray(_draw(99, 120, 3))
    given: list[pictures.Picture] = [
        _draw(424, 424, 3),
        wide,
        _draw(20, 20, 3),
        _draw(1700, 1700, 3),
        wide[:, ::-1],
        colored.convert("L"),
        colored.convert("P"),
        colored.convert("1"),
        Image.fromarray(_draw(70, 70, 4)),
    ]
    for i, image in enumerate(given):
        picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
        picture.save(tmp_path / f"{i}.png")
    expected, _ = predict_stores(predictor, [tmp_path])
    found = Model("gz37/small", "test", predictor).predict(given)
    assert list(found.columns) == list(predictor.task.columns)
    assert found.index.name == "id"
    assert found.index.tolist() == expected.index.tolist() == list(range(len(given)))
    assert found.to_numpy().tobytes() == expected.to_numpy().tobytes()
    assert np.ptp(found["Class1.1"]) > 1e-4


def test_every_form_of_the_same_pictures_gives_the_same(monkeypatch):
    model = Model("gz37/small", "test", _run())
    images = np.stack([_draw(64, 64, 3)] * 3)
    images[1:] //= 2
    images[2, :32] = 0
    expected = model.predict(images)
    monkeypatch.setattr("galaxyzoo.inference.predict.CHUNK", 2)
    alone = pd.concat([model.predict(image) for image in images], ignore_index=True)
    for found in (model.predict(images), model.predict([*images]), alone):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert expected.nunique().min() > 1


def test_files_keep_their_names_and_a_warning_tells_of_the_unreadable(tmp_path):
    model = Model("gz37/small", "test", _run())
    for name in ("7.png", "5.png"):
        Image.fromarray(_draw(64, 64, 3)).save(tmp_path / name)
    both: list[pictures.PathName] = [tmp_path / "7.png", str(tmp_path / "5.png")]
    for paths in (both, pd.Series(both), map(str, both)):
        assert model.predict(paths).index.tolist() == [7, 5]
    (tmp_path / "6.png").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"skipped 1 of 3 images \(first: 6.png: it is empty\)"):
        table = model.predict(str(tmp_path))
    assert (table.index.tolist(), table.index.name) == ([5, 7], "GalaxyID")


@pytest.mark.parametrize(
    "names",
    [
        ["587.png", "12.png"],
        ["007.png", "sub/J1 b.png", "sub/-5.png", "=1+1.png"],
        ["100008.png", "100008.jpg", "é.png"],
    ],
    ids=["numbers", "names", "clashing numbers"],
)
def test_ids_are_those_that_the_command_writes(tmp_path, names):
    for name in names:
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(_draw(60, 60, 3)).save(path)
    predictor: Predictor = _run()
    found = Model("gz37/small", "test", predictor).predict(tmp_path / "images")
    write_predictions(tmp_path / "votes.csv", predict_stores(predictor, [tmp_path / "images"])[0])
    written = pd.read_csv(tmp_path / "votes.csv", index_col=0, dtype={0: str})
    assert (written.index.name, [*written.index]) == (found.index.name, [*map(str, found.index)])


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (np.full((2, 9, 9, 3), np.nan), r"image 0 is float64 of shape \(9, 9, 3\); expected RGB"),
        (np.zeros((2, 3, 9, 9), np.uint8), r"uint8 of shape \(3, 9, 9\); expected .*\(H, W, 3\)"),
        ([np.zeros((9, 9, 3), np.uint8), "7.png"], "image 1 is str; expected RGB pixels"),
        (["7.png", "", None], "image 1 is not a path, but image 0 is"),
        (7, "image 0 is int"),
        (np.zeros((1, 8193, 3), np.uint8), "image 0: its size is 8193 × 1 px"),
        (Image.fromarray(np.zeros((9, 9), np.uint16)), "PIL mode I;16: convert it to 8 bits"),
        ("nowhere.png", "nowhere.png is missing"),
    ],
)
def test_what_is_no_picture_is_one_line(images, expected):
    with pytest.raises(InputError, match=expected):
        Model("gz37/small", "test", _run()).predict(images)


@pytest.mark.usefixtures("root")
def test_load_takes_the_best_at_hand_or_the_named(tmp_path):
    galaxy = tmp_path / "1.png"
    Image.fromarray(_draw(424, 424, 3)).save(galaxy)
    model = galaxyzoo.load(folds=[1], views=1)
    assert model.dataset == BUNDLED
    expected, _ = predict_stores(load_predictor(BUNDLED, model.name, [1], 1), [galaxy])
    np.testing.assert_array_equal(model.predict(Image.open(galaxy)), expected)
    assert "RunNetworks" not in repr(model)
    again = galaxyzoo.load(model.name, dataset=BUNDLED, folds=[1], views=1)
    np.testing.assert_array_equal(again.predict(galaxy), expected)
    with pytest.raises(InputError, match="gz37/nothing"):
        galaxyzoo.load("gz37/nothing", dataset=BUNDLED)
    for options, line in (({"views": 3}, "not 3"), ({"folds": []}, "at least one fold")):
        with pytest.raises(ValueError, match=line):
            galaxyzoo.load(**options)
