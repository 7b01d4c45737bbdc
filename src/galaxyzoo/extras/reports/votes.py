"""Sections of the report on votes: errors by question, answer and galaxy."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from galaxyzoo.extras.pages.answers import SHOWN_ANSWERS, answer_label
from galaxyzoo.extras.pages.html import HtmlSection, VoteBar
from galaxyzoo.extras.reports import calibration
from galaxyzoo.extras.reports.evaluate import SHOWN_GALAXIES, Evaluation
from galaxyzoo.extras.reports.results import Result, ScoredPredictions
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.kinds import Task
from galaxyzoo.tasks.metrics import rmse

_N_WORST = 8  # answers in the table of calibration


def question_section(evaluation: Evaluation) -> HtmlSection:
    """RMSE per question of the detailed results and of every other whole run."""
    task = evaluation.task
    shown = [*evaluation.detailed] + [
        r for r in evaluation.results if r.is_whole and r not in evaluation.detailed
    ]
    scores = {_name(r): question_rmse(r.predictions, r.targets, task.groups) for r in shown}
    answers = [span.stop - span.start for span in task.groups]
    table = pd.DataFrame({"question": _headings(task), **scores, "answers": answers})
    evaluation.write_csv("questions.csv", table)
    return HtmlSection("Questions", tables=[("RMSE per question", table)])


def vote_sections(evaluation: Evaluation, result: ScoredPredictions) -> list[HtmlSection]:
    """Sections on one result; writes their tables."""
    sections = [_calibration(evaluation, result)]
    if evaluation.images is not None:
        sections.append(_galaxies(evaluation, result))
    return sections


def vote_bars(predicted: np.ndarray, known: np.ndarray) -> list[VoteBar]:
    """Bars of a galaxy's (answer,) fractions, of the answers that there is room for."""
    shown = {name: GALAXY_ZOO_2.columns.index(name) for name in SHOWN_ANSWERS}
    return [
        VoteBar(GALAXY_ZOO_2.answer_text(name), predicted[i], known[i]) for name, i in shown.items()
    ]


def question_rmse(
    predictions: np.ndarray, targets: np.ndarray, spans: Sequence[slice]
) -> np.ndarray:
    """(question,) RMSE over all galaxies and a question's answers; (galaxy, answer) arguments."""
    return np.array([rmse(predictions[:, span], targets[:, span]) for span in spans])


def _calibration(evaluation: Evaluation, result: ScoredPredictions) -> HtmlSection:
    task = evaluation.task
    table = calibration.calibration_table(result.predictions, result.targets, task.columns)
    evaluation.write_csv(f"{result.stem}_calibration.csv", table)
    charts = []
    for title, span in zip(_headings(task), task.groups, strict=True):
        answers = {name: task.text(task.columns.index(name)) for name in task.columns[span]}
        charts.append(calibration.draw_calibration(title, table, answers))
    caption = "Actual vs. predicted votes; each point averages a tenth of the galaxies"
    summary = calibration.calibration_errors(table)
    summary.insert(0, "RMSE", np.sqrt(np.mean((result.predictions - result.targets) ** 2, axis=0)))
    worst = summary.nlargest(_N_WORST, "RMSE").round(4)
    worst.index = worst.index.map(answer_label)
    return HtmlSection(
        f"{result.run}: calibration",
        f"Mean calibration error {summary['error'].mean():.4f}: how far predictions and "
        f"{task.truth} differ for galaxies with similar predictions. Bias: predicted minus actual.",
        [("Answers with the largest RMSE", worst.reset_index())],
        [(caption, charts)],
    )


def _galaxies(evaluation: Evaluation, result: ScoredPredictions) -> HtmlSection:
    task = evaluation.task
    errors = task.score_from_loss(task.per_sample_losses(result.predictions, result.targets))

    def describe(row: int) -> tuple[list[str], list[VoteBar]]:
        predicted, known = result.predictions[row], result.targets[row]
        note = f"RMSE {errors[row]:.3f}"
        return [note], vote_bars(predicted, known)

    worst = np.argsort(-errors, kind="stable")[:SHOWN_GALAXIES]
    return HtmlSection(
        f"{result.run}: galaxies",
        f"Bars: out-of-fold predictions; marks: {task.truth}.",
        galleries=evaluation.galleries(result, "Largest errors", worst, describe),
    )


def _name(result: ScoredPredictions) -> str:
    """The run, with its folds where they are not all."""
    if not isinstance(result, Result) or result.is_whole:
        return result.run
    return f"{result.run} (folds {', '.join(map(str, result.folds))})"


def _headings(task: Task) -> list[str]:
    return [f"{i}. {task.heading(span.start)}" for i, span in enumerate(task.groups, 1)]
