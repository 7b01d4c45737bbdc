"""Charts of the reports, drawn as SVG by `templates/chart.html.j2`.

SVG in the page follows its colors, light or dark, stays sharp on any screen, and costs a thousandth
of what Matplotlib's figures do. Their text is the page's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

_TOP, _BOTTOM, _LEFT, _RIGHT = 14, 200, 48, 310  # sides of the plot in a picture of 320 × 240
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
    """Lines over two axes."""

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line] = ()
    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)

    @cached_property
    def x_ticks(self) -> list[tuple[float, str]]:
        """Place in pixels and text."""
        return [(self._x(x), text) for x, text in _ticks(*self.x_range)]

    @cached_property
    def y_ticks(self) -> list[tuple[float, str]]:
        """Place in pixels and text."""
        return [(self._y(y), text) for y, text in _ticks(*self.y_range)]

    width, height = 320, 240
    frame = _LEFT, _TOP, _RIGHT, _BOTTOM

    def points(self, line: Line) -> list[tuple[float, float]]:
        """Places of a line's points in pixels, none twice."""
        values = np.column_stack([line.x, line.y]).astype(float)
        finite = values[np.isfinite(values).all(axis=1)]
        places = [(self._x(x), self._y(y)) for x, y in finite]
        return list(dict.fromkeys(places))

    def _x(self, x: float) -> float:
        low, high = self.x_range
        return round(_LEFT + (x - low) / (high - low) * (_RIGHT - _LEFT), 1)

    def _y(self, y: float) -> float:
        low, high = self.y_range
        return round(_BOTTOM - (y - low) / (high - low) * (_BOTTOM - _TOP), 1)


def _ticks(low: float, high: float) -> list[tuple[float, str]]:
    """About five round numbers of a range."""
    from matplotlib.ticker import MaxNLocator

    ticks = []
    for value in MaxNLocator(5).tick_values(low, high):
        if low <= value <= high:
            ticks.append((float(value), f"{value:.6g}"))
    return ticks
