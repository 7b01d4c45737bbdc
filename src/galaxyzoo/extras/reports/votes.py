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
    shown = list(evaluation.detailed)
    for result in evaluation.results:
        if result.is_whole and result not in shown:
            shown.append(result)
    table = pd.DataFrame({"question": _headings(task)})
    for result in shown:
        table[_name(result)] = question_rmse(result.predictions, result.targets, task.groups)
    table["answers"] = [span.stop - span.start for span in task.groups]
    evaluation.write_csv("questions.csv", table)
    return HtmlSection("Questions", tables=[("RMSE per question", table)])


def vote_sections(evaluation: Evaluation, result: ScoredPredictions) -> list[HtmlSection]:
    """Sections on one result; writes their tables."""
    sections = [_calibration(evaluation, result)]
    if evaluation.images is not None:
        sections.append(_galaxies(evaluation, result))
    return sections


def vote_bars(predicted: np.ndarray, actual: np.ndarray) -> list[VoteBar]:
    """Bars of a galaxy's (answer,) fractions, of the answers that there is room for."""
    bars = []
    for name in SHOWN_ANSWERS:
        column = GALAXY_ZOO_2.columns.index(name)
        bars.append(VoteBar(GALAXY_ZOO_2.answer_text(name), predicted[column], actual[column]))
    return bars


def question_rmse(
    predictions: np.ndarray, targets: np.ndarray, spans: Sequence[slice]
) -> np.ndarray:
    """(question,) RMSE over all galaxies and a question's answers; (galaxy, answer) arguments."""
    return np.array([rmse(predictions[:, span], targets[:, span]) for span in spans])


def _calibration(evaluation: Evaluation, result: ScoredPredictions) -> HtmlSection:
    task = evaluation.task
    table = calibration.calibration_table(result.predictions, result.targets, task.columns)
    evaluation.write_csv(f"{result.stem}_calibration.csv", table)
    texts = {name: task.text(column) for column, name in enumerate(task.columns)}
    charts = []
    for title, span in zip(_headings(task), task.groups, strict=True):
        answers = {name: texts[name] for name in task.columns[span]}
        charts.append(calibration.draw_calibration(title, table, answers))
    caption = "Actual vs. predicted votes; each point averages a tenth of the galaxies"
    summary = calibration.calibration_errors(table)
    squares = (result.predictions - result.targets) ** 2
    summary.insert(0, "RMSE", np.sqrt(squares.mean(axis=0)))
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
    losses = task.per_sample_losses(result.predictions, result.targets)
    errors = task.score_from_loss(losses)

    def describe(row: int) -> tuple[list[str], list[VoteBar]]:
        bars = vote_bars(result.predictions[row], result.targets[row])
        return [f"RMSE {errors[row]:.3f}"], bars

    worst = np.argsort(-errors, kind="stable")[:SHOWN_GALAXIES]
    return HtmlSection(
        f"{result.run}: galaxies",
        f"Bars: {result.kind} predictions; marks: {task.truth}.",
        galleries=evaluation.galleries(result, "Largest errors", worst, describe),
    )


def _name(result: ScoredPredictions) -> str:
    """The run, with its folds where they are not all."""
    if not isinstance(result, Result) or result.is_whole:
        return result.run
    folds = ", ".join(str(fold) for fold in result.folds)
    return f"{result.run} (folds {folds})"


def _headings(task: Task) -> list[str]:
    return [f"{i}. {task.heading(span.start)}" for i, span in enumerate(task.groups, 1)]
