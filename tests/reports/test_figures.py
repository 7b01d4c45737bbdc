"""Figures draw whatever text they are given."""

from pathlib import Path

import cv2
import pytest
from matplotlib.colors import LogNorm

from galaxyzoo.reports.figures import new_figure, save_figure


def test_dollar_signs_in_a_name_are_no_mathematics(tmp_path: Path) -> None:
    figure = new_figure(2, 1)
    figure.suptitle(r"input/$\nonsense{$.csv")
    path = save_figure(figure, tmp_path / "figure.png")
    assert cv2.imread(str(path)) is not None


@pytest.mark.parametrize("highest", [5, 1e6])  # within one decade the minor ticks have names
def test_numbers_on_logarithmic_axes_are_no_formulas(tmp_path: Path, highest: float) -> None:
    figure = new_figure(4, 3)
    axis = figure.subplots()
    drawn = axis.scatter([2, highest], [2, highest], c=[2, highest], norm=LogNorm(2, highest))
    axis.set_xscale("log")
    axis.set_yscale("log")
    figure.colorbar(drawn)
    save_figure(figure, tmp_path / "figure.png")
    for axes in figure.axes:
        for side in (axes.xaxis, axes.yaxis):
            names = [label.get_text() for label in side.get_ticklabels(which="both")]
            assert not [name for name in names if "$" in name]
    assert any(label.get_text() for label in axis.get_xticklabels(which="both"))
