"""What one fold of a run trains and validates on, put together from the prepared dataset."""

import numpy as np

from galaxyzoo.config import Config
from galaxyzoo.errors import InputError
from galaxyzoo.images import ImageCache
from galaxyzoo.paths import fold_dir, shown
from galaxyzoo.preparation import Prepared
from galaxyzoo.tasks import get_task
from galaxyzoo.training import WEIGHTS, FoldData


def make_fold_data(config: Config, data: Prepared, cache: ImageCache, fold: int) -> FoldData:
    """Targets and rows of one fold; galaxies that the task drops are in neither part.

    Args:
        config: the run.
        data: the prepared dataset.
        cache: images of all its training galaxies.
        fold: the fold to validate on.
    Raises:
        InputError: the dataset has no labels for the task, or the run to start from is not trained.
    """
    task = get_task(config.task)
    catalog = data.catalog.for_task(task)
    rows = np.searchsorted(cache.ids, catalog.ids)
    in_fold = catalog.folds == fold
    soft = data.catalog.soft_targets(task) if config.loss == "soft_cross_entropy" else None
    targets = _spread(catalog.targets(task.name), rows, len(cache.ids))
    start = config.model.start_run
    weights = fold_dir(catalog.dataset, start, fold) / WEIGHTS if start else None
    if weights is not None and not weights.exists():
        raise InputError(f"{config.run} starts from {start}: {shown(weights)} is missing")
    return FoldData(cache, targets, rows[~in_fold], rows[in_fold], fold, soft, weights)


def _spread(values: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """(count, column) with the values in the given rows and NaN elsewhere."""
    out = np.full((count, values.shape[1]), np.nan)
    out[rows] = values
    return out
