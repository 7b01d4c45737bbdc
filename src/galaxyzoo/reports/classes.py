"""Sections of a class task's report: confusion matrix, precision and recall, ROC, calibration."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    classification_report,
    confusion_matrix,
    roc_auc_score,
    roc_curve,
)

from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.data.prepare import take_images
from galaxyzoo.reports.evaluate import SHOWN_GALAXIES, Evaluation
from galaxyzoo.reports.figures import (
    COLORS,
    GRAY,
    RIGHT,
    SKY,
    TRAINED,
    WRONG,
    clean,
    draw_galaxies,
    new_axes,
    new_figure,
    readable,
)
from galaxyzoo.reports.html import HtmlSection
from galaxyzoo.reports.results import Result
from galaxyzoo.tasks.kinds import ClassTask

MOST_PROBABLE = "The predicted class of a galaxy is its most probable one."
BALANCED = (
    "The predicted class of a galaxy is the one whose probability exceeds its frequency in the "
    "other folds by the largest factor, which serves balanced accuracy (Menon et al. 2021)."
)
N_BINS = 15  # as in Guo et al. 2017


@dataclass(frozen=True, eq=False)
class _Classified:
    """A result's galaxies with their true and their predicted classes."""

    evaluation: Evaluation
    result: Result

    @property
    def task(self) -> ClassTask:
        return self.evaluation.class_task

    @cached_property
    def truth(self) -> np.ndarray:
        return self.result.targets.argmax(axis=1)

    @cached_property
    def predicted(self) -> np.ndarray:
        result, table = self.result, self.result.table
        assert table.folds is not None
        return self.task.decide_out_of_fold(
            table.values, result.targets, table.folds, result.unscored
        )

    def write_csv(self, name: str, table: pd.DataFrame) -> None:
        self.evaluation.write_csv(f"{self.result.stem}_{name}", table)

    def save_png(self, name: str, figure: Figure) -> Path:
        return self.evaluation.save_png(f"{self.result.stem}_{name}", figure)


def class_sections(evaluation: Evaluation, result: Result) -> list[HtmlSection]:
    """Build all sections on one result; write their tables and pictures."""
    classified = _Classified(evaluation, result)
    sections = [_classes(classified), _probabilities(classified)]
    if classified.task.macro:
        sections.append(_macro_classes(classified))
    if evaluation.images is not None:
        sections.append(_galaxies(classified, evaluation.images))
    return sections


def _classes(classified: _Classified) -> HtmlSection:
    task = classified.task
    text = BALANCED if task.balanced else MOST_PROBABLE
    classes = classified.truth, classified.predicted
    return _confusion(classified, "classes", task.columns, *classes, text)


def _macro_classes(classified: _Classified) -> HtmlSection:
    task = classified.task
    truth = task.to_macro(classified.result.targets).argmax(axis=1)
    predicted = task.to_macro(classified.result.predictions).argmax(axis=1)
    members = "; ".join(f"{name}: {', '.join(classes)}" for name, classes in task.macro.items())
    text = f"The predicted one has the largest summed probability. {members}."
    return _confusion(classified, "macro-classes", tuple(task.macro), truth, predicted, text)


def _confusion(
    classified: _Classified,
    kind: str,
    names: Sequence[str],
    truth: np.ndarray,
    predicted: np.ndarray,
    text: str,
) -> HtmlSection:
    """Precision, recall and confusion of classes or macro-classes, as tables, CSV and PNG."""
    title = f"{classified.result.run}: {kind}"
    prefix = "macro_" if kind == "macro-classes" else ""
    report = report_table(names, truth, predicted)
    confusion = confusion_table(names, truth, predicted)
    classified.write_csv(f"{prefix}report.csv", report)
    classified.write_csv(f"{prefix}confusion.csv", confusion)
    figure = draw_confusion(confusion, f"{title}, {len(truth)} galaxies")
    path = classified.save_png(f"{prefix}confusion.png", figure)
    return HtmlSection(
        title,
        text,
        [("precision, recall and F1", report)],
        [("confusion matrix: galaxies, and percent of the true class", path)],
    )


def _probabilities(classified: _Classified) -> HtmlSection:
    result = classified.result
    table = calibration_table(result.predictions, classified.truth)
    classified.write_csv("calibration.csv", table)
    names, title = classified.task.columns, f"{result.run}: ROC curves"
    roc = draw_roc(result.predictions, classified.result.targets, names, title)
    calibration = draw_calibration(table, result.run)
    return HtmlSection(
        f"{result.run}: probabilities",
        "Expected calibration error of the most probable class "
        f"{expected_calibration_error(table):.4f} (15 equally wide bins, Guo et al. 2017).",
        pictures=[
            ("ROC curves, each class against the rest", classified.save_png("roc.png", roc)),
            (
                "calibration: how often the most probable class is right",
                classified.save_png("calibration.png", calibration),
            ),
        ],
    )


def _galaxies(classified: _Classified, images: ImageCache) -> HtmlSection:
    evaluation, result = classified.evaluation, classified.result
    wrong = confident_mistakes(
        result.predictions, classified.truth, classified.predicted, SHOWN_GALAXIES
    )
    sample = evaluation.pick_random(len(classified.truth))
    pictures = []
    for name, caption, rows in (
        ("mistakes", "the most confident mistakes", wrong),
        ("sample", "a random sample of held-out galaxies", sample),
    ):
        if len(rows):
            figure = _draw_galaxies(classified, images, rows, f"{result.run}: {caption}")
            pictures.append((caption, classified.save_png(f"{name}.png", figure)))
    text = "" if len(wrong) else "No galaxy is wrong."
    return HtmlSection(f"{result.run}: galaxies", text, pictures=pictures)


def _draw_galaxies(
    classified: _Classified, images: ImageCache, rows: np.ndarray, title: str
) -> Figure:
    """A grid of some galaxies with true class, predicted class and its probability."""
    ids = classified.result.table.ids[rows]
    names = [readable(name) for name in classified.task.columns]
    notes, colors = [], []
    for row in rows:
        truth, predicted = classified.truth[row], classified.predicted[row]
        mark, color = ("✓", RIGHT) if truth == predicted else ("✗", WRONG)
        prob = classified.result.predictions[row, predicted]
        notes.append(f"true: {names[truth]}\n{mark} {names[predicted]} {prob:.2f}")
        colors.append(color)
    return draw_galaxies(ids, take_images(images, ids), notes, title, colors)


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


def draw_confusion(table: pd.DataFrame, title: str) -> Figure:
    """Draw a `confusion_table`: numbers of galaxies, and percent of each true class as color."""
    counts = table.drop(columns="true class").to_numpy()
    percent = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(4.5, 0.95 * len(counts) + 2.2)
    figure, axis = new_axes(side + 0.8, side)
    names = [readable(name) for name in table["true class"]]
    display = ConfusionMatrixDisplay(percent, display_labels=names)
    display.plot(ax=axis, cmap="Blues", im_kw={"vmin": 0, "vmax": 100}, colorbar=False)
    for text, count, part in zip(display.text_.flat, counts.flat, percent.flat, strict=True):
        text.set(text=f"{count}\n{part:.1f} %", fontsize=9)
    axis.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    axis.set_title(title, fontsize=11)
    figure.colorbar(display.im_, label="% of the true class", shrink=0.8)
    return figure


def draw_roc(probs: np.ndarray, targets: np.ndarray, names: Sequence[str], title: str) -> Figure:
    """Draw every class's ROC curve against the rest: the whole, and the upper left corner.

    Args:
        probs: (galaxy, class) probabilities.
        targets: (galaxy, class) one-hot; a class that all or no galaxies have gets no curve.
        names: of the classes.
        title: above it.
    """
    figure = new_figure(13.5, 5.2, title)
    whole, corner = figure.subplots(1, 2)
    for i, name in enumerate(names):
        label = f"{readable(name)}: no AUC (one kind alone)"
        curve: tuple[np.ndarray, np.ndarray] = (np.empty(0), np.empty(0))
        if 0 < targets[:, i].sum() < len(targets):
            label = f"{readable(name)}: {roc_auc_score(targets[:, i], probs[:, i]):.4f}"
            curve = roc_curve(targets[:, i], probs[:, i])[:2]
        style = "-" if i % 2 == 0 else "--"
        for axis in (whole, corner):
            axis.plot(*curve, style, color=COLORS[i % len(COLORS)], lw=1.8, label=label)
    whole.plot([0, 1], [0, 1], ":", color=GRAY, lw=1)
    whole.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    corner.set(xlim=(-0.002, 0.2), ylim=(0.8, 1.002), title="upper left corner")
    for axis in (whole, corner):
        axis.set(xlabel="false positive rate", ylabel="true positive rate")
        clean(axis, grid="both")
    handles, labels = whole.get_legend_handles_labels()
    figure.legend(
        handles, labels, title="AUC, class against rest", loc="outside right upper", frameon=False
    )
    return figure


def draw_calibration(table: pd.DataFrame, title: str) -> Figure:
    """Draw accuracy over confidence, and the number of galaxies at each confidence.

    Args:
        table: of `calibration_table`.
        title: above it.
    """
    figure = new_figure(6.2, 7.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    width, middles = 0.92 * (table["to"] - table["from"]), (table["from"] + table["to"]) / 2
    upper.bar(middles, table["accuracy"], width, color=SKY, label="accuracy")
    upper.plot([0, 1], [0, 1], ":", color=GRAY, label="perfect calibration")
    confidence = table["confidence"], table["accuracy"]
    upper.plot(*confidence, "o", ms=4, color=TRAINED, label="mean confidence")
    upper.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.02))
    error = expected_calibration_error(table)
    upper.set_title(f"{title}\nexpected calibration error {error:.4f}", fontsize=11)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    lower.bar(middles, table["galaxies"], width, color=GRAY)
    lower.set(xlabel="probability of the most probable class", ylabel="galaxies")
    for axis in (upper, lower):
        clean(axis, grid="both")
    return figure
