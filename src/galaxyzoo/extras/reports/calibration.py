"""Calibration of predicted fractions: of galaxies predicted 0.3, is 0.3 true?"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from galaxyzoo.extras.pages.charts import DIAGONAL, N_COLORS, Chart, Line

_N_BINS = 10  # of equally many galaxies


def calibration_table(
    predictions: np.ndarray, truth: np.ndarray, names: Sequence[str], n_bins: int = _N_BINS
) -> pd.DataFrame:
    """Mean predicted and true fraction of each column, by bins of equally many galaxies.

    scikit-learn's `calibration_curve` takes classes alone, and leaves out the numbers of galaxies.

    Args:
        predictions: (galaxy, column) predicted fractions or probabilities.
        truth: (galaxy, column) voted fractions, or whether the prediction is right.
        names: (column,) what each is.
        n_bins: of the predicted value; fewer where there are fewer galaxies.
    Returns:
        A row per column and bin: `answer`, `galaxies`, means `predicted` and `true`.
    """
    rows = []
    for name, predicted, actual in zip(names, predictions.T, truth.T, strict=True):
        order = np.argsort(predicted, kind="stable")
        for galaxies in np.array_split(order, min(n_bins, len(order))):
            row = {
                "answer": name,
                "galaxies": len(galaxies),
                "predicted": predicted[galaxies].mean(),
                "true": actual[galaxies].mean(),
            }
            rows.append(row)
    return pd.DataFrame(rows)


def calibration_errors(table: pd.DataFrame) -> pd.DataFrame:
    """Mean differences between predicted and true fractions, per column.

    Args:
        table: of `calibration_table`.
    Returns:
        Indexed by answer: `bias`, the mean of predicted - true, and `error`, the expected
        calibration error: |predicted - true| of each bin's means, averaged over galaxies (Guo et
        al. 2017, equation 3, of bins with equally many galaxies).
    """
    gaps = (table["predicted"] - table["true"]) * table["galaxies"]
    weighted = pd.DataFrame({"bias": gaps, "error": gaps.abs(), "galaxies": table["galaxies"]})
    sums = weighted.groupby(table["answer"], sort=False).sum()
    return sums[["bias", "error"]].div(sums["galaxies"], axis=0)


def draw_calibration(
    title: str, table: pd.DataFrame, labels: Mapping[str, str], y_label: str = "mean vote fraction"
) -> Chart:
    """Draw the rows of a `calibration_table` of some answers, a line each.

    Args:
        title: of the chart.
        table: of all answers.
        labels: answer -> its text in the legend.
        y_label: what is true.
    """
    lines = [DIAGONAL]
    for i, (name, label) in enumerate(labels.items()):
        bins = table[table["answer"] == name]
        color = i % N_COLORS
        lines.append(Line(bins["predicted"], bins["true"], color, label))
        lines.append(Line(bins["predicted"], bins["true"], color, style="points"))
    return Chart(title, "mean predicted", y_label, lines)
