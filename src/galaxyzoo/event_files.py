"""A fold's history as TensorBoard's event files, beside the history that everything else reads."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from galaxyzoo import atomic, distributed
from galaxyzoo.config import Config
from galaxyzoo.extras import require

EVENTS = "tensorboard"  # folder of a fold's event files
Note = Callable[[Sequence[dict[str, Any]]], None]  # of all epochs so far


def check_installed(config: Config) -> None:
    """Where a run asks for event files, what writes them is there.

    Raises:
        InputError: it is not.
    """
    if config.train.tensorboard:
        require("train.tensorboard", "tensorboard")


def noting_epochs(config: Config, folder: Path) -> AbstractContextManager[Note]:
    """What writes a fold's epochs into event files, where the config asks for them.

    Args:
        config: the run.
        folder: the fold's.
    """
    if config.train.tensorboard and distributed.is_main():
        return _writing(folder / EVENTS)
    return nullcontext(lambda history: None)


@contextmanager
def _writing(folder: Path) -> Iterator[Note]:
    """Write every number of an epoch once, under its name in the history, at the epoch's number.

    A training that goes on writes its earlier epochs anew, so that a kill neither doubles nor
    drops one.
    """
    from torch.utils.tensorboard import SummaryWriter  # here: seconds, and not always installed

    with atomic.explaining(folder):
        shutil.rmtree(folder, ignore_errors=True)
        writer = SummaryWriter(str(folder))
    written = 0

    def note(history: Sequence[dict[str, Any]]) -> None:
        nonlocal written
        with atomic.explaining(folder):
            for row in history[written:]:
                for name, value in row.items():
                    if name != "epoch" and isinstance(value, int | float):
                        writer.add_scalar(name, value, row["epoch"])
            writer.flush()
        written = len(history)

    try:
        yield note
    finally:
        writer.close()
