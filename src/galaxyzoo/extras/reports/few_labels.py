"""Section on a run of own labels: the learning curve."""

import numpy as np
import pandas as pd

from galaxyzoo.extras.pages.charts import Chart, Line, data_range
from galaxyzoo.extras.pages.html import HtmlSection
from galaxyzoo.extras.reports.evaluate import Evaluation
from galaxyzoo.extras.reports.results import Result
from galaxyzoo.results.layout import CURVE, RunFolder


def few_labels_section(evaluation: Evaluation, result: Result) -> HtmlSection | None:
    """Build the section and write its table; None without a learning curve."""
    folder = RunFolder(evaluation.catalog.dataset, result.run)
    paths = [folder.fold(fold) / CURVE for fold in result.folds]
    curves = [pd.read_csv(path) for path in paths if path.is_file()]
    if not curves:
        return None
    curve = summarize_curve(pd.concat(curves))
    evaluation.write_csv(f"{result.stem}_learning_curve.csv", curve)
    text = (
        "Labels are drawn at random, several times in each fold; ± is the standard deviation over "
        "folds and draws. The most confident mistakes, below, are likely label errors."
    )
    tables = [("Heads fitted with fewer labels", curve)]
    charts = [("Learning curve", [draw_curve(curve)])]
    return HtmlSection(f"{result.run}: few labels", text, tables, charts)


def summarize_curve(curves: pd.DataFrame) -> pd.DataFrame:
    """A row per number of labels: mean and sd over folds and draws of each score.

    Args:
        curves: rows of `learning_curve` of all folds.
    """
    rows: list[dict[str, float]] = []
    for count, draws in curves.groupby("labels") if len(curves) else ():
        row = {"labels": count, "draws": len(draws)}
        for name in draws.columns.drop("labels"):
            row |= {name: draws[name].mean(), f"± {name}": draws[name].std()}
        rows.append(row)
    return pd.DataFrame(rows)


def draw_curve(curve: pd.DataFrame) -> Chart:
    """Draw the first score over the number of labels, and a standard deviation around it."""
    name = curve.columns[2]
    labels, mean, sd = curve["labels"], curve[name], curve[f"± {name}"].fillna(0)
    ends = [Line(labels, mean + side * sd, 0, style="thin") for side in (-1, 1)]
    lines = [Line(labels, mean, 0, "mean, ± sd"), *ends]
    axes = "labels used to fit the head", name
    y_range = data_range(np.concatenate([line.y for line in lines]))
    return Chart(name, *axes, lines, data_range(labels), y_range)
