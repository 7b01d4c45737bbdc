"""Sections of a class task's report: what a result decides, how surely, and where it errs.

Tables of decided classes: precision and recall, confusion, and which galaxies to look at.

Figures of class probabilities: confusion, one-against-rest ROC curves, calibration.

Whether probabilities mean what they say: of galaxies given 0.8, are eight of ten right?
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from sklearn.metrics import classification_report, confusion_matrix, roc_auc_score, roc_curve

from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.data.prepare import take_images
from galaxyzoo.reports.evaluate import SHOWN_GALAXIES, Evaluation
from galaxyzoo.reports.figures import (
    COLORS,
    GREY,
    TRAINED,
    clean,
    draw_classes,
    new_figure,
    readable,
    save_figure,
)
from galaxyzoo.reports.html import Section
from galaxyzoo.reports.label_noise import second_crowd
from galaxyzoo.reports.results import Result
from galaxyzoo.tasks.decision_tree import VOLUNTEERS
from galaxyzoo.tasks.registry import ClassTask

MOST_PROBABLE = "The class of a galaxy is its most probable one."
BALANCED = (
    "The class of a galaxy is the one whose probability exceeds its frequency in the other folds "
    "by the largest factor, which serves balanced accuracy (Menon et al. 2021)."
)


@dataclass(frozen=True, eq=False)
class _Decided:
    """A result's galaxies with their classes."""

    evaluation: Evaluation
    result: Result

    @property
    def task(self) -> ClassTask:
        return _class_task(self.evaluation)

    @cached_property
    def targets(self) -> np.ndarray:
        return self.evaluation.targets[self.result.rows]

    @cached_property
    def truth(self) -> np.ndarray:
        return self.targets.argmax(axis=1)

    @cached_property
    def classes(self) -> np.ndarray:
        folds = self.evaluation.catalog.folds[self.result.rows]
        unscored = self.evaluation.targets[~self.result.rows]
        return self.task.decide_out_of_fold(self.result.predictions, self.targets, folds, unscored)


def class_sections(evaluation: Evaluation, result: Result) -> list[Section]:
    """All sections on one result; writes their tables and pictures."""
    decided = _Decided(evaluation, result)
    sections = [_classes(decided), _probabilities(decided)]
    if decided.task.macro:
        sections.append(_macro_classes(decided))
    if evaluation.images is not None:
        sections.append(_galaxies(decided, evaluation.images))
    return sections


def noise_section(evaluation: Evaluation) -> Section | None:
    """What a second crowd of volunteers would score, beside the best result; None without votes."""
    if evaluation.votes is None:
        return None
    crowd = second_crowd(_class_task(evaluation), evaluation.votes, evaluation.targets)
    ours = evaluation.best.scores["classes"]
    names = [name for name in crowd if not name.endswith("_sd")]
    rows = [
        {"who": f"a second crowd of {VOLUNTEERS}", **{name: crowd[name] for name in names}},
        {"who": "± sd over crowds", **{name: crowd[f"{name}_sd"] for name in names}},
        {"who": evaluation.best.run, **{name: ours[name] for name in names}},
    ]
    table = pd.DataFrame(rows).rename(columns=lambda name: name.replace("_", " "))
    evaluation.write_csv("second_crowd.csv", table)
    text = (
        f"Labels are counted votes, so they are noisy. Would {VOLUNTEERS} new volunteers for each "
        "galaxy, who answer as the published fractions say, give it the same class? Where their "
        "votes are too unclear for the label rule, the class with the largest share counts. Real "
        "crowds would agree somewhat less, because galaxies were kept where the first was clear."
    )
    return Section("How far the labels can be trusted", text, [("second crowd", table)])


def _class_task(evaluation: Evaluation) -> ClassTask:
    assert isinstance(evaluation.task, ClassTask)
    return evaluation.task


def _classes(decided: _Decided) -> Section:
    task, run = decided.task, decided.result.run
    rule = BALANCED if task.balanced else MOST_PROBABLE
    truth, guess = decided.truth, decided.classes
    return _report(decided, task.columns, truth, guess, "", f"{run}: classes", rule)


def _macro_classes(decided: _Decided) -> Section:
    task, names = decided.task, tuple(decided.task.macro)
    truth = task.to_macro(decided.targets).argmax(axis=1)
    guess = task.to_macro(decided.result.predictions).argmax(axis=1)
    members = "; ".join(f"{name}: {', '.join(some)}" for name, some in task.macro.items())
    text = f"The one with the largest summed probability. {members}."
    title = f"{decided.result.run}: macro-classes"
    return _report(decided, names, truth, guess, "macro_", title, text)


def _report(
    decided: _Decided,
    names: Sequence[str],
    truth: np.ndarray,
    guess: np.ndarray,
    prefix: str,
    title: str,
    text: str,
) -> Section:
    """Report and confusion of some classes, as tables, CSV and PNG."""
    evaluation, stem = decided.evaluation, f"{decided.result.stem}_{prefix}"
    report, counts = report_table(names, truth, guess), confusion_counts(len(names), truth, guess)
    evaluation.write_csv(f"{stem}report.csv", report)
    evaluation.write_csv(f"{stem}confusion.csv", confusion_table(names, counts))
    path = evaluation.folder / f"{stem}confusion.png"
    draw_confusion(path, counts, names, f"{title}, {len(truth)} galaxies")
    return Section(
        title,
        text,
        [("precision, recall and F1", report)],
        [("confusion matrix: galaxies, and percent of the true class", path)],
    )


def _probabilities(decided: _Decided) -> Section:
    evaluation, result = decided.evaluation, decided.result
    table = calibration_table(result.predictions, decided.truth)
    evaluation.write_csv(f"{result.stem}_calibration.csv", table)
    roc = evaluation.folder / f"{result.stem}_roc.png"
    calibration = evaluation.folder / f"{result.stem}_calibration.png"
    names = evaluation.task.columns
    draw_roc(roc, result.predictions, decided.targets, names, f"{result.run}: ROC curves")
    draw_calibration(calibration, table, result.run)
    error = expected_calibration_error(table)
    return Section(
        f"{result.run}: probabilities",
        f"Expected calibration error of the most probable class {error:.4f} (15 equally wide "
        "bins, Guo et al. 2017).",
        pictures=[
            ("ROC curves, each class against the rest", roc),
            ("calibration: how often the most probable class is right", calibration),
        ],
    )


def _galaxies(decided: _Decided, images: ImageCache) -> Section:
    result, n = decided.result, len(decided.truth)
    wrong = confident_mistakes(result.predictions, decided.truth, decided.classes, SHOWN_GALAXIES)
    picks = {
        "mistakes": ("the most confident mistakes", wrong),
        "sample": ("a random sample of held-out galaxies", decided.evaluation.pick_random(n)),
    }
    pictures = [
        (text, _grid(decided, images, name, rows, text))
        for name, (text, rows) in picks.items()
        if len(rows)
    ]
    text = "" if len(wrong) else "No galaxy is wrong."
    return Section(f"{result.run}: galaxies", text, pictures=pictures)


def _grid(decided: _Decided, images: ImageCache, name: str, rows: np.ndarray, text: str) -> Path:
    evaluation, result = decided.evaluation, decided.result
    ids = evaluation.catalog.ids[result.rows][rows]
    names, guess = np.array(evaluation.task.columns), decided.classes[rows]
    return draw_classes(
        evaluation.folder / f"{result.stem}_{name}.png",
        ids,
        take_images(images, ids),
        names[decided.truth[rows]],
        names[guess],
        result.predictions[rows, guess],
        f"{result.run}: {text}",
    )


def report_table(names: Sequence[str], truth: np.ndarray, decided: np.ndarray) -> pd.DataFrame:
    """Precision, recall and F1 of each class, then their means over classes and over galaxies.

    Args:
        names: of the classes, by number.
        truth: (galaxy,) class numbers.
        decided: (galaxy,) class numbers.
    Returns:
        Columns `class`, `precision`, `recall`, `F1`, `galaxies`; 0 where nothing can be divided.
    """
    report = classification_report(
        truth,
        decided,
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


def confusion_counts(n_classes: int, truth: np.ndarray, decided: np.ndarray) -> np.ndarray:
    """(true class, decided class) numbers of galaxies, classes without any included."""
    return confusion_matrix(truth, decided, labels=np.arange(n_classes))


def confusion_table(names: Sequence[str], counts: np.ndarray) -> pd.DataFrame:
    """The counts with the classes' names; a row per true class, first column `true class`."""
    table = pd.DataFrame(counts, index=list(names), columns=list(names))
    return table.rename_axis("true class").reset_index()


def row_shares(counts: np.ndarray) -> np.ndarray:
    """(true class, decided class) share of each row, 0 to 1; 0 where the row is empty."""
    sums = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, sums, out=np.zeros(counts.shape), where=sums > 0)


def confident_mistakes(
    probs: np.ndarray, truth: np.ndarray, decided: np.ndarray, count: int
) -> np.ndarray:
    """Rows of the wrongly decided galaxies, those with the largest probability first.

    Args:
        probs: (galaxy, class).
        truth: (galaxy,) class numbers.
        decided: (galaxy,) class numbers.
        count: at most so many.
    """
    wrong = np.flatnonzero(decided != truth)
    order = np.argsort(-probs[wrong, decided[wrong]], kind="stable")
    return wrong[order[:count]]


def draw_confusion(path: Path, counts: np.ndarray, names: Sequence[str], title: str) -> Path:
    """Draw counts and row percentages; the colour is the row's percentage.

    Args:
        path: the PNG.
        counts: (true class, decided class) numbers of galaxies.
        names: of the classes.
        title: above it.
    """
    shares, n = row_shares(counts), len(names)
    side = max(4.5, 0.95 * n + 2.2)
    figure = new_figure(side + 0.8, side)
    axis = figure.subplots()
    drawn = axis.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100)
    for i, j in np.ndindex(n, n):
        color = "white" if shares[i, j] > 0.5 else "black"
        text = f"{counts[i, j]}\n{100 * shares[i, j]:.1f} %"
        axis.text(j, i, text, ha="center", va="center", color=color, fontsize=9)
    shown = [readable(name) for name in names]
    axis.set_xticks(range(n), shown, rotation=40, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(n), shown)
    axis.set(xlabel="predicted", ylabel="true")
    axis.set_title(title, fontsize=11)
    figure.colorbar(drawn, label="% of the true class", shrink=0.8)
    return save_figure(figure, path)


def draw_roc(
    path: Path, probs: np.ndarray, targets: np.ndarray, names: Sequence[str], title: str
) -> Path:
    """Draw every class's ROC curve against the rest, the whole and the upper left corner.

    Args:
        path: the PNG.
        probs: (galaxy, class) probabilities.
        targets: (galaxy, class) one-hot; a class that all or no galaxies have gets no curve.
        names: of the classes.
        title: above it.
    """
    figure = new_figure(13.5, 5.2)
    whole, corner = figure.subplots(1, 2)
    for i, name in enumerate(names):
        label = f"{readable(name)}: no AUC (one kind alone)"
        curve: tuple[np.ndarray, np.ndarray] = (np.empty(0), np.empty(0))
        if 0 < targets[:, i].sum() < len(targets):
            label = f"{readable(name)}: {roc_auc_score(targets[:, i], probs[:, i]):.4f}"
            curve = roc_curve(targets[:, i], probs[:, i])[:2]
        for axis in (whole, corner):
            style = "-" if i % 2 == 0 else "--"
            axis.plot(*curve, style, color=COLORS[i % len(COLORS)], lw=1.8, label=label)
    whole.plot([0, 1], [0, 1], ":", color=GREY, lw=1)
    whole.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    corner.set(xlim=(-0.002, 0.2), ylim=(0.8, 1.002))
    corner.set_title("upper left corner", fontsize=10)
    for axis in (whole, corner):
        axis.set(xlabel="false positive rate", ylabel="true positive rate")
        _tidy(axis)
    handles, labels = whole.get_legend_handles_labels()
    figure.legend(
        handles, labels, title="AUC, class against rest", loc="outside right upper", frameon=False
    )
    figure.suptitle(title, fontsize=12)
    return save_figure(figure, path)


def draw_calibration(path: Path, table: pd.DataFrame, title: str) -> Path:
    """Draw accuracy over confidence, and how many galaxies have each confidence.

    Args:
        path: the PNG.
        table: of `calibration.calibration_table`.
        title: above it.
    """
    figure = new_figure(6.2, 7.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    width, middles = table["to"] - table["from"], (table["from"] + table["to"]) / 2
    upper.bar(middles, table["accuracy"], 0.92 * width, color="#88ccee", label="accuracy")
    upper.plot([0, 1], [0, 1], ":", color=GREY, label="as said")
    upper.plot(
        table["confidence"], table["accuracy"], "o", ms=4, color=TRAINED, label="mean confidence"
    )
    upper.set(ylabel="share that is right", xlim=(0, 1), ylim=(0, 1.02))
    upper.set_title(
        f"{title}\nexpected calibration error {expected_calibration_error(table):.4f}", fontsize=11
    )
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    lower.bar(middles, table["galaxies"], 0.92 * width, color=GREY)
    lower.set(xlabel="probability of the most probable class", ylabel="galaxies")
    for axis in (upper, lower):
        _tidy(axis)
    return save_figure(figure, path)


def _tidy(axis: Axes) -> None:
    clean(axis)
    axis.grid(alpha=0.25)
    axis.set_axisbelow(True)


N_BINS = 15  # as in the paper below
N_VOTE_BINS = 10


def calibration_table(probs: np.ndarray, truth: np.ndarray, n_bins: int = N_BINS) -> pd.DataFrame:
    """Confidence and accuracy of the most probable class, by equally wide bins of confidence.

    Args:
        probs: (galaxy, class) probabilities.
        truth: (galaxy,) class numbers.
        n_bins: bins over (0, 1], each open below and closed above.
    Returns:
        A row per bin: `from`, `to`, `galaxies`, mean `confidence` and `accuracy` (NaN where no
        galaxy is).
    Source: Guo et al. 2017 (ICML), "On calibration of modern neural networks", section 2.
    """
    confidence, right = probs.max(axis=1), probs.argmax(axis=1) == truth
    edges = np.linspace(0, 1, n_bins + 1)
    place = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, n_bins - 1)
    counts = np.bincount(place, minlength=n_bins)
    sums = [np.bincount(place, values, n_bins) for values in (confidence, right)]
    means = [np.divide(s, counts, out=np.full(n_bins, np.nan), where=counts > 0) for s in sums]
    return pd.DataFrame(
        {
            "from": edges[:-1],
            "to": edges[1:],
            "galaxies": counts,
            "confidence": means[0],
            "accuracy": means[1],
        }
    )


def expected_calibration_error(table: pd.DataFrame) -> float:
    """Mean over galaxies of |accuracy - confidence| of their bin; 0 to 1, 0 is best.

    Source: Guo et al. 2017, equation 3.
    """
    gaps = (table["accuracy"] - table["confidence"]).abs().fillna(0.0)
    return float((gaps * table["galaxies"]).sum() / table["galaxies"].sum())


def vote_calibration(
    predictions: np.ndarray, votes: np.ndarray, names: Sequence[str], n_bins: int = N_VOTE_BINS
) -> pd.DataFrame:
    """Mean predicted and voted fraction of each answer, by bins of equally many galaxies.

    Args:
        predictions: (galaxy, answer) predicted vote fractions.
        votes: (galaxy, answer) those of the volunteers.
        names: (answer,) of the columns.
        n_bins: of the predicted value; fewer where there are fewer galaxies.
    Returns:
        A row per answer and bin: `answer`, `galaxies`, means `predicted` and `voted`.
    """
    tables = []
    for name, column, known in zip(names, predictions.T, votes.T, strict=True):
        order = np.argsort(column, kind="stable")
        parts = np.array_split(order, min(n_bins, len(order)))
        means = [(len(part), column[part].mean(), known[part].mean()) for part in parts]
        table = pd.DataFrame(means, columns=["galaxies", "predicted", "voted"])
        table.insert(0, "answer", name)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def summarise_vote_calibration(table: pd.DataFrame) -> pd.DataFrame:
    """How far predicted fractions are off on average, per answer.

    Args:
        table: of `vote_calibration`.
    Returns:
        Indexed by answer: `bias`, the mean of predicted - voted, and `error`, the mean over
        galaxies of |predicted - voted| of their bin's means.
    """
    gaps = (table["predicted"] - table["voted"]) * table["galaxies"]
    sums = pd.DataFrame({"bias": gaps, "error": gaps.abs(), "galaxies": table["galaxies"]})
    sums = sums.groupby(table["answer"], sort=False).sum()
    return sums[["bias", "error"]].div(sums["galaxies"], axis=0)
