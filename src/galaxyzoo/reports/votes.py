"""Sections of the vote task's report: errors by question, by answer and by galaxy.

Figures of predicted vote fractions: error per question, predicted against voted.

Tables of predicted vote fractions: errors per question and per galaxy.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm

from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.data.prepare import take_images
from galaxyzoo.reports.classes import summarise_vote_calibration, vote_calibration
from galaxyzoo.reports.evaluate import Evaluation
from galaxyzoo.reports.explore_stats import answer_label
from galaxyzoo.reports.figures import (
    COLORS,
    GREY,
    SHOWN_ANSWERS,
    clean,
    draw_gallery,
    new_figure,
    save_figure,
)
from galaxyzoo.reports.html import Section
from galaxyzoo.reports.results import Result
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.metrics import rmse

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


_CELLS = 40  # of a histogram, along each axis


def draw_questions(path: Path, scores: Mapping[str, np.ndarray], title: str) -> Path:
    """Draw every question's RMSE: bars of the first run, marks of the others.

    Args:
        path: the PNG.
        scores: run -> (question,) RMSE.
        title: above it.
    """
    figure = new_figure(11, 5.6)
    axis = figure.subplots()
    places = np.arange(len(GALAXY_ZOO_2.questions))[::-1]
    for i, (run, values) in enumerate(scores.items()):
        if i == 0:
            axis.barh(places, values, 0.7, color="#88ccee", label=run)
        else:
            marker = "osD^vPX*"[(i - 1) % 8]
            axis.plot(values, places, marker, ms=6, color=COLORS[(i - 1) % 10], label=run)
    axis.set_yticks(places, [f"{q.number}. {q.text}" for q in GALAXY_ZOO_2.questions])
    axis.set_xlabel("RMSE over the question's answers")
    axis.set_title(title, fontsize=12)
    clean(axis)
    axis.grid(axis="x", alpha=0.25)
    axis.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return save_figure(figure, path)


def draw_votes(path: Path, predictions: np.ndarray, targets: np.ndarray, title: str) -> Path:
    """Draw predicted against voted fractions of `SHOWN_ANSWERS` as two-dimensional histograms.

    Args:
        path: the PNG.
        predictions: (galaxy, 37).
        targets: (galaxy, 37) vote fractions.
        title: above it.
    """
    figure = new_figure(13, 6.8)
    edges = np.linspace(0, 1, _CELLS + 1)
    norm = LogNorm(1, max(len(targets), 10))
    axes = figure.subplots(2, len(SHOWN_ANSWERS) // 2, sharex=True, sharey=True)
    for axis, column in zip(axes.flat, SHOWN_ANSWERS, strict=True):
        i = GALAXY_ZOO_2.columns.index(column)
        drawn = axis.hist2d(
            targets[:, i], predictions[:, i], [edges, edges], cmap="cividis_r", norm=norm
        )
        axis.plot([0, 1], [0, 1], ":", color=GREY)
        axis.set_title(f"{column}: {GALAXY_ZOO_2.answer_text(column)}", fontsize=10)
        axis.set_aspect("equal")
    figure.supxlabel("voted fraction", fontsize=11)
    figure.supylabel("predicted fraction", fontsize=11)
    figure.colorbar(drawn[3], ax=axes, label="galaxies", shrink=0.7)
    figure.suptitle(title, fontsize=12)
    return save_figure(figure, path)


def draw_vote_calibration(path: Path, table: pd.DataFrame, title: str) -> Path:
    """Draw voted over predicted fractions, a panel per question, a line per answer.

    Args:
        path: the PNG.
        table: of `calibration.vote_calibration`, of all answers.
        title: above it.
    """
    figure = new_figure(13, 10.5)
    axes = figure.subplots(3, 4, sharex=True, sharey=True).ravel()
    axes[-1].set_axis_off()
    for axis, question in zip(axes, GALAXY_ZOO_2.questions, strict=False):
        axis.plot([0, 1], [0, 1], ":", color=GREY)
        for i, (column, answer) in enumerate(zip(question.columns, question.answers, strict=True)):
            bins = table[table["answer"] == column]
            marks = "osD^vPX"[i % 7]
            axis.plot(
                *(bins["predicted"], bins["voted"], f"{marks}-"),
                ms=4,
                lw=1,
                color=COLORS[i % 10],
                label=answer,
            )
        axis.set_title(f"{question.number}. {question.text}", fontsize=9)
        axis.legend(fontsize=7, frameon=False, loc="upper left", handlelength=1.2)
        clean(axis)
    figure.supxlabel("mean predicted fraction", fontsize=10)
    figure.supylabel("mean voted fraction", fontsize=10)
    figure.suptitle(title, fontsize=12)
    return save_figure(figure, path)


def question_rmse(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(question,) RMSE over all galaxies and a question's answers; (galaxy, 37) arguments."""
    spans = [GALAXY_ZOO_2.span(question) for question in GALAXY_ZOO_2.questions]
    return np.array([rmse(predictions[:, span], targets[:, span]) for span in spans])


def galaxy_rmse(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(galaxy,) RMSE over a galaxy's answers; (galaxy, 37) arguments."""
    return np.sqrt(np.mean(np.square(predictions - targets), axis=1))


def question_table(scores: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """A row per question: number, wording, answers, then each run's RMSE.

    Args:
        scores: run -> (question,) of `question_rmse`.
    """
    questions = GALAXY_ZOO_2.questions
    return pd.DataFrame(
        {
            "question": [f"{q.number}. {q.text}" for q in questions],
            "answers": [len(q.answers) for q in questions],
            **scores,
        }
    )
