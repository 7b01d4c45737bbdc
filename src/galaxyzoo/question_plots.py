"""Figures of predicted vote fractions: error per question, predicted against voted."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.colors import LogNorm

from galaxyzoo.decision_tree import GALAXY_ZOO_2
from galaxyzoo.figures import COLORS, GREY, clean, new_figure, save_figure
from galaxyzoo.plots import SHOWN_ANSWERS

_CELLS = 40  # of a histogram, along each axis


def draw_questions(path: Path, scores: Mapping[str, np.ndarray], title: str) -> Path:
    """Draw every question's RMSE: bars of the first run, marks of the others.

    Args:
        path: the PNG.
        scores: run -> (question,) RMSE.
        title: above it.
    """
    figure = new_figure(11, 5.6)
    axis = figure.subplots()
    places = np.arange(len(GALAXY_ZOO_2.questions))[::-1]
    for i, (run, values) in enumerate(scores.items()):
        if i == 0:
            axis.barh(places, values, 0.7, color="#88ccee", label=run)
        else:
            marker = "osD^vPX*"[(i - 1) % 8]
            axis.plot(values, places, marker, ms=6, color=COLORS[(i - 1) % 10], label=run)
    axis.set_yticks(places, [f"{q.number}. {q.text}" for q in GALAXY_ZOO_2.questions])
    axis.set_xlabel("RMSE over the question's answers")
    axis.set_title(title, fontsize=12)
    clean(axis)
    axis.grid(axis="x", alpha=0.25)
    axis.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return save_figure(figure, path)


def draw_votes(path: Path, predictions: np.ndarray, targets: np.ndarray, title: str) -> Path:
    """Draw predicted against voted fractions of `SHOWN_ANSWERS` as two-dimensional histograms.

    Args:
        path: the PNG.
        predictions: (galaxy, 37).
        targets: (galaxy, 37) vote fractions.
        title: above it.
    """
    figure = new_figure(13, 6.8)
    edges = np.linspace(0, 1, _CELLS + 1)
    norm = LogNorm(1, max(len(targets), 10))
    axes = figure.subplots(2, len(SHOWN_ANSWERS) // 2, sharex=True, sharey=True)
    for axis, column in zip(axes.flat, SHOWN_ANSWERS, strict=True):
        i = GALAXY_ZOO_2.columns.index(column)
        drawn = axis.hist2d(
            targets[:, i], predictions[:, i], [edges, edges], cmap="cividis_r", norm=norm
        )
        axis.plot([0, 1], [0, 1], ":", color=GREY)
        axis.set_title(f"{column}: {GALAXY_ZOO_2.answer_text(column)}", fontsize=10)
        axis.set_aspect("equal")
    figure.supxlabel("voted fraction", fontsize=11)
    figure.supylabel("predicted fraction", fontsize=11)
    figure.colorbar(drawn[3], ax=axes, label="galaxies", shrink=0.7)
    figure.suptitle(title, fontsize=12)
    return save_figure(figure, path)
