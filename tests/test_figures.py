"""Figures draw whatever text they are given."""

from pathlib import Path

import cv2

from galaxyzoo.figures import new_figure, save_figure


def test_dollar_signs_in_a_name_are_no_mathematics(tmp_path: Path) -> None:
    figure = new_figure(2, 1)
    figure.suptitle(r"input/$\nonsense{$.csv")
    path = save_figure(figure, tmp_path / "figure.png")
    assert cv2.imread(str(path)) is not None
