"""Sections of the vote task's report: errors by question, by answer and by galaxy."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.data.prepare import take_images
from galaxyzoo.reports.evaluate import Evaluation
from galaxyzoo.reports.figures import (
    COLORS,
    GRAY,
    SHOWN_ANSWERS,
    answer_label,
    clean,
    draw_gallery,
    new_figure,
)
from galaxyzoo.reports.html import HtmlSection
from galaxyzoo.reports.results import Result
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.metrics import rmse

_GALLERY_SIZE = 12  # galaxies
_N_WORST = 8  # answers in the table of calibration
_N_BINS = 10  # of a calibration curve
_CELLS = 40  # of a two-dimensional histogram, along each axis
_MARKERS = "osD^vPX*"


def question_section(evaluation: Evaluation) -> HtmlSection:
    """RMSE per question of the detailed results and of every other whole run."""
    shown = [*evaluation.detailed] + [
        r for r in evaluation.results if r.is_whole and r not in evaluation.detailed
    ]
    scores = {_name(r): question_rmse(r.predictions, r.targets) for r in shown}
    questions = GALAXY_ZOO_2.questions
    table = pd.DataFrame(
        {
            "question": [f"{q.number}. {q.text}" for q in questions],
            "answers": [len(q.answers) for q in questions],
            **scores,
        }
    )
    evaluation.write_csv("questions.csv", table)
    return HtmlSection("Questions", tables=[("RMSE per question", table)])


def vote_sections(evaluation: Evaluation, result: Result) -> list[HtmlSection]:
    """Sections on one result; writes their tables and pictures."""
    targets = result.targets
    figure = _draw_votes(result.predictions, targets, f"{result.run}: predicted against voted")
    path = evaluation.save_png(f"{result.stem}_votes.png", figure)
    caption = "predicted against voted fractions; the color counts galaxies"
    sections = [
        HtmlSection(f"{result.run}: answers", pictures=[(caption, path)]),
        _calibration(evaluation, result, targets),
    ]
    if evaluation.images is not None:
        sections.append(_galaxies(evaluation, evaluation.images, result, targets))
    return sections


def question_rmse(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(question,) RMSE over all galaxies and a question's answers; (galaxy, 37) arguments."""
    spans = [GALAXY_ZOO_2.span(question) for question in GALAXY_ZOO_2.questions]
    return np.array([rmse(predictions[:, span], targets[:, span]) for span in spans])


def galaxy_rmse(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(galaxy,) RMSE over a galaxy's answers; (galaxy, 37) arguments."""
    return np.sqrt(np.mean(np.square(predictions - targets), axis=1))


def vote_calibration(
    predictions: np.ndarray, votes: np.ndarray, names: Sequence[str], n_bins: int = _N_BINS
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
    rows = []
    for name, predicted, voted in zip(names, predictions.T, votes.T, strict=True):
        order = np.argsort(predicted, kind="stable")
        for part in np.array_split(order, min(n_bins, len(order))):
            rows.append((name, len(part), predicted[part].mean(), voted[part].mean()))
    return pd.DataFrame(rows, columns=["answer", "galaxies", "predicted", "voted"])


def summarize_vote_calibration(table: pd.DataFrame) -> pd.DataFrame:
    """Mean differences between predicted and voted fractions, per answer.

    Args:
        table: of `vote_calibration`.
    Returns:
        Indexed by answer: `bias`, the mean of predicted - voted, and `error`, the expected
        calibration error: |predicted - voted| of each bin's means, averaged over galaxies.
    """
    gaps = (table["predicted"] - table["voted"]) * table["galaxies"]
    sums = pd.DataFrame({"bias": gaps, "error": gaps.abs(), "galaxies": table["galaxies"]})
    sums = sums.groupby(table["answer"], sort=False).sum()
    return sums[["bias", "error"]].div(sums["galaxies"], axis=0)


def _calibration(evaluation: Evaluation, result: Result, targets: np.ndarray) -> HtmlSection:
    table = vote_calibration(result.predictions, targets, GALAXY_ZOO_2.columns)
    evaluation.write_csv(f"{result.stem}_calibration.csv", table)
    figure = _draw_calibration(table, f"{result.run}: voted against predicted fractions")
    path = evaluation.save_png(f"{result.stem}_calibration.png", figure)
    caption = "voted over predicted fractions; each point is the mean of a tenth of the galaxies"
    summary = summarize_vote_calibration(table)
    worst = summary.nlargest(_N_WORST, "error").round(4)
    worst.index = worst.index.map(answer_label)
    return HtmlSection(
        f"{result.run}: calibration",
        f"Predicted and voted fractions differ by {summary['error'].mean():.4f} on average over "
        "answers, once galaxies with similar predictions are averaged. Bias: predicted - voted.",
        [("Answers with the largest error", worst.reset_index())],
        [(caption, path)],
    )


def _galaxies(
    evaluation: Evaluation, images: ImageCache, result: Result, targets: np.ndarray
) -> HtmlSection:
    errors = galaxy_rmse(result.predictions, targets)
    ids = result.table.ids
    pictures = []
    for name, caption, rows in (
        ("worst", "the largest errors", np.argsort(-errors, kind="stable")[:_GALLERY_SIZE]),
        ("sample", "a random held-out sample", evaluation.pick_random(len(ids))[:_GALLERY_SIZE]),
    ):
        figure = draw_gallery(
            ids[rows],
            take_images(images, ids[rows]),
            targets[rows],
            result.predictions[rows],
            f"{result.run}: {caption}",
            [f"RMSE {errors[row]:.3f}" for row in rows],
        )
        pictures.append((caption, evaluation.save_png(f"{result.stem}_{name}.png", figure)))
    return HtmlSection(f"{result.run}: galaxies", pictures=pictures)


def _name(result: Result) -> str:
    """The run, with its folds where they are not all."""
    folds = ", ".join(map(str, result.folds))
    return result.run if result.is_whole else f"{result.run} (folds {folds})"


def _draw_votes(predictions: np.ndarray, targets: np.ndarray, title: str) -> Figure:
    """Draw predicted against voted fractions of `SHOWN_ANSWERS` as two-dimensional histograms."""
    figure = new_figure(13, 6.8, title)
    edges = np.linspace(0, 1, _CELLS + 1)
    norm = LogNorm(1, max(len(targets), 10))
    axes = figure.subplots(2, len(SHOWN_ANSWERS) // 2, sharex=True, sharey=True)
    for axis, column in zip(axes.flat, SHOWN_ANSWERS, strict=True):
        i = GALAXY_ZOO_2.columns.index(column)
        drawn = axis.hist2d(
            targets[:, i], predictions[:, i], [edges, edges], cmap="cividis_r", norm=norm
        )
        axis.plot([0, 1], [0, 1], ":", color=GRAY)
        axis.set_title(f"{column}: {GALAXY_ZOO_2.answer_text(column)}", fontsize=10)
        axis.set_aspect("equal")
    figure.supxlabel("voted fraction", fontsize=11)
    figure.supylabel("predicted fraction", fontsize=11)
    figure.colorbar(drawn[3], ax=axes, label="galaxies", shrink=0.7)
    return figure


def _draw_calibration(table: pd.DataFrame, title: str) -> Figure:
    """Draw a `vote_calibration` of all answers: a panel per question, a line per answer."""
    figure = new_figure(13, 10.5, title)
    axes = figure.subplots(3, 4, sharex=True, sharey=True).ravel()
    axes[-1].set_axis_off()
    for axis, question in zip(axes, GALAXY_ZOO_2.questions, strict=False):
        axis.plot([0, 1], [0, 1], ":", color=GRAY)
        for i, (column, answer) in enumerate(zip(question.columns, question.answers, strict=True)):
            bins = table[table["answer"] == column]
            style = f"{_MARKERS[i % 7]}-"
            axis.plot(
                bins["predicted"], bins["voted"], style, ms=4, lw=1, color=COLORS[i], label=answer
            )
        axis.set_title(f"{question.number}. {question.text}", fontsize=9)
        axis.legend(fontsize=7, frameon=False, loc="upper left", handlelength=1.2)
        clean(axis)
    figure.supxlabel("mean predicted fraction", fontsize=10)
    figure.supylabel("mean voted fraction", fontsize=10)
    return figure
