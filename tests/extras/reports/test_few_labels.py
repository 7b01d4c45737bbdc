import numpy as np
import pandas as pd

from galaxyzoo.extras.reports.few_labels import draw_curve, summarize_curve


def test_a_learning_curve_has_mean_and_deviation_of_folds_and_draws():
    rows = [(20, 0.5, 1.0), (20, 0.7, 0.8), (40, 0.9, 0.2), (40, 0.9, 0.4)]
    curves = pd.DataFrame(rows, columns=["labels", "balanced accuracy", "log-loss"])
    curve = summarize_curve(curves)
    assert curve["labels"].tolist() == [20, 40]
    assert curve["draws"].tolist() == [2, 2]
    np.testing.assert_allclose(curve["balanced accuracy"], [0.6, 0.9])
    np.testing.assert_allclose(curve["± balanced accuracy"], [np.sqrt(0.02), 0])
    chart = draw_curve(curve)
    np.testing.assert_allclose(chart.lines[1].y, [0.6 - np.sqrt(0.02), 0.9])
    assert summarize_curve(pd.DataFrame()).empty
