"""Stratified hold-out: train on 70 %, validate each epoch on 15 %, score on 15 %.

Most published systems report such a score; folds remain the measure here.
"""

from dataclasses import replace

import numpy as np

from galaxyzoo.config.schema import Config
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.manifest import Artifact
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.data.catalog import GROUP, Catalog
from galaxyzoo.data.folds import make_folds
from galaxyzoo.models.build import load_network
from galaxyzoo.results import layout
from galaxyzoo.results.card import HoldoutCard
from galaxyzoo.results.table import PredictionTable, score_table
from galaxyzoo.tasks.kinds import Task
from galaxyzoo.training import fold, fold_data
from galaxyzoo.training.run import Run

_PARTS = {"train": 14, "val": 3, "test": 3}  # twentieths of the galaxies


def split(catalog: Catalog, task: Task) -> np.ndarray:
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


def check_holdout(config: Config) -> None:
    """Refuse a recipe whose first weights or stages may learn from the galaxies to be scored."""
    for stage in config.stages:
        if stage.dataset is not None:
            raise InputError(
                f"--holdout: stage '{stage.stage}' of {config.run} learns from dataset "
                f"'{stage.dataset}', which has no such hold-out: name other runs"
            )
        if stage.model.weights_file == BUNDLED:
            raise InputError(
                f"--holdout: {config.run} may start from networks trained on the test galaxies"
            )


def train_holdout(run: Run) -> HoldoutCard:
    """Train a run on the training part, unless that is done, and score it on the test part.

    Every stage learns from the training part alone and is validated on the validation part.

    Returns:
        The score card, also written beside the run's out-of-fold card as `<run>_holdout.json`.
    """
    config, catalog, task = run.config, run.catalog, run.config.predicted_task
    check_holdout(config)
    parts = split(catalog, task)
    held_out = parts == "test"
    run.begin()
    with run.locked():
        start = fold_data.Start()
        for stage in config.stages[:-1]:
            files = _train_stage(run, stage, parts, start)
            origin = f"{files.notes['start']}, then {stage.stage}"
            history = files.path(layout.HISTORY)
            start = fold_data.Start(files.path(layout.WEIGHTS), origin, history=history)
        files = _train_stage(run, config, parts, start)
    table = PredictionTable.read(files.path(layout.HELD_OUT_TABLE), task, catalog.ids[held_out])
    predictions = table.project().values
    targets = catalog.targets(task)
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


def _train_stage(run: Run, stage: Config, parts: np.ndarray, start: fold_data.Start) -> Artifact:
    """Train a stage on the training part, unless that is done; the last one predicts the test part.

    Args:
        run: whose stage it is.
        stage: its config.
        parts: (galaxy of the run's task,) as of `split`.
        start: weights of the stage before.
    Returns:
        The finished files.
    """
    name = f"{layout.HOLDOUT}_{stage.stage}" if stage.is_earlier_stage else layout.HOLDOUT
    folder = run.folder / name
    provenance = layout.fold_provenance(stage, run.catalog.fingerprint, layout.HOLDOUT)
    files = layout.trained_files(folder, provenance)
    if not files.is_finished:
        catalog = run.data.catalog.for_task(stage.predicted_task)
        train = catalog.train.index.isin(run.catalog.ids[parts == "train"])
        val = catalog.train.index.isin(run.catalog.ids[parts == "val"])
        # Seeds are derived from the fold's number: here it is the next one after the folds.
        data = fold_data.make_part_data(stage, run.data, train, val, run.catalog.n_folds)
        data = replace(data, start=start)
        summary = fold.train_fold(stage, data, folder, f"{stage.title} hold-out")
        if not stage.is_earlier_stage:
            rows = np.searchsorted(data.cache.ids, run.catalog.ids[parts == "test"])
            model = load_network(stage, folder / layout.WEIGHTS)
            run.predict(model, data.cache, rows, folder / layout.HELD_OUT_TABLE)
        written = [layout.WEIGHTS, layout.HISTORY, layout.HELD_OUT_TABLE]
        files.finish(written, {"start": summary.start})
    (folder / layout.CHECKPOINT).unlink(missing_ok=True)
    return files
