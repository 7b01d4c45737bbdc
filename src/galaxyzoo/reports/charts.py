"""Charts of the reports, drawn as SVG by `templates/chart.html.j2`.

SVG in the page follows its colors, light or dark, stays sharp on any screen, and costs a thousandth
of what Matplotlib's figures do. Their text is the page's.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np

from galaxyzoo.core.templates import color

_TOP, _BOTTOM, _LEFT, _RIGHT = 14, 200, 48, 310  # sides of the plot in a picture of 320 × 240
_LEFT_OF_ROWS = 110  # room for the names of rows
N_COLORS = 10  # of lines, in report.css


class Line(NamedTuple):
    """Line through points, or points alone."""

    x: np.ndarray
    y: np.ndarray
    color: int | None = None  # below `N_COLORS`; None: gray
    label: str = ""  # in the legend; none: not there
    style: str = ""  # classes in report.css: thin, dotted, points


DIAGONAL = Line(np.array([0.0, 1.0]), np.array([0.0, 1.0]), style="dotted")


@dataclass(frozen=True, eq=False)
class Chart:
    """Lines or shaded cells over two axes."""

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line] = ()
    cells: np.ndarray | None = None  # (row, column) 0 to 1, the whole plot, first row on top
    rows: Sequence[str] = ()  # names of the cells' rows, in place of numbers
    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)

    @cached_property
    def x_ticks(self) -> list[tuple[float, str]]:
        """Place in pixels and text."""
        return [(self._x(x), text) for x, text in _ticks(*self.x_range)]

    @cached_property
    def y_ticks(self) -> list[tuple[float, str]]:
        """Place in pixels and text; of rows, their middles."""
        if self.rows:
            step = (_BOTTOM - _TOP) / len(self.rows)
            return [(_TOP + (i + 0.5) * step, name) for i, name in enumerate(self.rows)]
        return [(self._y(y), text) for y, text in _ticks(*self.y_range)]

    width, height = 320, 240

    @property
    def frame(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the plot in pixels."""
        return _LEFT_OF_ROWS if self.rows else _LEFT, _TOP, _RIGHT, _BOTTOM

    def points(self, line: Line) -> list[tuple[float, float]]:
        """Places of a line's points in pixels, none twice in a row."""
        pairs = zip(np.asarray(line.x, float), np.asarray(line.y, float), strict=True)
        places = [(self._x(x), self._y(y)) for x, y in pairs if np.isfinite(x) and np.isfinite(y)]
        return list(dict.fromkeys(places))

    @property
    def picture(self) -> str:
        """Address of the cells' picture, each a pixel as opaque as its value."""
        assert self.cells is not None
        blue_green_red = [*bytes.fromhex(color("votes")[1:])][::-1]
        pixels = np.full((*self.cells.shape, 4), (*blue_green_red, 0), np.uint8)
        pixels[..., 3] = np.round(255 * np.nan_to_num(self.cells))
        encoded = cv2.imencode(".png", pixels)[1].tobytes()
        return f"data:image/png;base64,{base64.b64encode(encoded).decode()}"

    def _x(self, x: float) -> float:
        (low, high), (left, _, right, _) = self.x_range, self.frame
        return round(left + (x - low) / (high - low) * (right - left), 1)

    def _y(self, y: float) -> float:
        low, high = self.y_range
        return round(_BOTTOM - (y - low) / (high - low) * (_BOTTOM - _TOP), 1)


def data_range(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Lowest and highest value with a twentieth between them and the frame."""
    finite = np.asarray(values, float)
    finite = finite[np.isfinite(finite)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 1.0)
    room = (high - low) / 20 or 0.5
    return float(low - room), float(high + room)


def _ticks(low: float, high: float) -> list[tuple[float, str]]:
    """About five round numbers of a range."""
    from matplotlib.ticker import MaxNLocator

    inside = [t for t in MaxNLocator(5).tick_values(low, high) if low <= t <= high]
    return [(float(t), f"{t:.6g}") for t in inside]
