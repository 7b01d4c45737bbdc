"""Predictions of networks: mean over views, and memory that is used up."""

import numpy as np
import pytest
import torch

from galaxyzoo.config.schema import TTAConfig
from galaxyzoo.core.errors import FoldError
from galaxyzoo.data.geometry import iterate_views
from galaxyzoo.inference import network
from galaxyzoo.inference.network import compute_features, predict, predict_with_features
from galaxyzoo.models.build import build_model
from support.small_models import small_config
from support.training_fixtures import fold_data, limit_memory


def test_mean_over_views_against_all_views_kept():
    settings = small_config(train={"amp": "fp32"})
    cache = fold_data(9).cache
    rows = np.array([7, 0, 3])
    model = build_model(settings).eval()
    views = iterate_views(cache.images[rows], settings.image, settings.tta, torch.device("cpu"))
    with torch.inference_mode():
        outputs = [model(view).float() for view in views]
    mean = predict(model, cache, rows, settings)
    assert mean.tobytes() == (sum(outputs) / len(outputs)).numpy().tobytes()


@pytest.mark.parametrize(
    ("most", "tried"), [(300, [256, 44]), (100, [256, 128, 64, 64, 64, 64, 44])]
)
def test_prediction_goes_on_with_fewer_images(monkeypatch, most, tried):
    monkeypatch.setattr(network, "batch_size_for", lambda device: 256)
    data = fold_data(300)
    settings = small_config(train={"amp": "fp32"})
    model = build_model(settings)
    rows = np.arange(300)[::-1]
    one_view = TTAConfig(dihedral=False)
    expected = predict(model, data.cache, rows, settings, one_view)
    features = compute_features(model, data.cache.images, settings, one_view)
    sizes = limit_memory(monkeypatch, most)
    got = predict(model, data.cache, rows, settings, one_view)
    assert sizes == tried
    np.testing.assert_allclose(got, expected, atol=1e-6)
    got = compute_features(model, data.cache.images, settings, one_view)
    assert sizes == 2 * tried
    np.testing.assert_allclose(got, features, atol=1e-6)


@pytest.mark.parametrize("tta", [TTAConfig(dihedral=False), TTAConfig(angles=2, zooms=(1, 1.2))])
def test_one_pass_gives_predictions_and_features(tta):
    """They are those of two passes: features before the head, predictions after it."""
    data = fold_data(40)
    settings = small_config(train={"amp": "fp32"})
    model = build_model(settings).eval()
    predictions, features = predict_with_features(model, data.cache.images, settings, tta)
    expected = predict(model, data.cache, np.arange(40), settings, tta)
    np.testing.assert_allclose(predictions, expected, atol=1e-6)
    views = iterate_views(data.cache.images, settings.image, tta, torch.device("cpu"))
    with torch.inference_mode():
        by_view = [model.features(view).numpy() for view in views]
    np.testing.assert_allclose(features, np.mean(by_view, axis=0), atol=1e-5)


def test_one_image_that_does_not_fit_is_an_error(monkeypatch):
    limit_memory(monkeypatch, 0)
    settings = small_config()
    with pytest.raises(FoldError, match="out of memory while predicting one image"):
        predict(build_model(settings), fold_data().cache, np.arange(9), settings)
