"""Stratified hold-out: train on 70 %, validate each epoch on 15 %, score on 15 %.

Most published systems report such a score; folds remain the measure here.
"""

import numpy as np
import pandas as pd

from galaxyzoo.config.schema import Config
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.models.build import load_network
from galaxyzoo.results import layout
from galaxyzoo.results.card import HoldoutCard
from galaxyzoo.results.fold_files import HELD_OUT_TABLE, WEIGHTS, FoldFiles
from galaxyzoo.results.table import PredictionTable, score_table
from galaxyzoo.training import fold
from galaxyzoo.training.fold_data import make_fold_data
from galaxyzoo.training.parts import TWENTIETHS, holdout_part, split_holdout
from galaxyzoo.training.run import Run


def check_holdout(run: Run) -> None:
    """Refuse, before anything is trained, what cannot be held out.

    That is a recipe whose stages, teacher or bundled weights learn from the galaxies to be scored,
    and too few galaxies. Other first weights that may have seen them are marked on the card.
    """
    config = run.config
    for stage in config.stages:
        if stage.dataset is not None:
            raise InputError(
                f"--holdout: stage '{stage.stage}' of {config.run} learns from dataset "
                f"'{stage.dataset}', which has no such hold-out: name other runs"
            )
        if stage.teacher:
            raise InputError(
                f"--holdout: {config.run} learns from {stage.teacher.run}, which was trained on "
                "the test galaxies: add teacher=null"
            )
        if stage.model.weights_file == BUNDLED:
            raise InputError(
                f"--holdout: {config.run} may start from networks trained on the test "
                "galaxies: name other runs"
            )
    run.check()
    split = split_holdout(run.data, config)
    for stage in config.stages:
        holdout_part(stage, run.data, split)


def train_holdout(run: Run) -> HoldoutCard:
    """Train a run on the training part, unless that is done, and score it on the test part.

    Every stage learns from the training part alone and is validated on the validation part.

    Returns:
        The score card, also written beside the run's out-of-fold card as `<run>_holdout.json`.
    """
    config = run.config
    catalog = run.catalog
    task = config.predicted_task
    split = split_holdout(run.data, config)
    run.begin()
    before = None
    for stage in config.stages:
        files = _train_stage(run, stage, split, before)
        before = files
    held_out = (split == "test").to_numpy()
    table = PredictionTable.read(files.path(HELD_OUT_TABLE), task, catalog.ids[held_out])
    predictions = table.project().values
    targets = catalog.targets(task)
    scores = score_table(task, predictions, targets[held_out], None, targets[~held_out])
    sizes = split.value_counts()
    card = HoldoutCard(
        run=config.run,
        task=task.name,
        dataset=catalog.dataset,
        fingerprint=catalog.fingerprint,
        checkpoint=config.train.checkpoint,
        selected_on_validation=False,
        possible_leakage=config.possible_leakage,
        split={part: int(sizes.get(part, 0)) for part in TWENTIETHS},
        **scores,
    )
    card.write(layout.RunFolder(catalog.dataset, config.run).holdout_card)
    return card


def _train_stage(run: Run, stage: Config, split: pd.Series, before: FoldFiles | None) -> FoldFiles:
    """Train a stage on the training part, unless that is done; the last one predicts the test part.

    Args:
        run: whose stage it is.
        stage: its config.
        split: as of `split_holdout`.
        before: files of the stage before.
    Returns:
        The finished files.
    """
    part = holdout_part(stage, run.data, split)
    files = FoldFiles.of(run.folder.path, part.name, stage, run.catalog.fingerprint)
    with files.make(f"training {stage.title} hold-out") as filling:
        if filling:
            data = make_fold_data(stage, run.data, part, before)
            summary = fold.train_fold(stage, data, files.folder)
            if not stage.is_earlier_stage:
                rows = np.searchsorted(data.cache.ids, split.index[split == "test"])
                model = load_network(stage, files.folder / WEIGHTS)
                run.predict(model, data.cache, rows, files.folder / HELD_OUT_TABLE)
            filling.notes = {"start": summary.start}
    files.checkpoint.unlink(missing_ok=True)
    return files
