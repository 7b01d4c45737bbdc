"""Pictures of the votes: distributions, means, correlations, consistency, clarity."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm

from galaxyzoo.decision_tree import GALAXY_ZOO_2, READ_TOLERANCE, WRITE_TOLERANCE
from galaxyzoo.figures import (
    BLUE,
    LIGHT_GREY,
    ORANGE,
    RED,
    SKY,
    clean,
    new_figure,
    save_figure,
)
from galaxyzoo.vote_tables import ANSWERS, CLARITY, answer_label

_BINS = 20


def plot_distributions(path: Path, votes: pd.DataFrame) -> None:
    """One panel per question, one row per answer: how often each vote fraction occurs."""
    figure = new_figure(14, 10)
    heights = [2.4, 2.4, 3.6, 3.6]
    axes = figure.subplots(4, 3, height_ratios=heights).ravel()
    for axis, question in zip(axes, GALAXY_ZOO_2.questions, strict=False):
        parts = np.array(
            [np.histogram(votes[c], _BINS, (0, 1))[0] / len(votes) for c in question.columns]
        )
        mesh = axis.pcolormesh(
            np.linspace(0, 1, _BINS + 1),
            np.arange(len(parts) + 1),
            np.where(parts > 0, parts, np.nan),
            norm=LogNorm(1e-4, 1),
            cmap="cividis",
        )
        axis.hlines(np.arange(1, len(parts)), 0, 1, color="white", linewidth=1.5)
        axis.invert_yaxis()
        labels = [answer_label(c) for c in question.columns]
        axis.set_yticks(np.arange(len(labels)) + 0.5, labels, fontsize=8)
        axis.set_title(f"Q{question.number}  {question.text}", fontsize=8.5, loc="left")
        axis.tick_params(length=0, labelsize=8)
    axes[-1].set_axis_off()
    figure.colorbar(
        mesh,
        ax=axes[-1],
        orientation="horizontal",
        label="part of the galaxies (white: none)",
        fraction=0.3,
    )
    figure.supxlabel("vote fraction", fontsize=10)
    save_figure(figure, path)


def plot_means(path: Path, votes: pd.DataFrame) -> None:
    """Mean vote fraction of each answer, questions in turns of two colours."""
    figure = new_figure(9, 9)
    axis = figure.subplots()
    means = votes[ANSWERS].mean()
    colors = [
        (BLUE, ORANGE)[i % 2] for i, q in enumerate(GALAXY_ZOO_2.questions) for _ in q.answers
    ]
    bars = axis.barh(np.arange(len(means)), means, color=colors)
    axis.bar_label(bars, fmt="%.3f", fontsize=7, padding=3)
    axis.set_yticks(np.arange(len(means)), [answer_label(c) for c in ANSWERS], fontsize=8)
    axis.invert_yaxis()
    axis.margins(y=0.01)
    axis.set_xlabel("mean vote fraction")
    clean(axis)
    save_figure(figure, path)


def plot_correlations(path: Path, correlations: pd.DataFrame) -> None:
    """Correlations of all pairs of answers; lines divide the questions."""
    figure = new_figure(11, 9.5)
    axis = figure.subplots()
    mesh = axis.imshow(correlations, cmap="PuOr", vmin=-1, vmax=1)
    places, labels = np.arange(len(ANSWERS)), [answer_label(c) for c in ANSWERS]
    axis.set_xticks(places, labels, fontsize=7, rotation=90)
    axis.set_yticks(places, labels, fontsize=7)
    for question in GALAXY_ZOO_2.questions[1:]:
        edge = GALAXY_ZOO_2.span(question).start - 0.5
        axis.axhline(edge, color="black", linewidth=0.5)
        axis.axvline(edge, color="black", linewidth=0.5)
    axis.tick_params(length=0)
    figure.colorbar(mesh, ax=axis, label="correlation of vote fractions", shrink=0.7)
    save_figure(figure, path)


def plot_residuals(path: Path, missed: pd.DataFrame) -> None:
    """Histogram of each galaxy's largest residual; the tolerances as lines."""
    figure = new_figure(9, 4.0)
    axis = figure.subplots()
    # below is the rounding of the computer's own numbers; an exact sum has no logarithm
    largest = missed.max(axis=1).clip(lower=1.1e-12)
    axis.hist(largest, np.logspace(-12, -4, 49).tolist(), color=BLUE)
    axis.set_xscale("log")
    for value, name, color in (
        (WRITE_TOLERANCE, "written", ORANGE),
        (READ_TOLERANCE, "read", RED),
    ):
        axis.axvline(value, color=color, label=f"tolerance of what is {name}: {value:g}")
    axis.set_xlabel("largest miss of a galaxy's questions; the lowest bin holds all below it too")
    axis.set_ylabel("galaxies")
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    clean(axis)
    save_figure(figure, path)


def plot_clarity(path: Path, clarity: pd.DataFrame) -> None:
    """For each question, the parts of the galaxies that are clear, between, ambiguous, unasked."""
    figure = new_figure(10, 4.6)
    axis = figure.subplots()
    counts = clarity[list(CLARITY)]
    parts = counts.div(counts.sum(axis=1), axis=0)
    left = np.zeros(len(parts))
    for name, color in zip(CLARITY, (BLUE, SKY, ORANGE, LIGHT_GREY), strict=True):
        axis.barh(np.arange(len(parts)), parts[name], left=left, color=color, label=name)
        left += parts[name].to_numpy()
    labels = clarity["question"] + "  " + clarity["text"]
    axis.set_yticks(np.arange(len(parts)), labels, fontsize=9)
    axis.invert_yaxis()
    axis.set_xlim(0, 1)
    axis.set_xlabel("part of the galaxies")
    figure.legend(
        [name.replace("_", " ") for name in CLARITY],
        loc="outside upper center",
        ncols=4,
        frameon=False,
    )
    clean(axis)
    save_figure(figure, path)
