"""Stratified hold-out: train on 70 %, validate each epoch on 15 %, score on 15 %.

Most published systems report such a score; folds remain the measure here.
"""

import numpy as np

from galaxyzoo.config.names import BUNDLED
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import GROUP, Catalog
from galaxyzoo.data.folds import make_folds
from galaxyzoo.inference.artifacts import load_fold_model
from galaxyzoo.results.card import HoldoutCard
from galaxyzoo.results.layout import (
    CHECKPOINT,
    HELD_OUT_TABLE,
    HISTORY,
    HOLDOUT,
    WEIGHTS,
    FoldFolder,
    RunFolder,
)
from galaxyzoo.results.table import PredictionTable
from galaxyzoo.tasks.registry import get_task
from galaxyzoo.training.fold import train_fold
from galaxyzoo.training.fold_data import make_part_data
from galaxyzoo.training.run import Run

TRAIN, VAL, TEST = "train", "val", "test"
_TWENTIETHS = (TRAIN,) * 14 + (VAL,) * 3 + (TEST,) * 3


def split(catalog: Catalog, task: str, seed: int = 0) -> np.ndarray:
    """Split a task's galaxies as folds are: stratified, near-duplicates in the same part.

    Returns:
        (galaxy,) "train", "val" or "test".
    """
    groups = catalog.train[GROUP].to_numpy()
    try:
        parts = make_folds(catalog.targets(task), groups, len(_TWENTIETHS), seed)
    except ValueError as error:
        raise InputError(f"--holdout: {error}") from None
    return np.array(_TWENTIETHS)[parts]


def train_holdout(run: Run) -> HoldoutCard:
    """Train a run on the training part, unless that is done, and score it on the test part.

    Returns:
        The score card, also written beside the run's out-of-fold card as `<run>_holdout.json`.
    """
    config, catalog = run.config, run.catalog
    if config.before:
        raise InputError(f"--holdout trains runs of one stage: {config.run} has several")
    if config.model.weights_file == BUNDLED:
        raise InputError(
            f"--holdout: networks in weights/ may have been trained on any part ({config.run})"
        )
    parts = split(catalog, config.task)
    run.begin()
    with run.locked():
        if not _files(run).is_done:
            _train(run, parts)
        (_files(run).folder / CHECKPOINT).unlink(missing_ok=True)
    card = _score(run, parts)
    card.write(RunFolder(catalog.dataset, config.run).holdout_card)
    return card


def _train(run: Run, parts: np.ndarray) -> None:
    """Train on the training part, validate each epoch, predict the test part."""
    config, catalog, cache = run.config, run.catalog, run.cache("train")
    # Seeds are derived from the fold's number: the hold-out takes the next one after the folds.
    data = make_part_data(config, run.data, cache, parts == TRAIN, parts == VAL, catalog.n_folds)
    files = _files(run)
    train_fold(config, data, files.folder, f"{config.run} hold-out")
    rows = np.searchsorted(cache.ids, catalog.ids[parts == TEST])
    run.predict(load_fold_model(config, files.folder), cache, rows, files.folder / HELD_OUT_TABLE)
    files.finish([WEIGHTS, HISTORY, HELD_OUT_TABLE], {})


def _score(run: Run, parts: np.ndarray) -> HoldoutCard:
    """Score card of the test part."""
    catalog, task = run.catalog, get_task(run.config.task)
    rows, targets = parts == TEST, catalog.targets(task.name)
    table = PredictionTable.read(_files(run).path(HELD_OUT_TABLE), task, catalog.ids[rows])
    return HoldoutCard(
        run=run.config.run,
        task=task.name,
        dataset=catalog.dataset,
        fingerprint=catalog.fingerprint,
        checkpoint=run.config.train.checkpoint,
        selected_on_validation=False,
        split={part: int((parts == part).sum()) for part in (TRAIN, VAL, TEST)},
        **table.project().score(targets[rows], targets[~rows]),
    )


def _files(run: Run) -> FoldFolder:
    origin = FoldFolder.origin(run.config, run.catalog.fingerprint, HOLDOUT)
    return FoldFolder.trained(run.folder / HOLDOUT, origin)
