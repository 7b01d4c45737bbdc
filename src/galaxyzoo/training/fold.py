"""Train one fold from its last checkpoint to its end; write weights, history and timings.

The history is written as a table, and as TensorBoard's event files where the config asks for them.
"""

import csv
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from galaxyzoo.config.schema import Config
from galaxyzoo.core import distributed, files
from galaxyzoo.core.console import Bar
from galaxyzoo.core.devices import is_out_of_memory, more_parts, release
from galaxyzoo.core.errors import FoldError, InputError, one_line
from galaxyzoo.core.paths import shown
from galaxyzoo.inference.artifacts import load_checkpoint, save_checkpoint, save_weights
from galaxyzoo.results.card import describe_losses
from galaxyzoo.results.layout import CHECKPOINT, EVENTS, HISTORY, TIMINGS, WEIGHTS, FoldFolder
from galaxyzoo.results.oof import FoldSummary
from galaxyzoo.training.fold_data import FoldData
from galaxyzoo.training.trainer import Trainer

History = Sequence[dict[str, Any]]  # one row of numbers per epoch
Callback = Callable[[History], None]


def train_fold(
    config: Config,
    data: FoldData,
    folder: Path,
    label: str,
    after_epoch: Callback | None = None,
) -> FoldSummary:
    """Train a fold to its end, from its last checkpoint if there is one.

    Writes `weights.safetensors` (the moving average after the last epoch, or of the best epoch
    where the config asks for it), `history.csv` and `timings.csv` into `folder`. The last epoch's
    checkpoint stays until the caller has used the weights, so nothing is ever trained twice.

    Args:
        label: of the progress bar.
        after_epoch: called with all epochs so far, after each one and when a training goes on; an
            exception from it ends the training, which can go on after that epoch.
    """
    origin, train = FoldFolder.origin(config, data.fingerprint, data.fold), config.train
    where, parts = f"{config.run}, fold {data.fold}", train.accumulation  # of each batch
    while True:
        state = load_checkpoint(folder / CHECKPOINT, origin)
        parts = max(parts, state["parts"] if state else 1)
        try:
            return _train_from(state, config, data, folder, label, parts, after_epoch)
        except (RuntimeError, MemoryError) as error:
            if train.compile and _is_of_compiler(error):
                raise FoldError(
                    f"{where}: train.compile does not work here: leave it out "
                    f"({one_line(str(error))})"
                ) from None
            if not is_out_of_memory(error):
                raise
            may_split = train.on_out_of_memory == "accumulate"
            parts = more_parts(train.batch_size, parts, where, may_split)
        del state
        release()
        Bar.write(
            f"{where}: out of memory; it goes on from its last whole epoch, batches in {parts} "
            "parts"
        )


def _train_from(
    state: dict[str, Any] | None,
    config: Config,
    data: FoldData,
    folder: Path,
    label: str,
    parts: int,
    after_epoch: Callback | None,
) -> FoldSummary:
    """Train from a checkpoint's state, or from the start, to the end."""
    trainer = Trainer(config, data, initialise=state is None)
    if state is not None:
        trainer.resume(state)
    trainer.parts = parts
    steps = trainer.steps_per_epoch
    bar = Bar(
        total=config.train.epochs * steps,
        initial=trainer.epoch * steps,
        desc=label,
        unit="step",
        leave=False,
    )
    origin = FoldFolder.origin(config, data.fingerprint, data.fold)
    with bar, _event_writer(config, folder) as write_events:
        callbacks = [write_events, *([after_epoch] if after_epoch else [])]
        if trainer.history:
            for call in callbacks:
                call(trainer.history)
        while trainer.epoch < config.train.epochs:
            started = time.perf_counter()
            row = trainer.run_epoch(bar)
            bar.set_postfix_str(
                f"epoch {trainer.epoch}, {row['metric']} {row['val_score']:.5f}", refresh=False
            )
            if distributed.is_main():
                save_checkpoint(folder / CHECKPOINT, trainer.state(), origin)
                write_history(folder / HISTORY, trainer.history, data.earlier_history)
                note_timing(folder / TIMINGS, trainer.epoch, time.perf_counter() - started)
            for call in callbacks:
                call(trainer.history)
    if distributed.is_main():
        # Again, where epochs were trained: a kill may have come before the last row.
        write_history(folder / HISTORY, trainer.history, data.earlier_history)
        save_weights(folder / WEIGHTS, trainer.final_weights())
    distributed.wait()
    summary = trainer.summary()
    if summary.diverged:
        losses = describe_losses(summary.first_loss, summary.last_loss)
        Bar.write(f"warning: {config.run}, fold {data.fold} diverged{losses}; lower train.lr")
    return summary


def _is_of_compiler(error: Exception) -> bool:
    from torch._dynamo.exc import TorchDynamoException  # here: it takes a second to import

    return isinstance(error, TorchDynamoException)


def write_history(path: Path, rows: list[dict[str, Any]], earlier: Path | None = None) -> None:
    """Write the history, one row per epoch, below those of the stages before."""
    table = pd.DataFrame(rows)
    if earlier is not None:
        table = pd.concat([_read_text(earlier), table], ignore_index=True)
    _write_table(path, table)


def copy_training(trained: FoldFolder, folder: Path, config: Config) -> None:
    """Copy weights and history of a fold whose training differed in names alone.

    Args:
        trained: the files of that fold.
        folder: of the fold to fill.
        config: its run's, whose stages have names of their own.
    """
    table = _read_text(trained.path(HISTORY)).drop(columns="stage", errors="ignore")
    stages = np.repeat([s.stage for s in config.stages], [s.train.epochs for s in config.stages])
    if config.stage:
        table.insert(0, "stage", stages)
    _write_table(folder / HISTORY, table)
    with files.writing(folder / WEIGHTS) as temporary:
        shutil.copyfile(trained.path(WEIGHTS), temporary)


def _read_text(path: Path) -> pd.DataFrame:
    """A table whose numbers stay as they are written."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def _write_table(path: Path, table: pd.DataFrame) -> None:
    with files.writing(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def note_timing(path: Path, epoch: int, seconds: float) -> None:
    """Append an epoch's seconds, or as epoch 0 those of predicting with the finished network.

    They are not in the history, which is the same for each training.
    """
    earlier = path.read_text(encoding="utf-8") if path.exists() else ""
    files.write_text(path, f"{earlier}{epoch},{seconds:.3f}\n")


def read_timings(path: Path) -> dict[int, float]:
    """Seconds by epoch; the last ones of an epoch that was trained twice."""
    if not path.exists():
        return {}
    try:
        rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
        return {int(epoch): float(seconds) for epoch, seconds in rows}
    except ValueError:
        raise InputError(
            f"{shown(path)} is damaged: delete it, it holds nothing but the seconds of epochs"
        ) from None


@contextmanager
def _event_writer(config: Config, folder: Path) -> Iterator[Callback]:
    """A function that writes every number of an epoch once, where the config asks for event files.

    A training that goes on writes its earlier epochs again, so that a kill neither doubles nor
    drops one.
    """
    if not (config.train.tensorboard and distributed.is_main()):
        yield lambda history: None
        return
    folder = folder / EVENTS
    from torch.utils.tensorboard import SummaryWriter  # here: seconds, and not always installed

    with files.naming_write_errors(folder):
        shutil.rmtree(folder, ignore_errors=True)
        writer = SummaryWriter(str(folder))
    written = 0

    def write(history: History) -> None:
        nonlocal written
        with files.naming_write_errors(folder):
            for row in history[written:]:
                for name, value in row.items():
                    if name != "epoch" and isinstance(value, int | float):
                        writer.add_scalar(name, value, row["epoch"])
            writer.flush()
        written = len(history)

    try:
        yield write
    finally:
        writer.close()
