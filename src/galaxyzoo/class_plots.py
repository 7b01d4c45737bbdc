"""Figures of class probabilities: confusion, one-against-rest ROC curves, calibration."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from sklearn.metrics import roc_auc_score, roc_curve

from galaxyzoo.calibration import expected_calibration_error
from galaxyzoo.class_tables import row_shares
from galaxyzoo.figures import COLORS, GREY, TRAINED, clean, new_figure, readable, save_figure


def draw_confusion(path: Path, counts: np.ndarray, names: Sequence[str], title: str) -> Path:
    """Draw counts and row percentages; the colour is the row's percentage.

    Args:
        path: the PNG.
        counts: (true class, decided class) numbers of galaxies.
        names: of the classes.
        title: above it.
    """
    shares, n = row_shares(counts), len(names)
    side = max(4.5, 0.95 * n + 2.2)
    figure = new_figure(side + 0.8, side)
    axis = figure.subplots()
    drawn = axis.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100)
    for i, j in np.ndindex(n, n):
        color = "white" if shares[i, j] > 0.5 else "black"
        text = f"{counts[i, j]}\n{100 * shares[i, j]:.1f} %"
        axis.text(j, i, text, ha="center", va="center", color=color, fontsize=9)
    shown = [readable(name) for name in names]
    axis.set_xticks(range(n), shown, rotation=40, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(n), shown)
    axis.set(xlabel="predicted", ylabel="true")
    axis.set_title(title, fontsize=11)
    figure.colorbar(drawn, label="% of the true class", shrink=0.8)
    return save_figure(figure, path)


def draw_roc(
    path: Path, probs: np.ndarray, targets: np.ndarray, names: Sequence[str], title: str
) -> Path:
    """Draw every class's ROC curve against the rest, the whole and the upper left corner.

    Args:
        path: the PNG.
        probs: (galaxy, class) probabilities.
        targets: (galaxy, class) one-hot; a class that all or no galaxies have gets no curve.
        names: of the classes.
        title: above it.
    """
    figure = new_figure(13.5, 5.2)
    whole, corner = figure.subplots(1, 2)
    for i, name in enumerate(names):
        label = f"{readable(name)}: no AUC (one kind alone)"
        curve: tuple[np.ndarray, np.ndarray] = (np.empty(0), np.empty(0))
        if 0 < targets[:, i].sum() < len(targets):
            label = f"{readable(name)}: {roc_auc_score(targets[:, i], probs[:, i]):.4f}"
            curve = roc_curve(targets[:, i], probs[:, i])[:2]
        for axis in (whole, corner):
            style = "-" if i % 2 == 0 else "--"
            axis.plot(*curve, style, color=COLORS[i % len(COLORS)], lw=1.8, label=label)
    whole.plot([0, 1], [0, 1], ":", color=GREY, lw=1)
    whole.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    corner.set(xlim=(-0.002, 0.2), ylim=(0.8, 1.002))
    corner.set_title("upper left corner", fontsize=10)
    for axis in (whole, corner):
        axis.set(xlabel="false positive rate", ylabel="true positive rate")
        _tidy(axis)
    handles, labels = whole.get_legend_handles_labels()
    figure.legend(
        handles, labels, title="AUC, class against rest", loc="outside right upper", frameon=False
    )
    figure.suptitle(title, fontsize=12)
    return save_figure(figure, path)


def draw_calibration(path: Path, table: pd.DataFrame, title: str) -> Path:
    """Draw accuracy over confidence, and how many galaxies have each confidence.

    Args:
        path: the PNG.
        table: of `calibration.calibration_table`.
        title: above it.
    """
    figure = new_figure(6.2, 7.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    width, middles = table["to"] - table["from"], (table["from"] + table["to"]) / 2
    upper.bar(middles, table["accuracy"], 0.92 * width, color="#88ccee", label="accuracy")
    upper.plot([0, 1], [0, 1], ":", color=GREY, label="as said")
    upper.plot(
        table["confidence"], table["accuracy"], "o", ms=4, color=TRAINED, label="mean confidence"
    )
    upper.set(ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02))
    upper.set_title(
        f"{title}\nexpected calibration error {expected_calibration_error(table):.4f}", fontsize=11
    )
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    lower.bar(middles, table["galaxies"], 0.92 * width, color=GREY)
    lower.set(xlabel="probability of the most probable class", ylabel="galaxies")
    for axis in (upper, lower):
        _tidy(axis)
    return save_figure(figure, path)


def _tidy(axis: Axes) -> None:
    clean(axis)
    axis.grid(alpha=0.25)
    axis.set_axisbelow(True)
