"""Callbacks of a fold's training: progress, checkpoint, history, seconds."""

import csv
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from galaxyzoo.core import console, files, manifest, paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.inference.artifacts import save_checkpoint
from galaxyzoo.results.layout import CHECKPOINT, HISTORY, TIMINGS
from galaxyzoo.training.trainer import Callback, Trainer

History = Sequence[dict[str, Any]]  # one row of numbers per epoch


class Progress(Callback):
    """Progress bar of steps, with the score of the last epoch."""

    def __init__(self, bar: console.Bar) -> None:
        self.bar = bar

    def on_train_begin(self, trainer: Trainer) -> None:
        """Begin behind the epochs before the checkpoint."""
        self.bar.reset(trainer.config.train.epochs * trainer.loader.steps)
        self.bar.update(trainer.epoch * trainer.loader.steps)

    def on_step_end(self, trainer: Trainer) -> None:
        """Advance the bar."""
        self.bar.update()

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Show the score."""
        row = trainer.history[-1]
        text = f"epoch {trainer.epoch}, {row['metric']} {row['val_score']:.5f}"
        self.bar.set_postfix_str(text, refresh=False)


class FoldRecords(Callback):
    """Files of the last whole epoch: checkpoint, history, seconds.

    Args:
        folder: of the fold.
        origin: what the checkpoint is of, as of `FoldFolder.origin`.
    """

    def __init__(self, folder: Path, origin: manifest.MadeBy) -> None:
        self.folder, self.origin = folder, origin

    def on_train_begin(self, trainer: Trainer) -> None:
        """Start the clock."""
        self.started = time.perf_counter()

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Write the files; the checkpoint first, from which the others can be made again."""
        save_checkpoint(self.folder / CHECKPOINT, trainer.state(), self.origin)
        write_history(self.folder / HISTORY, trainer.history, trainer.data.start.history)
        now = time.perf_counter()
        note_timing(self.folder / TIMINGS, trainer.epoch, now - self.started)
        self.started = now


class Report(Callback):
    """Call a function with all epochs so far, after each one and when a training goes on.

    Args:
        report: the function.
    """

    def __init__(self, report: Callable[[History], None]) -> None:
        self.report = report

    def on_train_begin(self, trainer: Trainer) -> None:
        """Report the epochs before the checkpoint, if there are any."""
        if trainer.history:
            self.report(trainer.history)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Report all epochs."""
        self.report(trainer.history)


def write_history(path: Path, rows: History, earlier: Path | None = None) -> None:
    """Write the history, one row per epoch, below those of the stages before."""
    table = pd.DataFrame(rows)
    if earlier is not None:
        table = pd.concat([read_history(earlier), table], ignore_index=True)
    write_history_table(path, table)


def read_history(path: Path) -> pd.DataFrame:
    """Read a history; numbers stay as they are written."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def write_history_table(path: Path, table: pd.DataFrame) -> None:
    """Write the table of a history."""
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
            f"{paths.shown(path)} is damaged: delete it, it holds nothing but the seconds of epochs"
        ) from None
