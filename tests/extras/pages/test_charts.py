"""Charts: places worked by hand, and what cannot be drawn is left out."""

import numpy as np

from galaxyzoo.extras.pages.charts import Chart, Line

LEFT, TOP, RIGHT, BOTTOM = Chart("", "", "").frame


def test_points_lie_between_the_corners_of_the_plot():
    x = np.array([0, 1, 1, np.nan, 2])
    y = np.array([10, 20, 20, 15, 10])
    chart = Chart("", "", "", x_range=(0, 2), y_range=(10, 20))
    middle = (LEFT + RIGHT) / 2
    points = np.array(chart.points(Line(x, y)))
    np.testing.assert_allclose(points, [(LEFT, BOTTOM), (middle, TOP), (RIGHT, BOTTOM)])
    assert chart.x_ticks[0][0] == LEFT
    assert chart.x_ticks[-1][0] == RIGHT
    assert [text for _, text in chart.y_ticks] == ["10", "12", "14", "16", "18", "20"]
