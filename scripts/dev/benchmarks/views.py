"""Fewer networks and views of a run in `weights/`: images a second against RMSE.

Each training galaxy has one network that did not see it, so the RMSE of a single network is out of
fold. The mean of several has the members' mean squared error less their variance, which needs no
votes and is taken of test galaxies (Krogh & Vedelsby 1995, NIPS 7).
"""

from functools import partial

import numpy as np
from measuring import Table, race, rate_rows

from galaxyzoo.config.loading import load_run_config
from galaxyzoo.config.schema import TTAConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.data.parallel_decoding import decode_many
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.inference.network import predict
from galaxyzoo.inference.predict import RunNetworks, load_run, run_networks
from galaxyzoo.results.layout import bundled_dir

RUN = "gz37/d4cnn_transfer"
_IMAGES = 128  # a round
_GALAXIES = 400  # of each fold, and of the test


def measure(data: Dataset, repeats: int) -> list[Table]:
    """One network or all, one view or the run's own."""
    run = load_bundled(data)
    ids = spread(data.test_ids, _GALAXIES)
    test = decode_many(data.raw.test_images.select(ids), run.config.image)[0]
    works, scores = {}, {}
    for tta in (TTAConfig(dihedral=False), run.config.tta):
        error, variance = score(run.restrict(None, tta), data, test)
        for count in (1, len(run.models)):
            name = f"{count} × {tta.n_views}"
            works[name] = partial(_work, run.restrict(range(count), tta), test[:_IMAGES])
            scores[name] = np.sqrt(error - (1 - 1 / count) * variance)
    rates = rate_rows(race(works, repeats), name)
    rows = [(*row, f"{scores[row[0]]:.5f}") for row in rates]
    header = ("networks × views", "img/s", "range", "ratio", "RMSE")
    return [Table(f"{RUN}, {_GALAXIES} galaxies of each fold", header, rows)]


def score(run: RunNetworks, data: Dataset, test: np.ndarray) -> tuple[float, float]:
    """A network's mean squared error on galaxies that it has not seen, and networks' variance."""
    errors = []
    for fold in run.models:
        rows = spread(np.flatnonzero(data.folds == fold), _GALAXIES)
        ids = data.ids[rows]
        images = decode_many(data.raw.train_images.select(ids), run.config.image)[0]
        predictions = predict_pixels(run, fold, images)
        errors.append((predictions - data.targets(run.task)[rows]) ** 2)
    return float(np.mean(errors)), float(
        run_networks([run], lambda _: test)[0].var(axis=0, ddof=1).mean()
    )


def load_bundled(data: Dataset) -> RunNetworks:
    """Networks in `weights/`, each of which has not seen its fold of the data."""
    if load_run_config(bundled_dir() / RUN)[1] != data.fingerprint:
        raise InputError(f"{RUN} was trained on other galaxies or folds: add --data kaggle-mini")
    return load_run(BUNDLED, RUN)


def predict_pixels(run: RunNetworks, fold: int, pixels: np.ndarray) -> np.ndarray:
    """(galaxy, column) predictions of decoded images by the network of a fold."""
    rows = np.arange(len(pixels))
    cache = ImageCache(rows, pixels, np.zeros(len(pixels), bool))
    return predict(run.models[fold], cache, rows, run.config)


def spread(values: np.ndarray, count: int) -> np.ndarray:
    """So many of them, evenly: the first galaxies of kaggle-mini are easier than the rest."""
    return values[np.linspace(0, len(values) - 1, count).astype(int)]


def _work(run: RunNetworks, images: np.ndarray) -> int:
    run.predict(lambda _: images)
    return len(images)
