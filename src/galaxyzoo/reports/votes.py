"""Sections of the vote task's report: errors by question, by answer and by galaxy."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from galaxyzoo.data.image_cache import ImageCache
from galaxyzoo.data.prepare import take_images
from galaxyzoo.reports.charts import DIAGONAL, Chart, Line, log_shade
from galaxyzoo.reports.evaluate import Evaluation
from galaxyzoo.reports.figures import SHOWN_ANSWERS, answer_label
from galaxyzoo.reports.html import Bar, GalaxyCard, HtmlSection
from galaxyzoo.reports.results import Result
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.metrics import rmse

_GALLERY_SIZE = 12  # galaxies
_N_WORST = 8  # answers in the table of calibration
_N_BINS = 10  # of a calibration curve
_CELLS = 40  # of a two-dimensional histogram, along each axis


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
            **scores,
            "answers": [len(q.answers) for q in questions],
        }
    )
    evaluation.write_csv("questions.csv", table)
    return HtmlSection("Questions", tables=[("RMSE per question", table)])


def vote_sections(evaluation: Evaluation, result: Result) -> list[HtmlSection]:
    """Sections on one result; writes their tables."""
    charts = _draw_votes(result.predictions, result.targets)
    caption = "predicted over voted fractions; the stronger the color, the more galaxies"
    sections = [
        HtmlSection(f"{result.run}: answers", charts=[(caption, charts)]),
        _calibration(evaluation, result),
    ]
    if evaluation.images is not None:
        sections.append(_galaxies(evaluation, evaluation.images, result))
    return sections


def vote_bars(predicted: Mapping[str, float], voted: Mapping[str, float]) -> list[Bar]:
    """Bars of `SHOWN_ANSWERS`, of a galaxy's vote fractions by column."""
    return [Bar(GALAXY_ZOO_2.answer_text(c), predicted[c], voted[c]) for c in SHOWN_ANSWERS]


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


def _calibration(evaluation: Evaluation, result: Result) -> HtmlSection:
    table = vote_calibration(result.predictions, result.targets, GALAXY_ZOO_2.columns)
    evaluation.write_csv(f"{result.stem}_calibration.csv", table)
    caption = "voted over predicted fractions; each point is the mean of a tenth of the galaxies"
    summary = summarize_vote_calibration(table)
    worst = summary.nlargest(_N_WORST, "error").round(4)
    worst.index = worst.index.map(answer_label)
    return HtmlSection(
        f"{result.run}: calibration",
        f"Predicted and voted fractions differ by {summary['error'].mean():.4f} on average over "
        "answers, once galaxies with similar predictions are averaged. Bias: predicted - voted.",
        [("Answers with the largest error", worst.reset_index())],
        [(caption, _draw_calibration(table))],
    )


def _galaxies(evaluation: Evaluation, images: ImageCache, result: Result) -> HtmlSection:
    errors = galaxy_rmse(result.predictions, result.targets)
    columns = list(GALAXY_ZOO_2.columns)

    def cards(rows: np.ndarray) -> list[GalaxyCard]:
        ids = result.table.ids[rows]
        predicted, voted = (
            pd.DataFrame(values[rows], columns=columns).to_dict("records")
            for values in (result.predictions, result.targets)
        )
        notes = [(f"RMSE {error:.3f}",) for error in errors[rows]]
        bars = map(vote_bars, predicted, voted)
        return [*map(GalaxyCard, map(str, ids), take_images(images, ids), notes, bars)]

    worst = np.argsort(-errors, kind="stable")[:_GALLERY_SIZE]
    sample = evaluation.pick_random(len(errors))[:_GALLERY_SIZE]
    return HtmlSection(
        f"{result.run}: galaxies",
        "Bars are predictions out of fold, marks the volunteers.",
        galleries=[
            ("the largest errors", cards(worst)),
            ("a random held-out sample", cards(sample)),
        ],
    )


def _name(result: Result) -> str:
    """The run, with its folds where they are not all."""
    folds = ", ".join(map(str, result.folds))
    return result.run if result.is_whole else f"{result.run} (folds {folds})"


def _draw_votes(predictions: np.ndarray, targets: np.ndarray) -> list[Chart]:
    """Draw predicted over voted fractions of `SHOWN_ANSWERS` as two-dimensional histograms."""
    edges = np.linspace(0, 1, _CELLS + 1)
    charts = []
    for column in SHOWN_ANSWERS:
        i = GALAXY_ZOO_2.columns.index(column)
        counts = np.histogram2d(predictions[:, i], targets[:, i], [edges, edges])[0][::-1]
        cells = log_shade(counts, 1, max(counts.max(), 2))
        charts.append(Chart(answer_label(column), "voted", "predicted", [DIAGONAL], cells=cells))
    return charts


def _draw_calibration(table: pd.DataFrame) -> list[Chart]:
    """Draw a `vote_calibration` of all answers: a chart per question, a line per answer."""
    charts = []
    for question in GALAXY_ZOO_2.questions:
        lines = [DIAGONAL]
        for i, (column, answer) in enumerate(zip(question.columns, question.answers, strict=True)):
            bins = table[table["answer"] == column]
            lines += [
                Line(bins["predicted"], bins["voted"], i, answer),
                Line(bins["predicted"], bins["voted"], i, style="points"),
            ]
        title = f"{question.number}. {question.text}"
        charts.append(Chart(title, "mean predicted", "mean voted", lines))
    return charts
