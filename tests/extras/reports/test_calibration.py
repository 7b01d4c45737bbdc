"""Calibration, worked by hand."""

import numpy as np

from galaxyzoo.extras.reports.calibration import calibration_errors, calibration_table


def test_calibration_of_a_case_worked_by_hand():
    """Answer a: the lower two are voted 0.1 more than predicted, the upper two 0.3 less."""
    predictions = np.array([[0.9, 0.5], [0.1, 0.5], [0.3, 0.5], [0.7, 0.5]])
    votes = np.array([[0.4, 0.6], [0.2, 0.6], [0.4, 0.4], [0.6, 0.4]])
    table = calibration_table(predictions, votes, ["a", "b"], n_bins=2)
    assert table["answer"].tolist() == ["a", "a", "b", "b"]
    assert table["galaxies"].tolist() == [2, 2, 2, 2]
    np.testing.assert_allclose(table["predicted"], [0.2, 0.8, 0.5, 0.5])
    np.testing.assert_allclose(table["true"], [0.3, 0.5, 0.6, 0.4])
    summary = calibration_errors(table)
    np.testing.assert_allclose(summary.loc["a"], [0.1, 0.2], atol=1e-12)  # bias, error
    np.testing.assert_allclose(summary.loc["b"], [0.0, 0.1], atol=1e-12)
    assert len(calibration_table(predictions[:1], votes[:1], ["a", "b"])) == 2
