"""Train one fold from its last checkpoint to its end; write weights, history and timings."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from galaxyzoo.config.schema import Config
from galaxyzoo.core import files
from galaxyzoo.core.console import Bar
from galaxyzoo.core.devices import get_device, is_out_of_memory, place, release, split_batch
from galaxyzoo.inference.artifacts import load_checkpoint, save_weights
from galaxyzoo.inference.features import cached_features
from galaxyzoo.models.heads import build_output
from galaxyzoo.models.losses import build_loss
from galaxyzoo.results import card, layout, oof
from galaxyzoo.tasks.kinds import ClassTask
from galaxyzoo.tasks.registry import get_task
from galaxyzoo.training.callbacks import (
    FoldRecords,
    History,
    Progress,
    Report,
    note_timing,
    read_history,
    write_history,
    write_history_table,
)
from galaxyzoo.training.feature_head import Head, fit_head, learning_curve
from galaxyzoo.training.fold_data import FoldData
from galaxyzoo.training.trainer import Callback, Trainer, first_network


def train_fold(
    config: Config,
    data: FoldData,
    folder: Path,
    label: str,
    after_epoch: Callable[[History], None] | None = None,
) -> oof.FoldSummary:
    """Train a fold to its end, from its last checkpoint if there is one.

    Writes `weights.safetensors` (the moving average after the last epoch, or of the best epoch
    where the config asks for it), `history.csv` and `timings.csv` into `folder`. The last epoch's
    checkpoint stays until the caller has used the weights, so nothing is ever trained twice.

    Args:
        label: of the progress bar.
        after_epoch: called with all epochs so far, as by `Report`.
    """
    if config.train.optimizer == "linear":
        return _fit_fold(config, data, folder)
    origin, train = layout.FoldFolder.origin(config, data.fingerprint, data.fold), config.train
    where = f"{config.title}, fold {data.fold}"
    parts = train.accumulation  # micro-batches in each batch
    with Bar(desc=label, unit="step", leave=False) as bar:
        callbacks: list[Callback] = [Progress(bar), FoldRecords(folder, origin)]
        if after_epoch:
            callbacks.append(Report(after_epoch))
        while True:
            state, trainer = load_checkpoint(folder / layout.CHECKPOINT, origin), None
            parts = max(parts, state["parts"] if state else 1)
            try:
                trainer = Trainer(config, data, initialize=state is None)
                if state is not None:
                    trainer.resume(state)
                trainer.parts = parts
                trainer.fit(callbacks)
                break
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                may_split = train.on_out_of_memory == "accumulate"
                parts = split_batch(train.batch_size, parts, where, may_split)
            del state, trainer
            release()
            Bar.write(
                f"{where}: out of memory; it goes on from its last whole epoch, batches in {parts} "
                "parts"
            )
    # `FoldRecords` wrote it, unless a kill came between the last checkpoint and its row.
    write_history(folder / layout.HISTORY, trainer.history, data.start.history)
    save_weights(folder / layout.WEIGHTS, trainer.final_weights())
    summary = trainer.summary()
    if summary.diverged:
        losses = card.describe_losses(summary.first_loss, summary.last_loss)
        Bar.write(f"warning: {where} diverged{losses}; lower train.lr")
    return summary


def _fit_fold(config: Config, data: FoldData, folder: Path) -> oof.FoldSummary:
    """Fit a linear head on the features of a fold's first network, and write the fold's files."""
    started = time.perf_counter()
    model, start = first_network(config, data)
    rows, n_train = np.concatenate([data.train_rows, data.val_rows]), len(data.train_rows)
    features = cached_features(place(model, get_device()), data.cache.images[rows], config)
    targets, task = data.targets[rows], get_task(config.task)
    assert isinstance(task, ClassTask)  # a config of votes has no linear head
    output, loss = build_output(config.head.output, task), build_loss(config)

    def fit(chosen: np.ndarray) -> Head:
        return fit_head(features[chosen], targets[chosen])

    def predict(head: Head, part: slice) -> torch.Tensor:
        return output(torch.from_numpy(head.logits(features[part])))

    held_out = slice(n_train, None)
    head = fit(np.arange(n_train))
    curve = learning_curve(
        n_train,
        lambda chosen: task.few_label_scores(
            predict(fit(chosen), held_out).numpy(), targets[held_out]
        ),
    )
    train_loss, val_loss = (
        loss(predict(head, part), torch.from_numpy(targets[part])).item()
        for part in (slice(n_train), held_out)
    )
    val_score = task.score(predict(head, held_out).numpy(), targets[held_out])
    weights = {
        **model.cpu().state_dict(),
        "head.0.weight": torch.from_numpy(head.weights).float(),
        "head.0.bias": torch.from_numpy(head.bias).float(),
    }
    row = {
        **({"stage": config.stage} if config.stage else {}),
        "epoch": 1,
        "lr": 0.0,
        "train_loss": train_loss,
        "val_loss": val_loss,
        "metric": config.metric,
        "val_score": val_score,
    }
    write_history(folder / layout.HISTORY, [row], data.start.history)
    write_history_table(folder / layout.CURVE, pd.DataFrame(curve))
    save_weights(folder / layout.WEIGHTS, weights)
    note_timing(folder / layout.TIMINGS, 1, time.perf_counter() - started)
    return oof.FoldSummary(start, possible_leakage=data.start.possible_leakage)


def copy_training(trained: layout.FoldFolder, folder: Path, config: Config) -> None:
    """Copy weights and history of a fold whose training differed in names alone.

    Args:
        trained: the files of that fold.
        folder: of the fold to fill.
        config: of the run of the fold to fill, whose stages may have other names.
    """
    table = read_history(trained.path(layout.HISTORY)).drop(columns="stage", errors="ignore")
    stages = np.repeat([s.stage for s in config.stages], [s.train.epochs for s in config.stages])
    if config.stage:
        table.insert(0, "stage", stages)
    write_history_table(folder / layout.HISTORY, table)
    for path in filter(Path.exists, (trained.path(layout.WEIGHTS), trained.folder / layout.CURVE)):
        with files.writing(folder / path.name) as temporary:
            shutil.copyfile(path, temporary)
