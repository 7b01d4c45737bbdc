"""Section on the training history of a task's runs: loss and score over epochs."""

import numpy as np
import pandas as pd

from galaxyzoo.data.catalog import Catalog
from galaxyzoo.extras.pages import html
from galaxyzoo.extras.pages.charts import Chart, Line, data_range
from galaxyzoo.extras.reports import evaluate, results
from galaxyzoo.io.tables import FOLD
from galaxyzoo.results import layout, oof

TRAINED, VALIDATED = 0, 6  # colors


def history_section(evaluation: evaluate.Evaluation) -> html.HtmlSection | None:
    """Loss and score over epochs of every run that has a training history; None without any."""
    charts = []
    for result in evaluation.results:
        history = _read_histories(evaluation.catalog, result)
        if not history.empty:
            charts.append((f"{result.run}, over epochs", _draw_history(history)))
    if not charts:
        return None
    text = (
        "Thin lines: folds; thick line: their mean. Validation scores, without test-time "
        "augmentation."
    )
    return html.HtmlSection("Training history", text, charts=charts)


def _read_histories(catalog: Catalog, result: results.Result) -> pd.DataFrame:
    """Training histories of a run's folds, with a column `fold`; empty where there is none."""
    if result.config is None:
        return pd.DataFrame()
    trained = {fold: oof.FoldTables(result.config, catalog).files(fold) for fold in result.folds}
    tables = [
        pd.read_csv(files.path(layout.HISTORY)).assign(**{FOLD: fold})
        for fold, files in trained.items()
        if files.is_finished
    ]
    for table in tables:  # epochs count on through all stages
        table["epoch"] = np.arange(1, len(table) + 1)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _draw_history(history: pd.DataFrame) -> list[Chart]:
    """Draw loss and score over epochs; a thin line is a fold, the thick one their mean."""
    metric = history["metric"].iloc[-1]
    last_task = history[history["metric"] == metric]  # stages may have other tasks
    # The score of a class run is its loss again, so accuracy is drawn where it was recorded.
    has_accuracy = "val_accuracy" in history and last_task["val_accuracy"].notna().all()
    score, column = ("accuracy", "val_accuracy") if has_accuracy else (str(metric), "val_score")
    training = _lines(history, "train_loss", TRAINED, "training")
    loss = [*training, *_lines(history, "val_loss", VALIDATED, "validation")]
    scores = _lines(last_task, column, VALIDATED, "validation, one view")
    return [
        Chart(
            title,
            "epoch",
            title,
            lines,
            x_range=(0.5, history["epoch"].max() + 0.5),
            y_range=data_range(np.concatenate([line.y for line in lines])),
        )
        for title, lines in (("loss", loss), (score, scores))
    ]


def _lines(history: pd.DataFrame, column: str, color: int, label: str) -> list[Line]:
    folds = [
        Line(rows["epoch"], rows[column], color, style="thin") for _, rows in history.groupby(FOLD)
    ]
    mean = history.groupby("epoch")[column].mean()
    return [*folds, Line(mean.index, mean, color, label)]
