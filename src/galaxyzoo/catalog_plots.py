"""Pictures of a dataset's classes and images: counts, samples, the mean frame and its light."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from galaxyzoo.figures import BLUE, GREEN, LIGHT_GREY, ORANGE, RED, clean, new_figure, save_figure
from galaxyzoo.image_sample import CHANNELS, ImageSample, radial_profiles
from galaxyzoo.tables import CLASS

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
