"""Figures of predicted vote fractions: error per question, predicted against voted."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
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


def draw_vote_calibration(path: Path, table: pd.DataFrame, title: str) -> Path:
    """Draw voted over predicted fractions, a panel per question, a line per answer.

    Args:
        path: the PNG.
        table: of `calibration.vote_calibration`, of all answers.
        title: above it.
    """
    figure = new_figure(13, 10.5)
    axes = figure.subplots(3, 4, sharex=True, sharey=True).ravel()
    axes[-1].set_axis_off()
    for axis, question in zip(axes, GALAXY_ZOO_2.questions, strict=False):
        axis.plot([0, 1], [0, 1], ":", color=GREY)
        for i, (column, answer) in enumerate(zip(question.columns, question.answers, strict=True)):
            bins = table[table["answer"] == column]
            marks = "osD^vPX"[i % 7]
            axis.plot(
                *(bins["predicted"], bins["voted"], f"{marks}-"),
                ms=4,
                lw=1,
                color=COLORS[i % 10],
                label=answer,
            )
        axis.set_title(f"{question.number}. {question.text}", fontsize=9)
        axis.legend(fontsize=7, frameon=False, loc="upper left", handlelength=1.2)
        clean(axis)
    figure.supxlabel("mean predicted fraction", fontsize=10)
    figure.supylabel("mean voted fraction", fontsize=10)
    figure.suptitle(title, fontsize=12)
    return save_figure(figure, path)
