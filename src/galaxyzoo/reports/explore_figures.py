"""Pictures of a dataset's classes and images: counts, samples, the mean frame and its light.

Pictures of the votes: distributions, means, correlations, consistency, clarity.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.patches import Rectangle

from galaxyzoo.io.tables import CLASS
from galaxyzoo.reports.explore_stats import (
    ANSWERS,
    CHANNELS,
    CLARITY,
    ImageSample,
    answer_label,
    radial_profiles,
)
from galaxyzoo.reports.figures import (
    BLUE,
    GREEN,
    LIGHT_GREY,
    ORANGE,
    RED,
    SKY,
    clean,
    new_figure,
    save_figure,
)
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, READ_TOLERANCE, WRITE_TOLERANCE

_LONG = 16  # letters of a class name that fit beside a row of galaxies


def plot_counts(path: Path, tables: Sequence[pd.DataFrame]) -> None:
    """One panel per task: galaxies of each class before and after its filter.

    Args:
        path: the PNG.
        tables: one of `counts.count_classes` per task.
    """
    figure = new_figure(10, sum(0.42 * len(table) + 1.1 for table in tables))
    axes = figure.subplots(len(tables), squeeze=False, height_ratios=[len(t) + 2 for t in tables])
    for axis, table in zip(axes[:, 0], tables, strict=True):
        _draw_counts(axis, table)
    if any(table["dropped"].any() for table in tables):
        handles = [Rectangle((0, 0), 1, 1, color=color) for color in (LIGHT_GREY, BLUE)]
        labels = ["most votes, before the filter", "kept by the filter"]
        figure.legend(handles, labels, loc="outside upper right", ncols=2, frameon=False)
    axes[-1, 0].set_xlabel("galaxies")
    save_figure(figure, path)


def plot_images(path: Path, sample: ImageSample, kept: dict[str, float]) -> None:
    """The mean frame, brightness around the centre, and the brightness of images per channel.

    Args:
        path: the PNG.
        sample: at least one image.
        kept: what a square cut out of the frame is called -> its side as part of the frame's.
    """
    figure = new_figure(14, 4.4)
    frame, light, channels = figure.subplots(1, 3, width_ratios=[1, 1.3, 1.3])
    mean = sample.frames.mean(axis=0) / 255
    frame.imshow(mean / max(mean.max(), 1e-9))
    frame.set_title("mean frame, brightest pixel as white", fontsize=10)
    frame.set_axis_off()
    _draw_profiles(light, radial_profiles(sample.frames), kept)
    bins = np.linspace(0, max(sample.measures[f"{name}_mean"].max() for name in CHANNELS), 51)
    for name, color in zip(CHANNELS, (RED, GREEN, BLUE), strict=True):
        values = sample.measures[f"{name}_mean"]
        channels.hist(
            values, bins.tolist(), histtype="step", color=color, linewidth=1.6, label=name
        )
    channels.set_title("mean brightness of each image", fontsize=10)
    channels.set_xlabel("mean of the pixels, 0 to 255")
    channels.set_ylabel("images")
    channels.legend(frameon=False, fontsize=9)
    clean(channels)
    save_figure(figure, path)


def plot_samples(
    path: Path,
    title: str,
    classes: Sequence[str],
    galaxies: pd.DataFrame,
    images: np.ndarray,
) -> None:
    """A row of galaxies for every class.

    Args:
        path: the PNG.
        title: above the grid.
        classes: in order, one row each; an empty class says so.
        galaxies: indexed by GalaxyID; `class`, and `votes`, the text below an image.
        images: (galaxy, H, W, 3) uint8, rows as `galaxies`.
    """
    across = max(int(galaxies[CLASS].value_counts().max()), 1) if len(galaxies) else 1
    has_text = bool(galaxies["votes"].any())
    figure = new_figure(1.9 + 1.75 * across, (2.55 if has_text else 2.0) * len(classes) + 0.5)
    axes = figure.subplots(len(classes), across, squeeze=False)
    for row, name in enumerate(classes):
        rows = np.flatnonzero(galaxies[CLASS] == name)
        for axis in axes[row]:
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        for axis, i in zip(axes[row], rows, strict=False):
            axis.imshow(images[i])
            axis.set_title(str(galaxies.index[i]), fontsize=8, pad=2)
            axis.set_xlabel(galaxies["votes"].iloc[i], fontsize=6.5, labelpad=2)
        label = name if len(name) <= _LONG else name.replace("_", "_\n")
        label += "" if len(rows) else "\n(no galaxy)"
        axes[row, 0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=10, labelpad=8)
    figure.suptitle(title, fontsize=11)
    save_figure(figure, path)


def _draw_counts(axis: Axes, table: pd.DataFrame) -> None:
    """Bars of one task; of a label file, which drops nothing, one bar per class."""
    places, kept = np.arange(len(table)), int(table["kept"].sum())
    whole = kept + int(table["dropped"].sum())
    bars = [axis.barh(places + 0.2 * (whole > kept), table["kept"], 0.38, color=BLUE)]
    if whole > kept:
        bars.append(axis.barh(places - 0.2, table["before"], 0.38, color=LIGHT_GREY))
    for some in bars:
        axis.bar_label(some, fmt="{:,.0f}", fontsize=7, padding=3)
    axis.set_yticks(places, table[CLASS], fontsize=9)
    axis.invert_yaxis()
    axis.margins(x=0.07)
    title = f"{table['task'].iloc[0]}: {kept:,} of {whole:,} galaxies kept"
    axis.set_title(title, fontsize=10, loc="left")
    clean(axis)


def _draw_profiles(axis: Axes, profiles: np.ndarray, kept: dict[str, float]) -> None:
    radius = (np.arange(profiles.shape[1]) + 0.5) / profiles.shape[1]
    low, middle, high = np.percentile(profiles, (16, 50, 84), axis=0)
    axis.fill_between(radius, low, high, color=BLUE, alpha=0.25, label="16 to 84 % of the images")
    axis.plot(radius, middle, color=BLUE, label="median image")
    for (name, side), color in zip(kept.items(), (ORANGE, RED), strict=False):
        axis.axvline(side, color=color, linestyle="--", label=f"half side of {name}")
    axis.set_title("brightness around the centre", fontsize=10)
    axis.set_xlabel("radius, half the frame's side = 1")
    axis.set_ylabel("median of the ring, 0 to 255")
    axis.set_xlim(0, 1)
    axis.set_ylim(0, None)
    axis.legend(framealpha=1, fontsize=9)
    clean(axis)


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
