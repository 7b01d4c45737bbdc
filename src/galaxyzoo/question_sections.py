"""Sections of the vote task's report: errors by question, by answer and by galaxy."""

from pathlib import Path

import numpy as np

from galaxyzoo.calibration import summarise_vote_calibration, vote_calibration
from galaxyzoo.decision_tree import GALAXY_ZOO_2
from galaxyzoo.evaluation import Evaluation
from galaxyzoo.galaxy_images import take_images
from galaxyzoo.images import ImageCache
from galaxyzoo.page import Section
from galaxyzoo.plots import draw_gallery
from galaxyzoo.question_plots import draw_questions, draw_vote_calibration, draw_votes
from galaxyzoo.question_tables import galaxy_rmse, question_rmse, question_table
from galaxyzoo.results import Result
from galaxyzoo.vote_tables import answer_label

_DRAWN = 12  # galaxies of a gallery
_MISSED = 8  # answers in the table of calibration


def question_section(evaluation: Evaluation) -> Section:
    """RMSE per question of the detailed result and of every other whole run."""
    shown = evaluation.detailed + [
        r for r in evaluation.results if r.is_whole and r not in evaluation.detailed
    ]
    scores = {_name(r): question_rmse(r.predictions, evaluation.targets[r.rows]) for r in shown}
    table = question_table(scores)
    evaluation.write_csv("questions.csv", table)
    path = evaluation.folder / "questions.png"
    draw_questions(path, scores, f"RMSE per question, {evaluation.catalog.dataset}")
    return Section(
        "Questions",
        tables=[("RMSE per question", table)],
        pictures=[("RMSE per question: bars of the first run, marks of the others", path)],
    )


def question_sections(evaluation: Evaluation, result: Result) -> list[Section]:
    """Sections on one result; writes their tables and pictures."""
    targets = evaluation.targets[result.rows]
    path = evaluation.folder / f"{result.stem}_votes.png"
    draw_votes(path, result.predictions, targets, f"{result.run}: predicted against voted")
    caption = "predicted against voted fractions; the colour counts galaxies"
    sections = [
        Section(f"{result.run}: answers", pictures=[(caption, path)]),
        _calibration(evaluation, result, targets),
    ]
    if evaluation.images is not None:
        sections.append(_galaxies(evaluation, evaluation.images, result, targets))
    return sections


def _calibration(evaluation: Evaluation, result: Result, targets: np.ndarray) -> Section:
    table = vote_calibration(result.predictions, targets, GALAXY_ZOO_2.columns)
    evaluation.write_csv(f"{result.stem}_calibration.csv", table)
    path = evaluation.folder / f"{result.stem}_calibration.png"
    draw_vote_calibration(path, table, f"{result.run}: what was voted of what was predicted")
    summary = summarise_vote_calibration(table)
    worst = summary.nlargest(_MISSED, "error").round(4)
    worst.index = worst.index.map(answer_label)
    caption = (
        "voted over predicted fractions, each point a tenth of the galaxies; on the line: as said"
    )
    return Section(
        f"{result.run}: calibration",
        f"A galaxy's predicted fraction is off by {summary['error'].mean():.4f} on average over "
        "answers, once galaxies with like predictions are averaged. Bias: predicted less voted.",
        [("Answers that are off most", worst.reset_index())],
        [(caption, path)],
    )


def _galaxies(
    evaluation: Evaluation, images: ImageCache, result: Result, targets: np.ndarray
) -> Section:
    errors = galaxy_rmse(result.predictions, targets)
    ids = evaluation.catalog.ids[result.rows]
    picks = {
        "worst": ("the largest errors", np.argsort(-errors, kind="stable")[:_DRAWN]),
        "sample": ("a random held-out sample", evaluation.pick_random(len(ids))[:_DRAWN]),
    }

    def draw(name: str, rows: np.ndarray, text: str) -> Path:
        return draw_gallery(
            evaluation.folder / f"{result.stem}_{name}.png",
            ids[rows],
            take_images(images, ids[rows]),
            targets[rows],
            result.predictions[rows],
            f"{result.run}: {text}",
            [f"RMSE {errors[row]:.3f}" for row in rows],
        )

    pictures = [(text, draw(name, rows, text)) for name, (text, rows) in picks.items()]
    return Section(f"{result.run}: galaxies", pictures=pictures)


def _name(result: Result) -> str:
    """The run, with its folds where they are not all."""
    folds = ", ".join(map(str, result.folds))
    return result.run if result.is_whole else f"{result.run} (folds {folds})"
