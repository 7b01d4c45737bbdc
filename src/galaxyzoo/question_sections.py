"""Sections of the vote task's report: errors by question, by answer and by galaxy."""

from pathlib import Path

import numpy as np

from galaxyzoo.evaluation import Evaluation
from galaxyzoo.galaxy_images import take_images
from galaxyzoo.images import ImageCache
from galaxyzoo.page import Section
from galaxyzoo.plots import draw_gallery
from galaxyzoo.question_plots import draw_questions, draw_votes
from galaxyzoo.question_tables import galaxy_rmse, question_rmse, question_table
from galaxyzoo.results import Result

_DRAWN = 12  # galaxies of a gallery


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
    sections = [Section(f"{result.run}: answers", pictures=[(caption, path)])]
    if evaluation.images is not None:
        sections.append(_galaxies(evaluation, evaluation.images, result, targets))
    return sections


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
