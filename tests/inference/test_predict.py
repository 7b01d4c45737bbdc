"""Predictions: mean over views, names of images, and memory that is used up."""

from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from galaxyzoo.config.schema import TTAConfig
from galaxyzoo.core.errors import FoldError
from galaxyzoo.data import geometry
from galaxyzoo.data.geometry import iterate_views
from galaxyzoo.inference import predict as prediction
from galaxyzoo.inference.predict import compute_features, predict, predict_stores, run_networks
from galaxyzoo.models.build import build_model
from support.small_models import small_config, untrained
from support.training_fixtures import NO_NORM, fold_data, limit_memory


def test_mean_over_views_against_all_views_kept():
    settings, data = small_config(train={"amp": "fp32"}), fold_data(9)
    model, rows = build_model(settings).eval(), np.array([7, 0, 3])
    images = data.cache.images[rows]
    with torch.inference_mode():
        views = [
            model(view).float()
            for view in iterate_views(images, settings.image, settings.tta, torch.device("cpu"))
        ]
    mean = predict(model, data.cache, rows, settings)
    assert mean.tobytes() == (sum(views) / len(views)).numpy().tobytes()


@pytest.mark.parametrize(
    ("most", "tried"), [(300, [256, 44]), (100, [256, 128, 64, 64, 64, 64, 44])]
)
def test_prediction_goes_on_with_fewer_images(monkeypatch, most, tried):
    monkeypatch.setattr(prediction, "batch_size_for", lambda device: 256)
    data, settings = fold_data(300), small_config(train={"amp": "fp32"})
    model, rows, one_view = build_model(settings), np.arange(300)[::-1], TTAConfig(dihedral=False)
    expected = predict(model, data.cache, rows, settings, one_view)
    features = compute_features(model, data.cache.images, settings, one_view)
    sizes = limit_memory(monkeypatch, most)
    got = predict(model, data.cache, rows, settings, one_view)
    assert sizes == tried
    np.testing.assert_allclose(got, expected, atol=1e-6)
    got = compute_features(model, data.cache.images, settings, one_view)
    assert sizes == 2 * tried
    np.testing.assert_allclose(got, features, atol=1e-6)


def test_a_view_is_made_once_for_all_networks_and_runs_that_share_it(monkeypatch):
    """And each network answers as it does alone, to the byte."""
    tta = {"angles": 2, "zooms": [0.9, 1.1]}
    alike = [small_config(run=name, model=NO_NORM, tta=tta) for name in ("a", "b")]
    one_view = small_config(run="c", model=NO_NORM, tta={"dihedral": False})
    settings = [alike[0], one_view, alike[1]]
    runs = [untrained(config, folds=5) for config in settings]
    data, rows, warps = fold_data(9), np.arange(9), list[int]()
    alone = [
        [predict(model, data.cache, rows, run.config).tobytes() for model in run.models.values()]
        for run in runs
    ]
    assert len({answer for answers in alone for answer in answers}) == 15

    def warp(images: np.ndarray, *others: Any) -> np.ndarray:
        warps.append(len(images))
        return plain(images, *others)

    plain = geometry.warp
    monkeypatch.setattr(geometry, "warp", warp)
    each = run_networks(runs, lambda image: data.cache.images)
    assert warps == [9] * 5  # two angles by two zooms, each for eight views; and the one view
    assert [[answer.tobytes() for answer in answers] for answers in each] == alone


def test_one_image_that_does_not_fit_is_an_error(monkeypatch):
    limit_memory(monkeypatch, 0)
    settings = small_config()
    with pytest.raises(FoldError, match="out of memory while predicting one image"):
        predict(build_model(settings), fold_data().cache, np.arange(9), settings)


def test_a_table_holds_every_image_however_many_are_decoded_at_once(tmp_path, monkeypatch):
    settings = small_config(tta={"dihedral": False})
    networks = untrained(settings)
    for number in range(7):
        picture = np.random.default_rng(number).integers(0, 256, (60, 60, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
    (tmp_path / "2.png").write_bytes(b"no image")
    whole, left_out = predict_stores(networks, [tmp_path])
    monkeypatch.setattr(prediction, "CHUNK", 3)
    table, others = predict_stores(networks, [tmp_path])
    pd.testing.assert_frame_equal(table, whole, rtol=1e-4)
    assert others == left_out
    alone = [predict_stores(networks, [tmp_path / f"{i}.png"])[0] for i in whole.index]
    assert list(whole.index) == [0, 1, 3, 4, 5, 6]
    pd.testing.assert_frame_equal(pd.concat(alone), whole, rtol=1e-4)


def test_other_views_and_other_folds_each_have_a_digest_of_their_own():
    networks = untrained(small_config(), folds=2)
    views = networks.restrict(None, TTAConfig(dihedral=False))
    others = [views, networks.restrict([1], None), views.restrict([1], None)]
    assert len({one.digest for one in (networks, *others)}) == 4
