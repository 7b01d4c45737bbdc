"""What one training of a run learns from and validates on, out of the prepared dataset."""

from pathlib import Path

import numpy as np

from galaxyzoo.config import Config
from galaxyzoo.errors import InputError
from galaxyzoo.images import ImageCache
from galaxyzoo.paths import fold_dir, shown
from galaxyzoo.preparation import Prepared
from galaxyzoo.tasks import get_task
from galaxyzoo.training import WEIGHTS, FoldData


def make_fold_data(config: Config, data: Prepared, cache: ImageCache, fold: int) -> FoldData:
    """Every fold but one to train on, that one to validate on.

    Args:
        config: the run.
        data: the prepared dataset.
        cache: images of all its training galaxies.
        fold: the fold to validate on.
    Raises:
        InputError: the dataset has no labels for the task, or the run to start from is not trained.
    """
    in_fold = data.catalog.for_task(get_task(config.task)).folds == fold
    start = config.model.start_run
    weights = fold_dir(data.catalog.dataset, start, fold) / WEIGHTS if start else None
    if weights is not None and not weights.exists():
        raise InputError(f"{config.run} starts from {start}: {shown(weights)} is missing")
    return make_part_data(config, data, cache, ~in_fold, in_fold, fold, weights)


def make_part_data(
    config: Config,
    data: Prepared,
    cache: ImageCache,
    train: np.ndarray,
    val: np.ndarray,
    number: int,
    start_weights: Path | None = None,
) -> FoldData:
    """Any two parts of the galaxies that the task keeps.

    Args:
        config: the run.
        data: the prepared dataset.
        cache: images of all its training galaxies.
        train: (galaxy of the task,) bool.
        val: (galaxy of the task,) bool.
        number: of the part, from which its random streams follow.
        start_weights: trained weights to start from.
    Raises:
        InputError: the dataset has no labels for the task.
    """
    task = get_task(config.task)
    catalog = data.catalog.for_task(task)
    rows = np.searchsorted(cache.ids, catalog.ids)
    targets = np.full((len(cache.ids), len(task.columns)), np.nan)
    targets[rows] = catalog.targets(task.name)
    soft = data.catalog.soft_targets(task) if config.loss == "soft_cross_entropy" else None
    return FoldData(cache, targets, rows[train], rows[val], number, soft, start_weights)
