"""Learning curves: what each fold's history says of every epoch."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from galaxyzoo.figures import TRAINED, VALIDATED, clean, new_figure, save_figure
from galaxyzoo.paths import fold_dir
from galaxyzoo.tables import FOLD
from galaxyzoo.training import HISTORY


def read_histories(dataset: str, run: str, folds: Sequence[int]) -> pd.DataFrame:
    """Rows of the folds' histories with their `fold`; empty where none is there."""
    files = {fold: fold_dir(dataset, run, fold) / HISTORY for fold in folds}
    tables = [
        pd.read_csv(path).assign(**{FOLD: fold}) for fold, path in files.items() if path.exists()
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def draw_curves(path: Path, history: pd.DataFrame, title: str) -> Path:
    """Draw loss and score (of classes: accuracy) over epochs.

    A thin line is a fold, the thick one their mean.

    Args:
        path: the PNG.
        history: of `read_histories`, not empty.
        title: above it.
    """
    figure = new_figure(11, 3.8)
    left, right = figure.subplots(1, 2)
    _draw_lines(left, history, "train_loss", TRAINED, "training")
    _draw_lines(left, history, "val_loss", VALIDATED, "validation")
    left.set_ylabel("loss")
    # A class run's score is its loss once more, so its accuracy tells more where it was noted.
    has_accuracy = "val_accuracy" in history and history["val_accuracy"].notna().all()
    shown = "val_accuracy" if has_accuracy else "val_score"
    _draw_lines(right, history, shown, VALIDATED, "validation, one view")
    right.set_ylabel("accuracy" if has_accuracy else str(history["metric"].iloc[0]))
    for axis in (left, right):
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        clean(axis)
        axis.grid(alpha=0.25)
        axis.legend(frameon=False)
    figure.suptitle(title, fontsize=12)
    return save_figure(figure, path)


def _draw_lines(axis: Axes, history: pd.DataFrame, column: str, color: str, label: str) -> None:
    for _, rows in history.groupby(FOLD):
        axis.plot(rows["epoch"], rows[column], color=color, lw=0.8, alpha=0.4)
    mean = history.groupby("epoch")[column].mean()
    marker = "o" if len(mean) == 1 else ""  # one epoch alone makes no line
    axis.plot(mean.index, mean, color=color, lw=2.2, marker=marker, label=label)
