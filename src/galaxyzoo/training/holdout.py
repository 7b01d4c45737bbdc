"""Stratified hold-out: train on 70 %, validate each epoch on 15 %, score on 15 %.

Most published systems report such a score; folds remain the measure here.
"""

import numpy as np

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.data.catalog import GROUP, Catalog
from galaxyzoo.data.folds import make_folds
from galaxyzoo.models.build import load_network
from galaxyzoo.results import layout
from galaxyzoo.results.card import HoldoutCard
from galaxyzoo.results.table import PredictionTable, score_table
from galaxyzoo.tasks.registry import get_task
from galaxyzoo.training import fold, fold_data
from galaxyzoo.training.run import Run

_PARTS = {"train": 14, "val": 3, "test": 3}  # twentieths of the galaxies


def split(catalog: Catalog, task: str) -> np.ndarray:
    """Split a task's galaxies as folds are: stratified, near-duplicates in the same part.

    Returns:
        (galaxy,) "train", "val" or "test".
    """
    groups = catalog.train[GROUP].to_numpy()
    try:
        twentieths = make_folds(catalog.targets(task), groups, sum(_PARTS.values()), seed=0)
    except ValueError as error:
        raise InputError(f"--holdout: {error}") from None
    return np.repeat([*_PARTS], [*_PARTS.values()])[twentieths]


def train_holdout(run: Run) -> HoldoutCard:
    """Train a run on the training part, unless that is done, and score it on the test part.

    Returns:
        The score card, also written beside the run's out-of-fold card as `<run>_holdout.json`.
    """
    config, catalog, task = run.config, run.catalog, get_task(run.config.task)
    if config.earlier:
        raise InputError(f"--holdout needs a run with one stage, but {config.run} has several")
    if config.model.weights_file == BUNDLED:
        raise InputError(
            f"--holdout: {config.run} may start from networks trained on the test galaxies"
        )
    parts = split(catalog, config.task)
    held_out, folder = parts == "test", run.folder / layout.HOLDOUT
    provenance = layout.fold_provenance(config, catalog.fingerprint, layout.HOLDOUT)
    files = layout.trained_files(folder, provenance)
    run.begin()
    with run.locked():
        if not files.is_finished:
            # Seeds are derived from the fold's number: here it is the next one after the folds.
            data = fold_data.make_part_data(
                config, run.data, parts == "train", parts == "val", catalog.n_folds
            )
            fold.train_fold(config, data, folder, f"{config.run} hold-out")
            rows = np.searchsorted(data.cache.ids, catalog.ids[held_out])
            model = load_network(config, folder / layout.WEIGHTS)
            run.predict(model, data.cache, rows, folder / layout.HELD_OUT_TABLE)
            files.finish([layout.WEIGHTS, layout.HISTORY, layout.HELD_OUT_TABLE], {})
        (folder / layout.CHECKPOINT).unlink(missing_ok=True)
    table = PredictionTable.read(files.path(layout.HELD_OUT_TABLE), task, catalog.ids[held_out])
    predictions = table.project().values
    targets = catalog.targets(task.name)
    card = HoldoutCard(
        run=config.run,
        task=task.name,
        dataset=catalog.dataset,
        fingerprint=catalog.fingerprint,
        checkpoint=config.train.checkpoint,
        selected_on_validation=False,
        split={part: int((parts == part).sum()) for part in _PARTS},
        **score_table(task, predictions, targets[held_out], None, targets[~held_out]),
    )
    card.write(layout.RunFolder(catalog.dataset, config.run).holdout_card)
    return card
