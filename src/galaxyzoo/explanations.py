"""A run's explanations: heat maps averaged over its folds, and how faithful they are."""

from collections.abc import Mapping

import numpy as np
from tqdm import tqdm

from galaxyzoo import faithfulness
from galaxyzoo.augmentation import warp, warp_matrix
from galaxyzoo.config import Config
from galaxyzoo.errors import InputError
from galaxyzoo.faithfulness import CONTROLS, Faithfulness
from galaxyzoo.heat_maps import METHODS, default_layer, heat_maps
from galaxyzoo.map_layers import MapLayer, find_layers, pick_layers
from galaxyzoo.models import GalaxyNet
from galaxyzoo.prediction import predict
from galaxyzoo.preparation import Prepared
from galaxyzoo.tasks import Task, get_task


def choose_layer(model: GalaxyNet, size_px: int, name: str | None) -> MapLayer:
    """The named layer, or the usual one.

    Raises:
        InputError: there is no such layer, or the network has no maps.
    """
    layers = find_layers(model, size_px)
    return default_layer(layers) if name is None else pick_layers(layers, [name])[0]


def explain(
    models: Mapping[int, GalaxyNet],
    image: np.ndarray,
    column: int,
    method: str = "gradcam",
    layer: str | None = None,
) -> tuple[np.ndarray, str]:
    """What speaks for an answer in an image, averaged over a run's networks.

    Args:
        models: its networks by fold.
        image: (1, H, W, 3) uint8, the network's input.
        column: of the answer or class.
        method: of `METHODS`.
        layer: name of the layer whose maps are used; default the deepest that shows places.
    Returns:
        (H, W) float32, 0 to 1, and the layer's name.
    """
    maps = []
    for model in models.values():
        used = choose_layer(model, image.shape[1], layer)
        maps.append(heat_maps(model, image, [column], method, used)[0])
    return np.mean(maps, axis=0), used.name


def measure_faithfulness(
    config: Config, models: Mapping[int, GalaxyNet], data: Prepared, count: int, layer: str | None
) -> list[Faithfulness]:
    """Score the fast methods and the controls on galaxies that their network did not learn from.

    Args:
        config: of the run.
        models: its networks by fold.
        data: its dataset.
        count: of galaxies, drawn from the finished folds; each explained for its likeliest class,
            or answer to question 1.
        layer: as of `explain`.
    Raises:
        InputError: there are fewer galaxies.
    """
    task = get_task(config.task)
    catalog = data.catalog.for_task(task)
    open_rows = np.flatnonzero(np.isin(catalog.folds, list(models)))
    if count > len(open_rows):
        raise InputError(f"--faithfulness {count}: there are {len(open_rows)} galaxies")
    drawn = np.random.default_rng(0).choice(open_rows, count, replace=False)
    cache = data.train_images(config.image)
    methods = [name for name, method in METHODS.items() if method.all_views]
    found: dict[str, list[np.ndarray]] = {name: [] for name in (*methods, *CONTROLS)}
    with tqdm(total=len(found) * len(models), desc="removing pixels", leave=False) as bar:
        for fold, model in models.items():
            some = drawn[catalog.folds[drawn] == fold]
            rows = np.sort(np.searchsorted(cache.ids, catalog.ids[some]))
            columns = likeliest(predict(model, cache, rows, config), task)
            images = warp(cache.images[rows], warp_matrix(config.image), config.image.size_px)
            used = choose_layer(model, config.image.size_px, layer)
            for name, scores in found.items():
                if len(rows):
                    score = faithfulness.measure(model, images, columns, name, used)
                    scores.append(score.scores)
                bar.update()
    return [Faithfulness(name, np.concatenate(scores)) for name, scores in found.items()]


def likeliest(predictions: np.ndarray, task: Task) -> list[int]:
    """(galaxy,) the likeliest class, or answer to the first question, of (galaxy, column)."""
    first = slice(None) if task.is_classes else task.groups[0]
    return [int(i) for i in predictions[:, first].argmax(axis=1)]
