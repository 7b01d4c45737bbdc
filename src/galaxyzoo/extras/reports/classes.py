"""Sections of a class task's report: confusion matrix, precision and recall, calibration."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import classification_report, confusion_matrix

from galaxyzoo.extras.pages.answers import readable
from galaxyzoo.extras.pages.html import HtmlSection, Shaded, VoteBar
from galaxyzoo.extras.reports import calibration
from galaxyzoo.extras.reports.evaluate import SHOWN_GALAXIES, Evaluation
from galaxyzoo.extras.reports.results import ScoredPredictions

MOST_PROBABLE = "Predicted class: the most probable one."
BALANCED = (
    "Predicted class: the one with the largest ratio of probability to frequency in the other "
    "folds, for balanced accuracy (Menon et al. 2021)."
)


def class_sections(evaluation: Evaluation, result: ScoredPredictions) -> list[HtmlSection]:
    """Build all sections on one result; write their tables."""
    sections = [_confusion(evaluation, result), _probabilities(evaluation, result)]
    if evaluation.images is not None:
        sections.append(_galaxies(evaluation, result))
    return sections


def _confusion(evaluation: Evaluation, result: ScoredPredictions) -> HtmlSection:
    """Precision, recall and confusion of the classes, as tables and CSV."""
    task = evaluation.class_task
    truth = result.targets.argmax(axis=1)
    report = report_table(task.columns, truth, result.decided)
    confusion = confusion_table(task.columns, truth, result.decided)
    evaluation.write_csv(f"{result.stem}_report.csv", report)
    evaluation.write_csv(f"{result.stem}_confusion.csv", confusion)
    tables = [
        ("Precision, recall and F1", report),
        ("Confusion matrix: galaxies and fraction of the true class", shade_rows(confusion)),
    ]
    text = BALANCED if task.balanced else MOST_PROBABLE
    return HtmlSection(f"{result.run}: classes", text, tables)


def _probabilities(evaluation: Evaluation, result: ScoredPredictions) -> HtmlSection:
    name = "most probable class"
    confidence = result.predictions.max(axis=1)
    predicted = result.predictions.argmax(axis=1)
    is_right = predicted == result.targets.argmax(axis=1)
    table = calibration.calibration_table(confidence[:, None], is_right[:, None], [name])
    evaluation.write_csv(f"{result.stem}_calibration.csv", table)
    error = calibration.calibration_errors(table).loc[name, "error"]
    chart = calibration.draw_calibration("calibration", table, {name: name}, "accuracy")
    return HtmlSection(
        f"{result.run}: probabilities",
        f"Expected calibration error of the most probable class: {error:.4f}, in ten bins with "
        "equal numbers of galaxies.",
        charts=[("Accuracy by confidence", [chart])],
    )


def _galaxies(evaluation: Evaluation, result: ScoredPredictions) -> HtmlSection:
    truth = result.targets.argmax(axis=1)
    predicted = result.decided
    names = [readable(name) for name in evaluation.class_task.columns]

    def describe(row: int) -> tuple[list[str], list[VoteBar]]:
        prob = result.predictions[row, predicted[row]]
        notes = [f"true: {names[truth[row]]}", f"predicted: {names[predicted[row]]} {prob:.2f}"]
        return notes, []

    wrong = confident_mistakes(result.predictions, truth, predicted, SHOWN_GALAXIES)
    galleries = evaluation.galleries(result, "Most confident mistakes", wrong, describe)
    text = "" if len(wrong) else "No mistakes."
    return HtmlSection(f"{result.run}: galaxies", text, galleries=galleries)


def report_table(names: Sequence[str], truth: np.ndarray, predicted: np.ndarray) -> pd.DataFrame:
    """Precision, recall and F1 of each class, then their means over classes and over galaxies.

    Args:
        names: of the classes, by number.
        truth: (galaxy,) class numbers.
        predicted: (galaxy,) class numbers.
    Returns:
        Columns `class`, `precision`, `recall`, `F1`, `galaxies`; 0 where nothing can be divided.
    """
    # Its keys are the classes' numbers: a class may be called "accuracy" or "macro avg".
    labels = np.arange(len(names))
    report = classification_report(
        truth, predicted, labels=labels, output_dict=True, zero_division=0
    )
    keys = [str(label) for label in labels] + ["macro avg", "weighted avg"]
    table = pd.DataFrame([report[key] for key in keys])
    table.insert(0, "class", [*names, "mean over classes", "mean over galaxies"])
    table = table.rename(columns={"f1-score": "F1", "support": "galaxies"})
    return table.astype({"galaxies": int})


def confusion_table(names: Sequence[str], truth: np.ndarray, predicted: np.ndarray) -> pd.DataFrame:
    """Numbers of galaxies: a row per `true class`, a column per predicted class."""
    counts = confusion_matrix(truth, predicted, labels=np.arange(len(names)))
    table = pd.DataFrame(counts, columns=list(names))
    table.insert(0, "true class", list(names), allow_duplicates=True)  # a class may be called so
    return table


def confident_mistakes(
    probs: np.ndarray, truth: np.ndarray, predicted: np.ndarray, count: int
) -> np.ndarray:
    """Rows of the wrongly classified galaxies, those with the largest probability first.

    Args:
        probs: (galaxy, class).
        truth: (galaxy,) class numbers.
        predicted: (galaxy,) class numbers.
        count: the most rows to return.
    """
    wrong = np.flatnonzero(predicted != truth)
    order = np.argsort(-probs[wrong, predicted[wrong]], kind="stable")
    return wrong[order[:count]]


def shade_rows(table: pd.DataFrame) -> pd.DataFrame:
    """A `confusion_table` whose cells show and are shaded by their part of the true class."""
    counts = table.iloc[:, 1:].to_numpy()
    class_sizes = counts.sum(axis=1, keepdims=True)
    shares = counts / class_sizes.clip(min=1)
    shaded = table.rename(columns=readable).astype(object)
    shaded.iloc[:, 0] = table.iloc[:, 0].map(readable)
    for row, column in np.ndindex(counts.shape):
        share = shares[row, column]
        shaded.iloc[row, column + 1] = Shaded(f"{counts[row, column]}\n{share:.0%}", share)
    return shaded
