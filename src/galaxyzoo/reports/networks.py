"""Sections on a task's networks: training history, and symmetry of the predictions."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from galaxyzoo.core.errors import FoldError
from galaxyzoo.data.catalog import Catalog, load_catalog
from galaxyzoo.data.prepare import take_images
from galaxyzoo.inference.fold_files import HISTORY
from galaxyzoo.inference.oof import FoldTables
from galaxyzoo.io.tables import FOLD
from galaxyzoo.reports.evaluate import Evaluation
from galaxyzoo.reports.figures import (
    GREY,
    TRAINED,
    VALIDATED,
    clean,
    draw_galaxies,
    new_axes,
    new_figure,
)
from galaxyzoo.reports.html import HtmlSection
from galaxyzoo.reports.results import Result
from galaxyzoo.reports.votes import galaxy_rmse

_DRAWN = 10  # galaxies whose views differ most


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


def symmetry_section(evaluation: Evaluation) -> HtmlSection | None:
    """How far predictions of one galaxy differ between its views, for the best single run.

    A galaxy that is turned or mirrored is the same one, so they should not differ. None where no
    run has tables of this spread.
    """
    tables = _find_spreads(evaluation)
    if tables is None:
        return None
    spread = tables.val(spread=True)
    errors = galaxy_rmse(tables.val(), evaluation.targets)
    by_galaxy = np.sqrt((spread**2).mean(axis=1))
    stem = tables.config.run.split("/")[1]
    figure = _draw_symmetry(by_galaxy, errors, tables.config.run)
    path = evaluation.save_png(f"{stem}_symmetry.png", figure)
    pictures = [("each dot is a galaxy: its views' difference, and the error of their mean", path)]
    if evaluation.images is not None:
        worst = np.argsort(-by_galaxy, kind="stable")[:_DRAWN]
        ids = evaluation.catalog.ids[worst]
        notes = [f"difference {by_galaxy[i]:.3f}\nRMSE {errors[i]:.3f}" for i in worst]
        title = f"{tables.config.run}: galaxies whose views differ most"
        figure = draw_galaxies(ids, take_images(evaluation.images, ids), notes, title)
        path = evaluation.save_png(f"{stem}_symmetry_galaxies.png", figure)
        pictures.append(("galaxies whose views differ most", path))
    correlation = pd.Series(by_galaxy).corr(pd.Series(errors), method="spearman")
    text = (
        f"{tables.config.run}: predictions of the same galaxy, turned and mirrored, differ by "
        f"{np.sqrt((spread**2).mean()):.4f} (standard deviation over views, root mean square over "
        "galaxies and answers); an equivariant network would have 0. A galaxy's difference and "
        f"its error have a rank correlation of {correlation:.2f}."
    )
    return HtmlSection("Symmetry", text, pictures=pictures)


def _read_histories(catalog: Catalog, result: Result) -> pd.DataFrame:
    """Rows of the folds' histories with their `fold`; empty where none is there."""
    if result.config is None:
        return pd.DataFrame()
    trained = {fold: FoldTables(result.config, catalog).files(fold) for fold in result.folds}
    tables = [
        pd.read_csv(files.path(HISTORY)).assign(**{FOLD: fold})
        for fold, files in trained.items()
        if files.is_done
    ]
    for table in tables:  # of all stages together
        table["epoch"] = np.arange(1, len(table) + 1)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _draw_history(history: pd.DataFrame, title: str) -> Figure:
    """Draw loss and score over epochs; a thin line is a fold, the thick one their mean."""
    figure = new_figure(11, 3.8, title)
    left, right = figure.subplots(1, 2)
    _draw_lines(left, history, "train_loss", TRAINED, "training")
    _draw_lines(left, history, "val_loss", VALIDATED, "validation")
    left.set_ylabel("loss")
    # The score of a class run is its loss again, so accuracy is drawn where it was recorded.
    has_accuracy = "val_accuracy" in history and history["val_accuracy"].notna().all()
    shown = "val_accuracy" if has_accuracy else "val_score"
    same = history["metric"] == history["metric"].iloc[-1]  # stages may have other tasks
    _draw_lines(right, history[same], shown, VALIDATED, "validation, one view")
    right.set_ylabel("accuracy" if has_accuracy else str(history["metric"].iloc[-1]))
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
            axis.axvline(epoch - 0.5, color=GREY, linewidth=1, linestyle=":")
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


def _find_spreads(evaluation: Evaluation) -> FoldTables | None:
    """Tables of the best single run that saved the spread of its views."""
    whole = load_catalog(evaluation.catalog.dataset)
    for result in evaluation.results:
        if result.config is None or not result.is_whole:
            continue
        try:
            tables = FoldTables.open(result.run, whole)
        except FoldError:
            continue
        if tables.has_spread:
            return tables
    return None


def _draw_symmetry(spread: np.ndarray, errors: np.ndarray, run: str) -> Figure:
    """Draw errors over spreads: galaxies, and the RMSE of each tenth of them."""
    figure, axis = new_axes(7.5, 5)
    axis.scatter(spread, errors, s=5, alpha=0.25, color=TRAINED, linewidths=0, rasterized=True)
    tenths = [part for part in np.array_split(np.argsort(spread), 10) if len(part)]
    middles = [np.median(spread[part]) for part in tenths]
    means = [np.sqrt((errors[part] ** 2).mean()) for part in tenths]
    axis.plot(middles, means, color="black", marker="o", label="RMSE of each tenth of the galaxies")
    axis.axline((0, 0), slope=1, color=GREY, linewidth=1, linestyle=":", label="equal")
    axis.set_xlim(0, float(np.quantile(spread, 0.998)))
    axis.set_ylim(0, float(np.quantile(errors, 0.998)))
    axis.set_xlabel("difference between views")
    axis.set_ylabel("error of their mean")
    axis.set_title(run, fontsize=11)
    axis.legend(frameon=False)
    clean(axis)
    return figure
