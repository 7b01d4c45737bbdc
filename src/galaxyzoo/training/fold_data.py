"""Images, targets and first weights of one fold; first weights must not come from its galaxies."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from galaxyzoo.config import loading, schema
from galaxyzoo.core.errors import FoldError, InputError
from galaxyzoo.core.manifest import Artifact
from galaxyzoo.core.paths import BUNDLED, shown
from galaxyzoo.data.catalog import Catalog, dataset_dir, load_catalog, load_catalogs
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.data.prepare import Dataset, read_duplicates
from galaxyzoo.results import layout, table
from galaxyzoo.tasks.kinds import COMPETITION_TASK
from galaxyzoo.tasks.registry import get_task


@dataclass(frozen=True)
class Start:
    """First weights of a fold: a file, or else pretrained or random ones."""

    weights: Path | None = None
    provenance: str = ""  # for records, such as `timm a1_in1k, then small`
    possible_leakage: bool = False  # maybe trained on the galaxies to validate on
    history: Path | None = None  # of the stages before


@dataclass(frozen=True)
class FoldData:
    """Images and targets that one fold trains and validates on."""

    cache: ImageCache  # images of all training galaxies
    # (galaxy, column), in the cache's order; NaN for galaxies that the task does not keep
    targets: np.ndarray
    train_rows: np.ndarray  # rows of the above; every fold but this one
    val_rows: np.ndarray
    fold: int
    start: Start = Start()
    fingerprint: str = ""  # of the task's galaxies, labels and folds


def make_fold_data(config: schema.Config, data: Dataset, fold: int) -> FoldData:
    """Data of a training on all folds but one, validated on it; of a refit, on all galaxies."""
    in_fold = data.catalog.for_task(config.predicted_task).folds == fold
    start = resolve_start(config, data.catalog, fold)
    return replace(make_part_data(config, data, ~in_fold, in_fold, fold), start=start)


def resolve_start(config: schema.Config, catalog: Catalog, fold: int) -> Start:
    """Decide where a fold's first weights come from; none may be trained on the fold.

    The stage before, else the networks in `weights/`; without either `models.weights` fills a
    new network.
    """
    if not config.earlier:
        return _bundled_start(config, catalog, fold)
    before = find_stage_before(config, catalog, fold)
    weights, history = before.path(layout.WEIGHTS), before.path(layout.HISTORY)
    origin = f"{before.notes['start']}, then {config.earlier[-1].stage}"
    return Start(weights, origin, before.notes.get("possible_leakage", False), history)


def _bundled_start(config: schema.Config, catalog: Catalog, fold: int) -> Start:
    """Start from the networks in `weights/`, if the config asks for that.

    Where all galaxies are of their training and in its folds, fold k starts from the network that
    left out fold k. On others any of them may have been trained on any galaxy.
    """
    if config.model.weights_file != BUNDLED:
        return Start()
    for run in layout.bundled_runs(COMPETITION_TASK):
        bundled = layout.exported_files(layout.bundled_dir() / run)
        bundled.check()
        other, fingerprint, _ = loading.load_run_config(bundled.folder)
        if (other.model.name, other.model.kwargs) == (config.model.name, config.model.kwargs):
            break
    else:
        raise InputError(f"{config.run}: weights/ has no {config.model.name} networks of this kind")
    same = _agrees(catalog, fingerprint)
    n_bundled = len(layout.exported_folds(bundled))
    path = layout.fold_dir(bundled.folder, fold % n_bundled) / layout.WEIGHTS
    return Start(path, f"weights/{run} ({table.digest_table(path)})", possible_leakage=not same)


def _agrees(catalog: Catalog, fingerprint: str) -> bool:
    """Check whether the galaxies are in the same folds as those of votes of that fingerprint."""
    votes = get_task(COMPETITION_TASK)
    if catalog.has_labels(votes):
        return catalog.for_task(votes).fingerprint == fingerprint
    if not catalog.has_galaxy_ids:
        return False
    return any(
        other.has_labels(votes)
        and other.for_task(votes).fingerprint == fingerprint
        and np.isin(catalog.ids, other.ids).all()
        and catalog.find_difference(other) is None
        for other in load_catalogs()
    )


def find_stage_before(config: schema.Config, catalog: Catalog, fold: int) -> Artifact:
    """Find the same fold of the stage before, finished on the current split.

    A galaxy must have the same fold in the datasets of both stages, else the first weights may have
    been trained on galaxies of the fold to validate on.
    """
    before = config.stages[-2]
    other = check_dataset_before(config, catalog)
    fingerprint = other.for_task(before.predicted_task).fingerprint
    files = layout.fold_files(before, other.dataset, fingerprint, fold)
    if not files.is_finished:
        raise FoldError(
            f"{config.title} starts from {before.title} on {other.dataset}, whose training is "
            f"unfinished: {shown(files.folder)}"
        )
    return files


def check_dataset_before(config: schema.Config, catalog: Catalog) -> Catalog:
    """Load the catalog of the stage before; refuse it if a galaxy is in another fold there.

    A first stage on another dataset is compared with the recipe's own. Where the two share no ids,
    a galaxy of both is known by its images, and no stage learns from it.
    """
    before = config.earlier[-1] if config.earlier else None
    dataset = (before and before.dataset) or config.own_dataset or catalog.dataset
    if dataset == catalog.dataset:
        return catalog
    other = load_catalog(dataset)
    if difference := catalog.find_difference(other):
        raise InputError(
            f"{config.run} cannot start from {before.run if before else dataset}, because "
            f"{difference} differs between {catalog.dataset} and {other.dataset}: delete "
            f"{shown(dataset_dir(catalog.dataset))} to split and train {catalog.dataset} again"
        )
    return other


def make_part_data(
    config: schema.Config, data: Dataset, train: np.ndarray, val: np.ndarray, number: int
) -> FoldData:
    """Data of a training on any two parts of the task's galaxies.

    Args:
        train: (galaxy of the task,) bool.
        val: (galaxy of the task,) bool.
        number: in place of a fold's, for the random streams.
    """
    task, cache = config.predicted_task, data.train_images(config.image)
    catalog = data.catalog.for_task(task)
    rows = np.searchsorted(cache.ids, catalog.ids)
    targets = np.full((len(cache.ids), len(task.columns)), np.nan)
    targets[rows] = catalog.targets(task)
    train_rows = rows[train & may_learn_from(config, catalog)]
    check_train_rows(config, train_rows, number)
    return FoldData(cache, targets, train_rows, rows[val], number, fingerprint=catalog.fingerprint)


def may_learn_from(config: schema.Config, catalog: Catalog) -> np.ndarray:
    """(galaxy,) bool, galaxies that a stage may be trained on.

    On another dataset than the recipe's own these are no test galaxies of that one, nor copies of
    its galaxies that their ids do not tell.
    """
    if config.own_dataset is None:
        return np.ones(len(catalog.ids), bool)
    ids = catalog.train.index
    is_allowed = ~ids.isin(read_duplicates(config.own_dataset, catalog.dataset))
    recipe_catalog = load_catalog(config.own_dataset)
    if recipe_catalog.shares_ids(catalog):
        is_allowed &= ~ids.isin(recipe_catalog.test_ids)
    return is_allowed


def check_train_rows(config: schema.Config, rows: np.ndarray, number: int) -> None:
    """Refuse to train fold `number` on fewer than the two galaxies that batch norm needs."""
    if len(rows) < 2:
        raise InputError(f"{config.title}: fold {number} has fewer than two training galaxies")
