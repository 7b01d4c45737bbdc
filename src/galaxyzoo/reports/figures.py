"""Helpers of all figures: color-blind safe colors, labels, saving, grids of galaxies."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogFormatter, LogFormatterMathtext

from galaxyzoo.core import files
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2

# Paul Tol's "muted" scheme (https://personal.sron.nl/~pault/), nine colors and a gray.
COLORS = (
    "#332288",
    "#cc6677",
    "#117733",
    "#ddaa33",
    "#88ccee",
    "#882255",
    "#44aa99",
    "#999933",
    "#aa4499",
    "#777777",
)
TRAINED, VALIDATED = "#332288", "#cc6677"
GRAY, SKY = "#888888", "#56b4e9"
VOTES, PREDICTED = "#b8c4d6", "#e07a2f"
RIGHT, WRONG = "#117733", "#a32638"
SHOWN_ANSWERS = (  # in figures without room for all 37
    "Class1.1",
    "Class1.2",
    "Class2.1",
    "Class3.1",
    "Class4.1",
    "Class6.1",
    "Class7.1",
    "Class7.3",
)
_DPI = 90
rcParams["text.parse_math"] = False  # names from outside may hold dollar signs


def new_figure(width: float, height: float, title: str = "") -> Figure:
    """Create an empty figure, sizes in inches, that needs no display."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title, fontsize=12)
    return figure


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """Create a figure, sizes in inches, with one empty plot."""
    figure = new_figure(width, height)
    return figure, figure.subplots()


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, atomically, and without the versions of the software."""
    for axes in figure.axes:  # also those of color bars
        for axis in (axes.xaxis, axes.yaxis):
            _write_powers_plainly(axis)
    if figure.axes and (layout := figure.get_layout_engine()):  # else savefig draws twice for it
        figure.set_dpi(_DPI)
        layout.execute(figure)
        figure.set_layout_engine("none")
    with files.writing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI, metadata={"Software": None})
    return path


def clean(axis: Axes, grid: Literal["x", "y", "both"] | None = None) -> None:
    """Remove the frame's upper and right side; optionally draw a grid behind the data."""
    axis.spines[["top", "right"]].set_visible(False)
    if grid:
        axis.grid(axis=grid, alpha=0.25)
        axis.set_axisbelow(True)


def readable(name: str) -> str:
    """A column's name with spaces."""
    return name.replace("_", " ")


def answer_label(column: str) -> str:
    """An answer's number and text, `9.3: no bulge`; other answers may have the same text."""
    return f"{column.removeprefix('Class')}: {GALAXY_ZOO_2.answer_text(column)}"


def draw_gallery(
    ids: np.ndarray,
    images: np.ndarray,
    votes: np.ndarray,
    predictions: np.ndarray,
    title: str,
    notes: Sequence[str] = (),
) -> Figure:
    """Draw each galaxy beside bars of its votes and its out-of-fold predictions.

    Args:
        ids: (galaxy,) GalaxyIDs.
        images: (galaxy, H, W, 3) uint8.
        votes: (galaxy, answer) vote fractions.
        predictions: (galaxy, answer).
        title: above the grid.
        notes: (galaxy,) behind each GalaxyID; default nothing.
    """
    across = 4
    down = -(-len(ids) // across)
    figure = new_figure(15, 2.35 * down + 0.6, title)
    axes = figure.subplots(down, 2 * across, squeeze=False, width_ratios=[1.0, 0.8] * across)
    for axis in axes.flat:
        axis.set_axis_off()
    for i, (galaxy_id, image) in enumerate(zip(ids, images, strict=True)):
        row, column = divmod(i, across)
        axes[row, 2 * column].imshow(image)
        name = f"GalaxyID {galaxy_id}" + (f", {notes[i]}" if notes else "")
        axes[row, 2 * column].set_title(name, fontsize=9, loc="left")
        _draw_bars(axes[row, 2 * column + 1], votes[i], predictions[i])
    handles = [Rectangle((0, 0), 1, 1, color=color) for color in (VOTES, PREDICTED)]
    figure.legend(
        handles,
        ["votes", "predicted (out of fold)"],
        loc="outside lower center",
        ncols=2,
        frameon=False,
    )
    return figure


def draw_galaxies(
    ids: np.ndarray,
    images: np.ndarray,
    notes: Sequence[str],
    title: str,
    colors: Sequence[str] | None = None,
    label: str = "GalaxyID",
) -> Figure:
    """Draw a grid of galaxies, each with a note.

    Args:
        ids: (galaxy,) GalaxyIDs, at least one.
        images: (galaxy, H, W, 3) uint8.
        notes: (galaxy,) below each GalaxyID; all of the same number of lines.
        title: above the grid.
        colors: (galaxy,) of the notes; default black.
        label: name of the id column.
    """
    across = 5
    down = -(-len(ids) // across)
    figure = new_figure(13, 3.15 * down + 0.5, title)
    axes = figure.subplots(down, across, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for i, axis in enumerate(axes.flat[: len(ids)]):
        axis.imshow(images[i])
        caption = f"{label} {ids[i]}\n{notes[i]}"
        axis.set_title(caption, fontsize=8.5, loc="left", color=colors[i] if colors else "black")
    return figure


def _write_powers_plainly(axis: Axis) -> None:
    """Let a logarithmic axis show 1e-06: Matplotlib's mathtext would be shown raw."""
    if isinstance(axis.get_major_formatter(), LogFormatterMathtext):
        axis.set_major_formatter(LogFormatter())
    if isinstance(axis.get_minor_formatter(), LogFormatterMathtext):
        axis.set_minor_formatter(LogFormatter())


def _draw_bars(axis: Axes, votes: np.ndarray, predictions: np.ndarray) -> None:
    columns = [GALAXY_ZOO_2.columns.index(c) for c in SHOWN_ANSWERS]
    places = np.arange(len(columns))[::-1]
    axis.set_axis_on()
    axis.barh(places + 0.2, votes[columns], 0.38, color=VOTES)
    axis.barh(places - 0.2, predictions[columns], 0.38, color=PREDICTED)
    axis.set_yticks(places, [GALAXY_ZOO_2.answer_text(c) for c in SHOWN_ANSWERS], fontsize=7)
    axis.set_xlim(0, 1)
    axis.set_xticks([0, 1], ["0", "1"], fontsize=7)
    clean(axis)
    axis.tick_params(length=0)
