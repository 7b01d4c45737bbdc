"""One fold's training: from its last checkpoint, epoch by epoch, to the files that it leaves."""

import csv
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from galaxyzoo import atomic
from galaxyzoo.checkpoints import load_checkpoint, save_checkpoint, save_weights
from galaxyzoo.config import Config
from galaxyzoo.trainer import FoldData, Trainer

WEIGHTS, CHECKPOINT = "weights.safetensors", "checkpoint.pt"
HISTORY, TIMINGS = "history.csv", "timings.csv"


def train_fold(config: Config, data: FoldData, folder: Path, label: str) -> str:
    """Train a fold to its end, from its last checkpoint where there is one.

    Writes `weights.safetensors` (the moving average after the last epoch, or of the best epoch
    where the config asks for it), `history.csv` and `timings.csv` into `folder`. The last epoch's
    checkpoint stays until the caller has used the weights, so nothing is ever trained twice.

    Returns:
        Where the network's first weights came from.
    Raises:
        InputError: the loss is not finite (with the batch's GalaxyIDs), or a file cannot be read or
            written.
    """
    state = load_checkpoint(folder / CHECKPOINT)
    if state is not None and state["digest"] != config.digest():
        state = None  # of other settings: the fold starts again
    trainer = Trainer(config, data, initialise=state is None)
    if state is not None:
        trainer.resume(state)
    steps = trainer.steps_per_epoch
    bar = tqdm(
        total=config.train.epochs * steps,
        initial=trainer.epoch * steps,
        desc=label,
        unit="step",
        leave=False,
    )
    with bar:
        while trainer.epoch < config.train.epochs:
            started = time.perf_counter()
            row = trainer.run_epoch(bar)
            bar.set_postfix_str(
                f"epoch {trainer.epoch}, {row['metric']} {row['val_score']:.5f}", refresh=False
            )
            save_checkpoint(folder / CHECKPOINT, trainer.state())
            _write_csv(folder / HISTORY, trainer.history)
            _note_timing(folder / TIMINGS, trainer.epoch, time.perf_counter() - started)
    _write_csv(folder / HISTORY, trainer.history)  # again: a kill may have come before the last row
    save_weights(folder / WEIGHTS, trainer.final_weights())
    return trainer.start


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with (
        atomic.writing(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, rows[-1].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _note_timing(path: Path, epoch: int, seconds: float) -> None:
    """Note an epoch's seconds; kept apart from the history, which must not differ between runs."""
    earlier = path.read_text(encoding="utf-8") if path.exists() else ""
    atomic.write_text(path, f"{earlier}{epoch},{seconds:.3f}\n")


def read_timings(path: Path) -> dict[int, float]:
    """Seconds by epoch; of an epoch that was trained twice, the last."""
    rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
    return {int(epoch): float(seconds) for epoch, seconds in rows}
