"""Sections of a class task's report: confusion matrix, precision and recall, ROC, calibration."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import classification_report, confusion_matrix, roc_auc_score, roc_curve

from galaxyzoo.reports.answers import readable
from galaxyzoo.reports.charts import DIAGONAL, N_COLORS, Chart, Line
from galaxyzoo.reports.evaluate import SHOWN_GALAXIES, Evaluation
from galaxyzoo.reports.html import Bar, HtmlSection, Shaded
from galaxyzoo.reports.results import Result

MOST_PROBABLE = "The predicted class of a galaxy is its most probable one."
BALANCED = (
    "The predicted class of a galaxy is the one whose probability exceeds its frequency in the "
    "other folds by the largest factor, which serves balanced accuracy (Menon et al. 2021)."
)
N_BINS = 15  # as in Guo et al. 2017


def class_sections(evaluation: Evaluation, result: Result) -> list[HtmlSection]:
    """Build all sections on one result; write their tables."""
    task = evaluation.class_task
    text = BALANCED if task.balanced else MOST_PROBABLE
    truth, predicted = result.targets.argmax(axis=1), result.decided
    sections = [
        _confusion(evaluation, result, "classes", task.columns, truth, predicted, text),
        _probabilities(evaluation, result),
    ]
    if task.macro:
        sections.append(_macro_classes(evaluation, result))
    if evaluation.images is not None:
        sections.append(_galaxies(evaluation, result))
    return sections


def _macro_classes(evaluation: Evaluation, result: Result) -> HtmlSection:
    task = evaluation.class_task
    truth = task.to_macro(result.targets).argmax(axis=1)
    predicted = task.to_macro(result.predictions).argmax(axis=1)
    members = "; ".join(f"{name}: {', '.join(classes)}" for name, classes in task.macro.items())
    text = f"The predicted one has the largest summed probability. {members}."
    names = tuple(task.macro)
    return _confusion(evaluation, result, "macro-classes", names, truth, predicted, text)


def _confusion(
    evaluation: Evaluation,
    result: Result,
    kind: str,
    names: Sequence[str],
    truth: np.ndarray,
    predicted: np.ndarray,
    text: str,
) -> HtmlSection:
    """Precision, recall and confusion of classes or macro-classes, as tables and CSV."""
    prefix = f"{result.stem}_macro_" if kind == "macro-classes" else f"{result.stem}_"
    report = report_table(names, truth, predicted)
    confusion = confusion_table(names, truth, predicted)
    evaluation.write_csv(f"{prefix}report.csv", report)
    evaluation.write_csv(f"{prefix}confusion.csv", confusion)
    caption = "confusion matrix: galaxies, and their part of the true class"
    tables = [("precision, recall and F1", report), (caption, shade_rows(confusion))]
    return HtmlSection(f"{result.run}: {kind}", text, tables)


def _probabilities(evaluation: Evaluation, result: Result) -> HtmlSection:
    table = calibration_table(result.predictions, result.targets.argmax(axis=1))
    evaluation.write_csv(f"{result.stem}_calibration.csv", table)
    roc = draw_roc(result.predictions, result.targets, evaluation.class_task.columns)
    return HtmlSection(
        f"{result.run}: probabilities",
        "Expected calibration error of the most probable class "
        f"{expected_calibration_error(table):.4f} (15 equally wide bins, Guo et al. 2017).",
        charts=[
            ("ROC curves, each class against the rest, with their AUC", [roc]),
            ("calibration: how often the most probable class is right", [_draw_calibration(table)]),
        ],
    )


def _galaxies(evaluation: Evaluation, result: Result) -> HtmlSection:
    truth, predicted = result.targets.argmax(axis=1), result.decided
    names = [readable(name) for name in evaluation.class_task.columns]

    def describe(row: int) -> tuple[list[str], list[Bar]]:
        mark = "✓" if truth[row] == predicted[row] else "✗"
        prob = result.predictions[row, predicted[row]]
        return [f"true: {names[truth[row]]}", f"{mark} {names[predicted[row]]} {prob:.2f}"], []

    wrong = confident_mistakes(result.predictions, truth, predicted, SHOWN_GALAXIES)
    galleries = evaluation.galleries(result, "the most confident mistakes", wrong, describe)
    text = "" if len(wrong) else "No galaxy is wrong."
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
    report = classification_report(
        truth,
        predicted,
        labels=np.arange(len(names)),
        target_names=list(names),
        output_dict=True,
        zero_division=0,
    )
    rows = {name: report[name] for name in names}
    rows["mean over classes"] = report["macro avg"]
    rows["mean over galaxies"] = report["weighted avg"]
    table = pd.DataFrame(rows).T.rename_axis("class").reset_index()
    table = table.rename(columns={"f1-score": "F1", "support": "galaxies"})
    return table.astype({"galaxies": int})


def confusion_table(names: Sequence[str], truth: np.ndarray, predicted: np.ndarray) -> pd.DataFrame:
    """Numbers of galaxies: a row per `true class`, a column per predicted class."""
    counts = confusion_matrix(truth, predicted, labels=np.arange(len(names)))
    table = pd.DataFrame(counts, index=list(names), columns=list(names))
    return table.rename_axis("true class").reset_index()


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


def calibration_table(probs: np.ndarray, truth: np.ndarray, n_bins: int = N_BINS) -> pd.DataFrame:
    """Confidence and accuracy of the most probable class, by equally wide bins of confidence.

    scikit-learn's `calibration_curve` leaves out empty bins and the numbers of galaxies, which the
    expected calibration error needs.

    Args:
        probs: (galaxy, class) probabilities.
        truth: (galaxy,) class numbers.
        n_bins: bins over (0, 1], each open below and closed above.
    Returns:
        A row per bin: `from`, `to`, `galaxies`, mean `confidence` and `accuracy`, which are NaN in
        an empty bin.
    Source: Guo et al. 2017 (ICML), "On calibration of modern neural networks", section 2.
    """
    values = pd.DataFrame(
        {"confidence": probs.max(axis=1), "accuracy": probs.argmax(axis=1) == truth}
    )
    edges = np.linspace(0, 1, n_bins + 1)
    place = np.clip(np.digitize(values["confidence"], edges, right=True) - 1, 0, n_bins - 1)
    means = values.astype(float).groupby(place).mean().reindex(range(n_bins))
    counts = np.bincount(place, minlength=n_bins)
    return pd.DataFrame({"from": edges[:-1], "to": edges[1:], "galaxies": counts}).join(means)


def expected_calibration_error(table: pd.DataFrame) -> float:
    """Mean over galaxies of |accuracy - confidence| of their bin; 0 to 1, 0 is best.

    Source: Guo et al. 2017, equation 3.
    """
    gaps = (table["accuracy"] - table["confidence"]).abs().fillna(0.0)
    return float((gaps * table["galaxies"]).sum() / table["galaxies"].sum())


def shade_rows(table: pd.DataFrame) -> pd.DataFrame:
    """A `confusion_table` whose cells show and are shaded by their part of the true class."""
    counts = table.drop(columns="true class")
    shares = counts.div(counts.sum(axis=1).clip(lower=1), axis=0)
    cells = {
        readable(name): [
            Shaded(f"{n}\n{share:.0%}", share)
            for n, share in zip(counts[name], shares[name], strict=True)
        ]
        for name in counts
    }
    return pd.DataFrame({"true class": table["true class"].map(readable), **cells})


def draw_roc(probs: np.ndarray, targets: np.ndarray, names: Sequence[str]) -> Chart:
    """Draw every class's ROC curve against the rest.

    Args:
        probs: (galaxy, class) probabilities.
        targets: (galaxy, class) one-hot; a class that all or no galaxies have gets no curve.
        names: of the classes.
    """
    lines = [DIAGONAL]
    for i, name in enumerate(names):
        if 0 < targets[:, i].sum() < len(targets):
            false, true, _ = roc_curve(targets[:, i], probs[:, i])
            area = roc_auc_score(targets[:, i], probs[:, i])
            style = "dashed" if i % 2 else ""
            lines.append(Line(false, true, i % N_COLORS, f"{readable(name)} {area:.4f}", style))
    axes = "false positive rate", "true positive rate"
    return Chart("ROC", *axes, lines)


def _draw_calibration(table: pd.DataFrame) -> Chart:
    """Draw accuracy over confidence, of `calibration_table`."""
    means = Line(table["confidence"], table["accuracy"], 2, "accuracy at mean confidence", "points")
    bars = [*zip(table["from"], table["to"], table["accuracy"], strict=True)]
    axis = "probability of the most probable class"
    return Chart("accuracy", axis, "accuracy", [DIAGONAL, means], bars)
