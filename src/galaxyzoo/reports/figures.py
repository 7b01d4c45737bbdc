"""Helpers of all figures: color-blind safe colors, labels, saving."""

from pathlib import Path
from typing import Literal

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, LogFormatterMathtext

from galaxyzoo.core import files
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2

VOTES, PREDICTED = "#3f90da", "#e76300"  # as in report.css and app.css
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


def _write_powers_plainly(axis: Axis) -> None:
    """Let a logarithmic axis show 1e-06: Matplotlib's mathtext would be shown raw."""
    if isinstance(axis.get_major_formatter(), LogFormatterMathtext):
        axis.set_major_formatter(LogFormatter())
    if isinstance(axis.get_minor_formatter(), LogFormatterMathtext):
        axis.set_minor_formatter(LogFormatter())
