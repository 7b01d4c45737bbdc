"""Figures of one galaxy: a Grad-CAM heat map beside votes and prediction; feature maps."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from matplotlib import colormaps, rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, FigureBase

from galaxyzoo.core import files
from galaxyzoo.extras.explain.galaxy import Galaxy
from galaxyzoo.extras.pages.output import MARK
from galaxyzoo.extras.pages.templates import color
from galaxyzoo.tasks.kinds import Task

BLENDED_PX = 320
_DPI = 90
_OPACITY = 0.6  # of the heat map at its maximum
_OUTLINED = 0.5  # of the maximum
_MOST_MAPS = 16  # of a layer that are drawn


def draw_gradcam(
    path: Path,
    galaxy: Galaxy,
    image: np.ndarray,
    heat: np.ndarray,
    prediction: np.ndarray,
    column: int,
    task: Task,
    note: str,
) -> Path:
    """Write a PNG: the network's input, the heat map over it, and bars of the predictions.

    Args:
        path: the PNG.
        galaxy: its name is the title; its votes or class are drawn where they are known.
        image: (H, W, 3) uint8, the network's input.
        heat: (H, W) 0 to 1.
        prediction: (column,).
        column: the answer or class explained.
        task: the run's.
        note: below the title: run, method, layer.
    """
    figure = _new_figure(11.5, 4.1)
    plain, hot, bars = figure.subplots(1, 3, width_ratios=[1, 1, 1.15])
    plain.imshow(image)
    plain.set_title("network input", fontsize=10)
    hot.imshow(blend_heat(image, heat))
    hot.set_title(f"heat map for “{task.text(column)}”, contours at half maximum", fontsize=10)
    for axis in (plain, hot):
        axis.set_axis_off()
    _draw_answers(bars, galaxy, prediction, column, task)
    figure.suptitle(f"{galaxy.name}\n{note}", fontsize=11)
    return _save_figure(figure, path)


def blend_heat(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Lay a heat map over its image: the hotter, the more opaque; white lines at half the maximum.

    Args:
        image: (H, W, 3) uint8, the network's input.
        heat: (H, W) 0 to 1.
    Returns:
        (BLENDED_PX, BLENDED_PX, 3) uint8.
    """
    size = (BLENDED_PX, BLENDED_PX)
    large = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    heat = cv2.resize(heat.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    opacity = (_OPACITY * heat)[..., None]
    colors = 255 * colormaps["inferno"](0.3 + 0.7 * heat)[..., :3]
    mixed = np.round(large * (1 - opacity) + colors * opacity).astype(np.uint8)
    hot = (heat >= _OUTLINED).astype(np.uint8)
    outlines, _ = cv2.findContours(hot, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(mixed, outlines, -1, (255, 255, 255), 1)


def draw_feature_maps(
    path: Path, image: np.ndarray, maps: Mapping[str, np.ndarray], title: str
) -> Path:
    """Write a PNG: the network's input, and of each layer the feature maps that vary most.

    Args:
        path: the PNG.
        image: (H, W, 3) uint8, the network's input.
        maps: layer -> (channel, h, w).
        title: of the figure.
    """
    across = 8
    rows = [min(_MOST_MAPS, len(layer_maps)) for layer_maps in maps.values()]
    down = [-(-count // across) for count in rows]
    figure = _new_figure(12, 1.5 * (sum(down) + 1) + 0.45 * len(maps) + 0.8, title)
    heights = [1.15, *(n + 0.3 for n in down)]
    parts = np.asarray(figure.subfigures(len(maps) + 1, 1, height_ratios=heights))
    _image_axes(parts[0], 1, across)[0].imshow(image)
    parts[0].suptitle("network input", fontsize=10, x=0.02, ha="left")
    for part, (layer, layer_maps), height in zip(parts[1:], maps.items(), down, strict=True):
        order = np.argsort(-layer_maps.std(axis=(1, 2)), kind="stable")[:_MOST_MAPS]
        side = layer_maps.shape[-1]
        caption = f"{layer}: {len(layer_maps)} maps of {side} × {side}"
        caption += f"; here the {len(order)} that vary most" if len(order) < len(layer_maps) else ""
        part.suptitle(caption, fontsize=10, x=0.02, ha="left")
        for axis, channel in zip(_image_axes(part, height, across), order, strict=False):
            axis.imshow(layer_maps[channel], cmap="gray")
            axis.set_title(str(channel), fontsize=7, pad=2)
    return _save_figure(figure, path)


def draw_filters(path: Path, filters: np.ndarray, title: str) -> Path:
    """Write a PNG of a first layer's kernels, (channel, 3, h, w), each scaled to its own range."""
    across = 12
    down = -(-len(filters) // across)
    figure = _new_figure(12, down + 0.6, title)
    for axis, kernel in zip(_image_axes(figure, down, across), filters, strict=False):
        low, high = kernel.min(), kernel.max()
        axis.imshow(((kernel - low) / max(high - low, 1e-12)).transpose(1, 2, 0))
    return _save_figure(figure, path)


def _draw_answers(
    axis: Axes, galaxy: Galaxy, prediction: np.ndarray, column: int, task: Task
) -> None:
    """Bars of all classes, or of all answers to the question."""
    columns = task.group_of(column)
    places = np.arange(len(columns))[::-1]
    if galaxy.truth is None:
        axis.barh(places, prediction[columns], 0.5, color=color("predicted"), label="predicted")
    else:
        label = "predicted" if galaxy.fold is None else "predicted (out of fold)"
        axis.barh(places + 0.2, galaxy.truth[columns], 0.38, color=color("votes"), label=task.truth)
        axis.barh(places - 0.2, prediction[columns], 0.38, color=color("predicted"), label=label)
    axis.set_yticks(places, [task.text(i) for i in columns], fontsize=9)
    for tick, shown_column in zip(axis.get_yticklabels(), columns, strict=True):
        tick.set_fontweight("bold" if shown_column == column else "normal")
    axis.set_xlim(0, 1)
    axis.set_title(task.heading(column), fontsize=10)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=2, frameon=False, fontsize=8)
    axis.spines[["top", "right"]].set_visible(False)


def _new_figure(width: float, height: float, title: str = "") -> Figure:
    """Create an empty figure, sizes in inches, that needs no display."""
    rcParams["text.parse_math"] = False  # names from outside may hold dollar signs
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title, fontsize=12)
    return figure


def _image_axes(figure: FigureBase, down: int, across: int) -> list[Axes]:
    """Axes for images in a grid, row by row, without frames and ticks."""
    axes = [*figure.subplots(down, across, squeeze=False).flat]
    for axis in axes:
        axis.set_axis_off()
    return axes


def _save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, atomically, and without the versions of the software."""
    with files.writing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI, metadata={"Software": MARK})
    return path
