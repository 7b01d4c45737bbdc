"""fastai's `vision_learner` and `fine_tune`, as its course has it; started by `others.py`."""

import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
from fastai.callback.core import Callback
from fastai.data.all import RegressionBlock
from fastai.metrics import rmse
from fastai.vision.all import (
    CropPad,
    ImageDataLoaders,
    MSELossFlat,
    aug_transforms,
    vision_learner,
)
from other_timm import BATCH, SIZE_PX, imagenet_weights


class Printing(Callback):
    """Prints minutes and RMSE after each epoch."""

    order = 60  # after the recorder, which has 50

    def __init__(self, started: float) -> None:
        self.started = started

    def after_epoch(self) -> None:
        """Print one line."""
        minutes = (time.process_time() - self.started) / 60
        print([minutes, float(self.learn.recorder.values[-1][-1])], flush=True)


def train(folder: Path, epochs: int, silent: bool = False) -> float:
    """Train the head for one epoch, then all for so many; returns the minutes."""
    started = time.process_time()
    votes = pd.read_csv(folder / "votes.csv")
    columns = list(votes.columns[2:])
    data = ImageDataLoaders.from_df(
        votes,
        folder,
        label_col=columns,
        y_block=RegressionBlock(len(columns)),
        valid_col="held_out",
        item_tfms=CropPad(SIZE_PX),
        batch_tfms=aug_transforms(flip_vert=True, max_rotate=180, max_zoom=1.25, max_warp=0),
        bs=BATCH,
        num_workers=0,
    )
    weights: dict[str, Any] = imagenet_weights()
    weights.setdefault("pretrained_cfg_overlay", {}).update(mean=(0.5,) * 3, std=(0.5,) * 3)
    learner = vision_learner(
        data,
        "mobilenetv2_100",
        n_out=len(columns),
        y_range=(-0.05, 1.05),
        loss_func=MSELossFlat(),
        metrics=rmse,
        **weights,
    )
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(epochs, 2e-3, cbs=[] if silent else [Printing(started)])
    return (time.process_time() - started) / 60


def main() -> None:
    """Train for as many epochs as there is time; one epoch means one of the head and one of all."""
    folder, minutes = Path(sys.argv[1]), float(sys.argv[2])
    epoch_minutes = train(folder, 1, silent=True) / 2
    train(folder, max(2, int(minutes / epoch_minutes) - 1))


if __name__ == "__main__":
    main()
