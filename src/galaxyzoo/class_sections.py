"""Sections of a class task's report: what a result decides, how surely, and where it errs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.calibration import calibration_table, expected_calibration_error
from galaxyzoo.class_plots import draw_calibration, draw_confusion, draw_roc
from galaxyzoo.class_scores import decide_out_of_fold, to_macro
from galaxyzoo.class_tables import (
    confident_mistakes,
    confusion_counts,
    confusion_table,
    report_table,
)
from galaxyzoo.decision_tree import VOLUNTEERS
from galaxyzoo.evaluation import SHOWN_GALAXIES, Evaluation
from galaxyzoo.galaxy_images import take_images
from galaxyzoo.images import ImageCache
from galaxyzoo.label_noise import second_crowd
from galaxyzoo.page import Section
from galaxyzoo.plots import draw_classes
from galaxyzoo.results import Result

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
        return decide_out_of_fold(
            self.evaluation.task, self.result.predictions, self.targets, folds, unscored
        )


def class_sections(evaluation: Evaluation, result: Result) -> list[Section]:
    """All sections on one result; writes their tables and pictures."""
    decided = _Decided(evaluation, result)
    sections = [_classes(decided), _probabilities(decided)]
    if evaluation.task.macro:
        sections.append(_macro_classes(decided))
    if evaluation.images is not None:
        sections.append(_galaxies(decided, evaluation.images))
    return sections


def noise_section(evaluation: Evaluation) -> Section | None:
    """What a second crowd of volunteers would score, beside the best result; None without votes."""
    if evaluation.votes is None:
        return None
    crowd = second_crowd(evaluation.task, evaluation.votes, evaluation.targets)
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


def _classes(decided: _Decided) -> Section:
    task, run = decided.evaluation.task, decided.result.run
    rule = BALANCED if task.balanced else MOST_PROBABLE
    truth, guess = decided.truth, decided.classes
    return _report(decided, task.columns, truth, guess, "", f"{run}: classes", rule)


def _macro_classes(decided: _Decided) -> Section:
    task, names = decided.evaluation.task, tuple(decided.evaluation.task.macro)
    truth = to_macro(task, decided.targets).argmax(axis=1)
    guess = to_macro(task, decided.result.predictions).argmax(axis=1)
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
