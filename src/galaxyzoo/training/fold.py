"""Train one fold from its last checkpoint to its end; write weights, history and timings."""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from galaxyzoo.config.schema import Config
from galaxyzoo.core import console, files, manifest, paths
from galaxyzoo.core.devices import get_device
from galaxyzoo.core.errors import InputError
from galaxyzoo.core.memory import is_out_of_memory, release, split_batch
from galaxyzoo.models.heads import build_output
from galaxyzoo.models.losses import build_loss
from galaxyzoo.models.placement import place
from galaxyzoo.models.weights import load_checkpoint, save_checkpoint, save_weights
from galaxyzoo.results import card, fold_files
from galaxyzoo.results.fold_files import FoldFiles, FoldSummary
from galaxyzoo.tasks import kinds
from galaxyzoo.training.feature_cache import cached_features
from galaxyzoo.training.feature_head import fit_head
from galaxyzoo.training.fold_data import FoldData
from galaxyzoo.training.trainer import Trainer, first_network, history_row

History = Sequence[dict[str, Any]]  # one row of numbers per epoch


def write_history(path: Path, rows: History | pd.DataFrame, earlier: Path | None = None) -> None:
    """Write the history, one row per epoch, below those of the stages before."""
    table = pd.DataFrame(rows)
    if earlier is not None:
        table = pd.concat([read_history(earlier), table], ignore_index=True)
    files.write_text(path, table.to_csv(index=False, lineterminator="\n"))


def read_history(path: Path) -> pd.DataFrame:
    """Read a history; numbers stay as they are written."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def note_timing(path: Path, epoch: int, seconds: float) -> None:
    """Append an epoch's seconds, or as epoch 0 those of predicting with the finished network.

    They are not in the history, which is the same for each training.
    """
    earlier = path.read_text(encoding="utf-8") if path.exists() else ""
    files.write_text(path, f"{earlier}{epoch},{seconds:.3f}\n")


def read_timings(path: Path) -> dict[int, float]:
    """Seconds by epoch; the last ones of an epoch that was trained twice; none without a file.

    A damaged file is an InputError.
    """
    if not path.exists():
        return {}
    seconds = {}
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            epoch, duration = line.split(",")
            seconds[int(epoch)] = float(duration)
    except ValueError:
        raise InputError(
            f"{paths.shown(path)} is damaged: delete it (it only records epoch times)"
        ) from None
    return seconds


def train_fold(
    config: Config,
    data: FoldData,
    folder: Path,
    after_epoch: Callable[[History], None] = lambda rows: None,
) -> FoldSummary:
    """Train a fold to its end, from its last checkpoint if there is one.

    Writes `weights.safetensors` (the moving average after the last epoch, or of the best epoch
    where the config asks for it), `history.csv` and `timings.csv` into `folder`. The last epoch's
    checkpoint stays until the caller has used the weights, so nothing is ever trained twice.

    Args:
        after_epoch: called with all epochs so far, after each one and when a training goes on.
    """
    if config.train.optimizer == "linear":
        return _fit_linear_head(config, data, folder, after_epoch)
    train = config.train
    provenance = fold_files.fold_provenance(config, data.fingerprint, data.part.stream)
    title = f"{config.title}, {data.part.title}"
    micro_batches = train.accumulation  # in each batch
    while True:
        state = load_checkpoint(folder / fold_files.CHECKPOINT, provenance)
        if state is not None:
            micro_batches = max(micro_batches, state["parts"])
        trainer = None
        try:
            trainer = Trainer(config, data, initialize=state is None)
            if state is not None:
                trainer.resume(state)
            trainer.micro_batches = micro_batches
            _fit_network(trainer, folder, provenance, title, after_epoch)
            break
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            may_split = train.on_out_of_memory == "accumulate"
            micro_batches = split_batch(train.batch_size, micro_batches, title, may_split)
        del state, trainer
        release()
        console.ProgressBar.write(
            f"{title}: out of memory; resuming from the last complete epoch with {micro_batches} "
            "micro-batches"
        )
    # It is written, unless a kill came between the last checkpoint and its row.
    write_history(folder / fold_files.HISTORY, trainer.history, data.history)
    save_weights(folder / fold_files.WEIGHTS, trainer.final_weights())
    summary = trainer.summary()
    if summary.diverged:
        losses = card.describe_losses(summary.first_loss, summary.last_loss)
        console.ProgressBar.write(f"warning: {title} diverged{losses}; retry with a lower train.lr")
    return summary


def _fit_network(
    trainer: Trainer,
    folder: Path,
    provenance: manifest.Provenance,
    title: str,
    after_epoch: Callable[[History], None],
) -> None:
    """Train to the last epoch; after each one write checkpoint, history and seconds, then report.

    Args:
        trainer: new, or resumed from a checkpoint.
        folder: of the fold.
        provenance: what the checkpoint is of, as of `fold_provenance`.
        title: of the progress bar, which counts steps and has the last epoch's score.
        after_epoch: as of `train_fold`.
    """
    steps = trainer.loader.steps
    total = trainer.config.train.epochs * steps
    done = trainer.epoch * steps
    if trainer.history:
        after_epoch(trainer.history)
    started = time.perf_counter()
    bar = console.ProgressBar(desc=title, unit="step", leave=False, total=total, initial=done)
    with bar:
        for row in trainer.epochs(bar.update):
            progress = f"epoch {trainer.epoch}"
            if "val_score" in row:
                progress += f", {row['metric']} {row['val_score']:.5f}"
            bar.set_postfix_str(progress, refresh=False)
            # The checkpoint first, from which the others can be made again.
            save_checkpoint(folder / fold_files.CHECKPOINT, trainer.state(), provenance)
            write_history(folder / fold_files.HISTORY, trainer.history, trainer.data.history)
            ended = time.perf_counter()
            note_timing(folder / fold_files.TIMINGS, trainer.epoch, ended - started)
            started = ended
            after_epoch(trainer.history)


def _fit_linear_head(
    config: Config, data: FoldData, folder: Path, after_epoch: Callable[[History], None]
) -> FoldSummary:
    """Fit a linear head on the features of a fold's first network, and write the fold's files."""
    started = time.perf_counter()
    task = config.predicted_task
    assert isinstance(task, kinds.ClassTask)  # a config of votes has no linear head
    model, start = first_network(config, data)
    rows = np.concatenate([data.train_rows, data.val_rows])
    n_train = len(data.train_rows)
    features = cached_features(place(model, get_device()), data.cache.images[rows], config)
    targets = data.targets[rows]
    head = fit_head(features[:n_train], targets[:n_train])

    output = build_output(config.head.output, task)
    loss = build_loss(config)
    train_probs = output(torch.from_numpy(head.logits(features[:n_train])))
    train_loss = loss(train_probs, torch.from_numpy(targets[:n_train])).item()
    # Without galaxies to validate on, in a training on all of them, loss and score are NaN.
    val_targets = targets[n_train:]
    val_probs = output(torch.from_numpy(head.logits(features[n_train:])))
    val_loss = loss(val_probs, torch.from_numpy(val_targets)).item()
    val_score = math.nan
    if len(val_targets):
        val_score = task.score(val_probs.numpy(), val_targets)

    weights = {
        **model.cpu().state_dict(),
        "head.0.weight": torch.from_numpy(head.weights).float(),
        "head.0.bias": torch.from_numpy(head.bias).float(),
    }
    row = history_row(config, 1, 0.0, train_loss, val_loss, {"val_score": val_score})
    write_history(folder / fold_files.HISTORY, [row], data.history)
    save_weights(folder / fold_files.WEIGHTS, weights)
    note_timing(folder / fold_files.TIMINGS, 1, time.perf_counter() - started)
    after_epoch([row])
    return FoldSummary(start, possible_leakage=data.possible_leakage)


def copy_training(trained: FoldFiles, folder: Path, config: Config) -> None:
    """Copy weights and history of a fold whose training differed in names alone.

    Args:
        trained: the files of that fold.
        folder: of the fold to fill.
        config: of the run of the fold to fill, whose stages may have other names.
    """
    table = read_history(trained.path(fold_files.HISTORY)).drop(columns="stage", errors="ignore")
    if config.stage:
        stage_of_row = []
        for stage in config.stages:
            is_linear = stage.train.optimizer == "linear"  # it has no epochs
            stage_of_row += [stage.stage] * (1 if is_linear else stage.train.epochs)
        table.insert(0, "stage", stage_of_row)
    write_history(folder / fold_files.HISTORY, table)
    files.write_bytes(folder / fold_files.WEIGHTS, trained.path(fold_files.WEIGHTS).read_bytes())
