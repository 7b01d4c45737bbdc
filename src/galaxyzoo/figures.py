"""What all figures share: colours that the colour-blind can tell apart, size, and saving."""

from pathlib import Path

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, LogFormatterMathtext

from galaxyzoo import atomic

# Paul Tol's "muted" scheme (https://personal.sron.nl/~pault/), nine colours and a grey.
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
GREY, LIGHT_GREY = "#888888", "#bbbbbb"
# Okabe and Ito's, where a few colours carry a meaning of their own.
BLUE, SKY, GREEN, ORANGE, RED = "#0072b2", "#56b4e9", "#009e73", "#e69f00", "#d55e00"
_DPI = 90
rcParams["text.parse_math"] = False  # names from outside may hold dollar signs


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches that needs no screen."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, atomically, and without the names of the programs that drew it."""
    for axes in figure.axes:  # those of colour bars are among them
        for axis in (axes.xaxis, axes.yaxis):
            _name_powers_plainly(axis)
    with atomic.writing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI, metadata={"Software": None})
    return path


def _name_powers_plainly(axis: Axis) -> None:
    """Let a logarithmic axis write 1e-06: Matplotlib's own names are mathematics, and shown raw."""
    if isinstance(axis.get_major_formatter(), LogFormatterMathtext):
        axis.set_major_formatter(LogFormatter())
    if isinstance(axis.get_minor_formatter(), LogFormatterMathtext):
        axis.set_minor_formatter(LogFormatter())


def clean(axis: Axes) -> None:
    """Take away the frame's upper and right side."""
    axis.spines[["top", "right"]].set_visible(False)


def readable(name: str) -> str:
    """A column's name as people read it."""
    return name.replace("_", " ")
