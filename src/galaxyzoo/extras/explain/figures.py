"""Figures of one galaxy: a Grad-CAM heat map beside votes and prediction; feature maps."""

import math
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
from galaxyzoo.extras.explain.gradcam import HeatMap
from galaxyzoo.extras.pages.output import MARK
from galaxyzoo.extras.pages.templates import color
from galaxyzoo.tasks.kinds import Task

BLENDED_PX = 320
_DPI = 90
_OPACITY = 0.6  # of the heat map at its maximum
_OUTLINED = 0.5  # of the maximum
_MOST_MAPS = 16  # of a layer that are drawn
_MAPS_ACROSS = 8
_FILTERS_ACROSS = 12


def draw_gradcam(
    path: Path,
    galaxy: Galaxy,
    heat_map: HeatMap,
    prediction: np.ndarray,
    column: int,
    task: Task,
    note: str,
) -> Path:
    """Write a PNG: the network's input, the heat map over it, and bars of the predictions.

    Args:
        path: the PNG.
        galaxy: its name is the title; its votes or class are drawn where they are known.
        heat_map: of the answer or class explained.
        prediction: (column,).
        column: the answer or class explained.
        task: the run's.
        note: below the title: run, method, layer.
    """
    figure = _new_figure(11.5, 4.1)
    plain, hot, bars = figure.subplots(1, 3, width_ratios=[1, 1, 1.15])
    plain.imshow(heat_map.image)
    plain.set_title("network input", fontsize=10)
    hot.imshow(blend_heat(heat_map))
    hot.set_title(f"heat map for “{task.text(column)}”, contours at half maximum", fontsize=10)
    for axis in (plain, hot):
        axis.set_axis_off()
    _draw_answers(bars, galaxy, prediction, column, task)
    figure.suptitle(f"{galaxy.name}\n{note}", fontsize=11)
    return _save_figure(figure, path)


def blend_heat(heat_map: HeatMap) -> np.ndarray:
    """Lay a heat map over its image: the hotter, the more opaque; white lines at half the maximum.

    Returns:
        (BLENDED_PX, BLENDED_PX, 3) uint8.
    """
    size = (BLENDED_PX, BLENDED_PX)
    image = cv2.resize(heat_map.image, size, interpolation=cv2.INTER_CUBIC)
    heat = cv2.resize(heat_map.heat.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    opacity = (_OPACITY * heat)[..., None]
    rgba = colormaps["inferno"](0.3 + 0.7 * heat)
    colors = 255 * rgba[..., :3]
    mixed = np.round(image * (1 - opacity) + colors * opacity).astype(np.uint8)
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
    rows = []  # of the grid of each layer
    for layer_maps in maps.values():
        rows.append(math.ceil(min(_MOST_MAPS, len(layer_maps)) / _MAPS_ACROSS))
    figure = _new_figure(12, 1.5 * (sum(rows) + 1) + 0.45 * len(maps) + 0.8, title)
    heights = [1.15] + [count + 0.3 for count in rows]
    panels = np.asarray(figure.subfigures(len(heights), 1, height_ratios=heights))
    _image_axes(panels[0], 1, _MAPS_ACROSS)[0].imshow(image)
    _caption(panels[0], "network input")
    for panel, layer, down in zip(panels[1:], maps, rows, strict=True):
        _draw_layer(panel, layer, maps[layer], down)
    return _save_figure(figure, path)


def _draw_layer(panel: FigureBase, layer: str, maps: np.ndarray, down: int) -> None:
    """Draw the (channel, h, w) maps of a layer that vary most, in `down` rows."""
    order = np.argsort(-maps.std(axis=(1, 2)), kind="stable")[:_MOST_MAPS]
    side = maps.shape[-1]
    caption = f"{layer}: {len(maps)} maps of {side} × {side}"
    if len(order) < len(maps):
        caption += f"; here the {len(order)} that vary most"
    _caption(panel, caption)
    for axis, channel in zip(_image_axes(panel, down, _MAPS_ACROSS), order, strict=False):
        axis.imshow(maps[channel], cmap="gray")
        axis.set_title(str(channel), fontsize=7, pad=2)


def _caption(panel: FigureBase, text: str) -> None:
    panel.suptitle(text, fontsize=10, x=0.02, ha="left")


def draw_filters(path: Path, filters: np.ndarray, title: str) -> Path:
    """Write a PNG of a first layer's kernels, (channel, 3, h, w), each scaled to its own range."""
    down = math.ceil(len(filters) / _FILTERS_ACROSS)
    figure = _new_figure(12, down + 0.6, title)
    for axis, kernel in zip(_image_axes(figure, down, _FILTERS_ACROSS), filters, strict=False):
        spread = max(np.ptp(kernel), 1e-12)
        scaled = (kernel - kernel.min()) / spread
        axis.imshow(scaled.transpose(1, 2, 0))
    return _save_figure(figure, path)


def _draw_answers(
    axis: Axes, galaxy: Galaxy, prediction: np.ndarray, column: int, task: Task
) -> None:
    """Bars of all classes, or of all answers to the question."""
    columns = task.group_of(column)
    places = np.arange(len(columns))[::-1]
    shares = prediction[columns]
    predicted = color("predicted")
    if galaxy.truth is None:
        axis.barh(places, shares, 0.5, color=predicted, label="predicted")
    else:
        label = "predicted" if galaxy.fold is None else "predicted (out of fold)"
        axis.barh(places + 0.2, galaxy.truth[columns], 0.38, color=color("votes"), label=task.truth)
        axis.barh(places - 0.2, shares, 0.38, color=predicted, label=label)
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
    axes = list(figure.subplots(down, across, squeeze=False).flat)
    for axis in axes:
        axis.set_axis_off()
    return axes


def _save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, atomically, and without the versions of the software."""
    with files.writing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI, metadata={"Software": MARK})
    return path
