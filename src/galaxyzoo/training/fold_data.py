"""Images, targets and first weights of one fold; no fold's start may have seen its galaxies."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from galaxyzoo.config.loading import CONFIG, StageStart, find_starts
from galaxyzoo.config.pretrain import load_saved
from galaxyzoo.config.schema import Config
from galaxyzoo.core.errors import FoldError, InputError
from galaxyzoo.core.paths import data_option, dataset_dir, run_dir, shown
from galaxyzoo.data.catalog import Catalog, load_catalog
from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.inference.artifacts import WEIGHTS
from galaxyzoo.inference.fold_files import HISTORY, PRETRAINED, FoldFiles
from galaxyzoo.tasks.registry import get_task
from galaxyzoo.training.pseudo_labels import PseudoLabelled, find_pseudo_labels


@dataclass(frozen=True)
class FoldData:
    """Images and targets that one fold trains and validates on."""

    cache: ImageCache  # images of all training galaxies
    # (galaxy, column), in the cache's order; NaN for galaxies that the task does not keep
    targets: np.ndarray
    train_rows: np.ndarray  # rows of the above; every fold but this one
    val_rows: np.ndarray
    fold: int
    # targets of the loss, where they differ from the targets of the score
    soft_targets: np.ndarray | None = None
    # weights file to initialise the backbone from
    start_weights: Path | None = None
    # history of the stages before; None where there is none
    earlier_history: Path | None = None
    # pseudo-labelled training images; their rows come after the cache's
    pseudo: PseudoLabelled | None = None
    fingerprint: str = ""  # of the task's galaxies, labels and folds

    def images(self, rows: np.ndarray) -> np.ndarray:
        """(row, cache_px, cache_px, 3) uint8 of ascending rows."""
        own = self.cache.images[rows[rows < len(self.cache.ids)]]
        if self.pseudo is None:
            return own
        return np.concatenate([own, self.pseudo.read(rows[len(own) :] - len(self.cache.ids))])

    @property
    def ids(self) -> np.ndarray:
        """(row,) GalaxyIDs of all rows."""
        return np.concatenate([self.cache.ids, *([self.pseudo.ids] if self.pseudo else [])])


def make_fold_data(config: Config, data: Dataset, cache: ImageCache, fold: int) -> FoldData:
    """Data of a training on all folds but one, validated on that one.

    Args:
        cache: images of all training galaxies of the dataset.
    """
    in_fold = data.catalog.for_task(get_task(config.task)).folds == fold
    check_required_runs(config, data.catalog)
    weights = find_start_weights(config, data.catalog, fold)
    part = make_part_data(config, data, cache, ~in_fold, in_fold, fold, weights)
    earlier = None
    if config.before and weights:
        dataset = config.model.start_dataset or data.catalog.dataset
        earlier = FoldFiles.of_trained(dataset, config.before.run, fold).path(HISTORY)
    pseudo = find_pseudo_labels(config, data, fold)
    return replace(part, pseudo=pseudo, earlier_history=earlier)


def check_required_runs(config: Config, catalog: Catalog) -> None:
    """Refuse starts and teachers that were trained on other folds than the run.

    Their weights may have seen galaxies of the fold to validate on. So it is if one of them was
    trained on another split than its dataset has now, or if a galaxy is in different folds of the
    two datasets. The runs that they start from themselves are checked too.
    """
    for run, dataset in config.required_runs(catalog.dataset):
        if not (run_dir(dataset, run) / CONFIG).exists():
            raise FoldError(
                f"{config.run} needs {run} on {dataset}: {shown(run_dir(dataset, run))} is "
                "missing; train that first"
            )
    for start in find_starts(config, catalog.dataset):
        _check_start(config, catalog, start)


def find_start_weights(config: Config, catalog: Catalog, fold: int) -> Path | None:
    """Weights of the same fold of the run to start from; None where the config names none.

    A pretraining gives the same weights to all folds.
    """
    start, dataset = config.model.start_run, config.model.start_dataset or catalog.dataset
    if start is None:
        return None
    if config.model.starts_without_labels:
        return _find_pretrained(config, catalog, start, dataset)
    files = FoldFiles.of_trained(dataset, start, fold)
    if not files.is_done:
        raise FoldError(
            f"{config.run} starts from {start} on {dataset}: {shown(files.folder)} is not "
            "finished; train that first, or set model.start_run=null model.start_dataset=null"
        )
    return files.path(WEIGHTS)


def _find_pretrained(config: Config, catalog: Catalog, start: str, dataset: str) -> Path:
    """Weights of a pretraining, which must have had the galaxies that its dataset has now."""
    folder = run_dir(dataset, start)
    if not (folder / PRETRAINED).exists():
        raise FoldError(
            f"{config.run} starts from {start} on {dataset}: {shown(folder)} is not finished; "
            f"type `python3 src/pretrain.py {start}{data_option(dataset)}` first, or set "
            "model.start_run=null model.start_dataset=null"
        )
    other = catalog if dataset == catalog.dataset else load_catalog(dataset)
    saved, digests = load_saved(folder / CONFIG)
    if digests["dataset_ids"] != other.ids_fingerprint:
        raise InputError(
            f"{config.run} cannot use {start}: {shown(folder)} was pretrained on other galaxies "
            f"than {dataset} has now; delete it to pretrain again"
        )
    made_by = {"config": saved.digest(), "galaxies": other.ids_fingerprint}
    return FoldFiles(folder, made_by, PRETRAINED).path(WEIGHTS)


def _check_start(config: Config, catalog: Catalog, earlier: StageStart) -> None:
    """Refuse an earlier run that was trained on other folds than the catalog's."""
    start, dataset = earlier.config, earlier.dataset
    other = catalog if dataset == catalog.dataset else load_catalog(dataset)
    if earlier.fingerprint != other.for_task(get_task(start.task)).fingerprint:
        raise InputError(
            f"{config.run} cannot use {start.run}: {shown(run_dir(dataset, start.run))} was "
            f"trained on another split of {dataset}; delete it to train it again"
        )
    check_same_folds(f"{config.run} cannot use {start.run}", catalog, other)


def check_same_folds(refused: str, catalog: Catalog, other: Catalog) -> None:
    """Refuse, in these words, two datasets that have a galaxy in different folds."""
    difference = catalog.find_difference(other)
    if difference:
        raise InputError(
            f"{refused}: {difference} differs between the folds of {catalog.dataset} and "
            f"{other.dataset}; delete {shown(dataset_dir(catalog.dataset))} to split it again"
        )


def make_part_data(
    config: Config,
    data: Dataset,
    cache: ImageCache,
    train: np.ndarray,
    val: np.ndarray,
    number: int,
    start_weights: Path | None = None,
) -> FoldData:
    """Data of a training on any two parts of the task's galaxies.

    Args:
        cache: images of all training galaxies of the dataset.
        train: (galaxy of the task,) bool.
        val: (galaxy of the task,) bool.
        number: in place of a fold's, for the random streams.
    """
    task = get_task(config.task)
    catalog = data.catalog.for_task(task)
    rows = np.searchsorted(cache.ids, catalog.ids)
    targets = np.full((len(cache.ids), len(task.columns)), np.nan)
    targets[rows] = catalog.targets(task.name)
    soft = data.catalog.soft_targets(task) if config.loss == "soft_cross_entropy" else None
    train_rows = rows[train & may_learn_from(config, catalog)]
    check_train_rows(config, train_rows, number)
    return FoldData(
        cache,
        targets,
        train_rows,
        rows[val],
        number,
        soft,
        start_weights,
        fingerprint=catalog.fingerprint,
    )


def may_learn_from(config: Config, catalog: Catalog) -> np.ndarray:
    """(galaxy,) bool: it is no test galaxy of the recipe's own dataset, for stages on others."""
    if config.own_dataset is None:
        return np.ones(len(catalog.ids), bool)
    return ~np.isin(catalog.ids, load_catalog(config.own_dataset).test_ids)


def check_train_rows(config: Config, rows: np.ndarray, number: int) -> None:
    """Refuse to train fold `number` on fewer than the two galaxies that batch norm needs."""
    if len(rows) < 2:
        raise InputError(f"{config.run}: fold {number} has fewer than two galaxies to train on")
