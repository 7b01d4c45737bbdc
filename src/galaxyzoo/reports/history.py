"""Section on the training history of a task's runs: loss and score over epochs."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from galaxyzoo.data.catalog import Catalog
from galaxyzoo.io.tables import FOLD
from galaxyzoo.reports.evaluate import Evaluation
from galaxyzoo.reports.figures import GRAY, TRAINED, VALIDATED, clean, new_figure
from galaxyzoo.reports.html import HtmlSection
from galaxyzoo.reports.results import Result
from galaxyzoo.results.layout import HISTORY
from galaxyzoo.results.oof import FoldTables


def history_section(evaluation: Evaluation) -> HtmlSection:
    """Loss and score over epochs of every run that has a training history."""
    pictures = []
    for result in evaluation.results:
        history = _read_histories(evaluation.catalog, result)
        if not history.empty:
            figure = _draw_history(history, result.run)
            path = evaluation.save_png(f"{result.stem}_history.png", figure)
            pictures.append((f"{result.run}: loss and score over epochs", path))
    text = (
        "Thin lines are folds, the thick one their mean. Scores are of the validation fold, one "
        "view of each galaxy."
        if pictures
        else "No run has left a history of its training here."
    )
    return HtmlSection("Training history", text, pictures=pictures)


def _read_histories(catalog: Catalog, result: Result) -> pd.DataFrame:
    """Training histories of a run's folds, with a column `fold`; empty where there is none."""
    if result.config is None:
        return pd.DataFrame()
    trained = {fold: FoldTables(result.config, catalog).files(fold) for fold in result.folds}
    tables = [
        pd.read_csv(files.path(HISTORY)).assign(**{FOLD: fold})
        for fold, files in trained.items()
        if files.is_done
    ]
    for table in tables:  # epochs count on through all stages
        table["epoch"] = np.arange(1, len(table) + 1)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _draw_history(history: pd.DataFrame, title: str) -> Figure:
    """Draw loss and score over epochs; a thin line is a fold, the thick one their mean."""
    figure = new_figure(11, 3.8, title)
    left, right = figure.subplots(1, 2)
    _draw_lines(left, history, "train_loss", TRAINED, "training")
    _draw_lines(left, history, "val_loss", VALIDATED, "validation")
    left.set_ylabel("loss")
    metric = history["metric"].iloc[-1]
    last_task = history[history["metric"] == metric]  # stages may have other tasks
    # The score of a class run is its loss again, so accuracy is drawn where it was recorded.
    has_accuracy = "val_accuracy" in history and last_task["val_accuracy"].notna().all()
    shown = "val_accuracy" if has_accuracy else "val_score"
    _draw_lines(right, last_task, shown, VALIDATED, "validation, one view")
    right.set_ylabel("accuracy" if has_accuracy else str(metric))
    for axis in (left, right):
        if "stage" in history:
            _mark_stages(axis, history)
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        clean(axis, grid="both")
        axis.legend(frameon=False)
    return figure


def _mark_stages(axis: Axes, history: pd.DataFrame) -> None:
    """Name each stage at its first epoch, with a line where it is not the first."""
    first = history[history[FOLD] == history[FOLD].iloc[0]].drop_duplicates("stage")
    for epoch, stage in zip(first["epoch"], first["stage"], strict=True):
        if epoch > 1:
            axis.axvline(epoch - 0.5, color=GRAY, linewidth=1, linestyle=":")
        axis.annotate(
            str(stage),
            (epoch - 0.4, 1),
            xycoords=("data", "axes fraction"),
            va="bottom",
            fontsize=8,
        )


def _draw_lines(axis: Axes, history: pd.DataFrame, column: str, color: str, label: str) -> None:
    for _, rows in history.groupby(FOLD):
        axis.plot(rows["epoch"], rows[column], color=color, lw=0.8, alpha=0.4)
    mean = history.groupby("epoch")[column].mean()
    marker = "o" if len(mean) == 1 else ""  # one epoch alone makes no line
    axis.plot(mean.index, mean, color=color, lw=2.2, marker=marker, label=label)
