"""Sections of the exploration page on votes: means, correlations, clarity, consistency."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from scipy.special import entr

from galaxyzoo.data.catalog import Catalog
from galaxyzoo.io.tables import write_table
from galaxyzoo.reports.figures import (
    BLUE,
    LIGHT_GREY,
    ORANGE,
    RED,
    SKY,
    answer_label,
    clean,
    new_axes,
    new_figure,
    save_figure,
)
from galaxyzoo.reports.html import HtmlSection
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, READ_TOLERANCE, WRITE_TOLERANCE

ANSWERS = list(GALAXY_ZOO_2.columns)
QUESTIONS = [f"Q{question.number}" for question in GALAXY_ZOO_2.questions]
ASKED = 0.1  # smallest vote of the parent answer at which a question's shares mean something
# Of the entropy of a question's shares, 1 where all answers are equally frequent. Of two answers
# 0.5 is a share of 89 % and 0.9 one of 68 %.
CLEAR, AMBIGUOUS = 0.5, 0.9
CLARITY = ("clear", "between", "ambiguous", "hardly_asked")
_ROUNDING = 1.001 * WRITE_TOLERANCE  # a residual of 1e-6 itself is rounding to six decimals
_LISTED = 10  # rows of a table
_BINS = 20  # of a histogram


def explore_votes(catalog: Catalog, folder: Path) -> list[HtmlSection]:
    """Sections on the votes, with their tables and pictures; none for a dataset of classes."""
    if not catalog.has_votes:
        return []
    votes = catalog.train[ANSWERS]
    return [_answers(votes, folder), _clarity(votes, folder), _consistency(votes, folder)]


def _answers(votes: pd.DataFrame, folder: Path) -> HtmlSection:
    correlations = votes.corr()
    pairs = strongest_pairs(correlations, _LISTED)
    write_table(folder / "answers.csv", summarise_answers(votes))
    write_table(folder / "correlations.csv", correlations.rename_axis("answer").reset_index())
    distributions = save_figure(_plot_distributions(votes), folder / "distributions.png")
    means = save_figure(_plot_means(votes), folder / "means.png")
    matrix = save_figure(_plot_correlations(correlations), folder / "correlations.png")
    for column in ("answer", "other"):
        pairs[column] = pairs[column].map(answer_label)
    return HtmlSection(
        "Votes",
        "A vote fraction is the part of all volunteers that gave the answer; it already carries "
        "the fraction of the answer that leads there.",
        [("Answers of different questions with the largest correlations", pairs)],
        [
            ("How often each vote fraction occurs, 20 bins", distributions),
            ("Mean vote fraction of each answer", means),
            ("Correlations of all answers", matrix),
        ],
    )


def _clarity(votes: pd.DataFrame, folder: Path) -> HtmlSection:
    clarity = count_clarity(entropies(votes))
    write_table(folder / "clarity.csv", clarity)
    path = save_figure(_plot_clarity(clarity), folder / "clarity.png")
    return HtmlSection(
        "How clear the answers are",
        f"Entropy of the shares of a question's answers, over that of equal shares: up to "
        f"{CLEAR:g} a galaxy is clear, from {AMBIGUOUS:g} on ambiguous. Hardly asked: less than "
        f"{ASKED:g} of the volunteers came to the question.",
        [("Galaxies per question", clarity)],
        [("Clear and ambiguous galaxies of each question", path)],
    )


def _consistency(votes: pd.DataFrame, folder: Path) -> HtmlSection:
    missed = residuals(votes)
    summary, worst = summarise_residuals(missed), worst_galaxies(missed, _LISTED)
    write_table(folder / "consistency.csv", summary)
    write_table(folder / "worst_galaxies.csv", worst)
    path = save_figure(_plot_residuals(missed), folder / "consistency.png")
    for table, columns in ((summary, ["largest", "mean"]), (worst, ["residual"])):
        table[columns] = table[columns].map("{:.1e}".format)
    return HtmlSection(
        "Do the votes add up?",
        "The answers of a question add up to the vote of the answer that leads to it. A table "
        "with a residual above 1e-5 is refused.",
        [("Residuals per question", summary), ("Galaxies with the largest residuals", worst)],
        [("The largest residual of each galaxy", path)],
    )


def summarise_answers(votes: pd.DataFrame) -> pd.DataFrame:
    """(answer,) mean, sd, median, and parts of the galaxies with no vote and with a majority.

    Args:
        votes: (galaxy, 37) vote fractions by column name.
    """
    table = pd.DataFrame(
        {
            "mean": votes.mean(),
            "sd": votes.std(ddof=0),
            "median": votes.median(),
            "no_vote": (votes == 0).mean(),
            "majority": (votes > 0.5).mean(),
        }
    )
    return table.rename_axis("column").reset_index()


def strongest_pairs(correlations: pd.DataFrame, count: int) -> pd.DataFrame:
    """The pairs of answers of different questions with the largest absolute correlations.

    A question and the answer that leads to it are left out: their votes are tied by the sums.

    Args:
        correlations: (37, 37); NaN where an answer never varies.
        count: the most pairs to return.
    """
    questions = {column: q for q in GALAXY_ZOO_2.questions for column in q.columns}
    pairs = [
        (a, b, correlations.loc[a, b])
        for i, a in enumerate(ANSWERS)
        for b in ANSWERS[i + 1 :]
        if questions[a] != questions[b] and a != questions[b].parent and b != questions[a].parent
    ]
    table = pd.DataFrame(pairs, columns=["answer", "other", "correlation"]).dropna()
    order = table["correlation"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order[:count]].reset_index(drop=True)


def residuals(votes: pd.DataFrame) -> pd.DataFrame:
    """(galaxy, question) |sum of the answers - vote of the parent answer|; `Q1`, …, `Q11`."""
    values = GALAXY_ZOO_2.residuals(votes.to_numpy())
    return pd.DataFrame(values, index=votes.index, columns=QUESTIONS)


def summarise_residuals(missed: pd.DataFrame) -> pd.DataFrame:
    """(question,) largest and mean residual, and galaxies beyond rounding (1e-6)."""
    beyond = (missed > _ROUNDING).sum()
    columns = {"largest": missed.max(), "mean": missed.mean(), "beyond_rounding": beyond}
    return pd.DataFrame(columns).rename_axis("question").reset_index()


def worst_galaxies(missed: pd.DataFrame, count: int) -> pd.DataFrame:
    """The galaxies with the largest residuals: `GalaxyID`, the question, the residual."""
    worst = missed.max(axis=1).nlargest(count)
    question = missed.loc[worst.index].idxmax(axis=1).to_numpy()
    return pd.DataFrame(
        {"GalaxyID": worst.index, "question": question, "residual": worst.to_numpy()}
    )


def entropies(votes: pd.DataFrame) -> pd.DataFrame:
    """(galaxy, question) entropy of the answers' shares over that of equal ones, 0 to 1.

    NaN where the votes of the answer that leads to the question are below `ASKED`.
    """
    values, out = votes.to_numpy(dtype=np.float64), {}
    for name, question in zip(QUESTIONS, GALAXY_ZOO_2.questions, strict=True):
        answers = values[:, GALAXY_ZOO_2.span(question)]
        asked = answers.sum(axis=1)
        shares = answers / np.where(asked > 0, asked, 1)[:, None]
        entropy = entr(shares).sum(axis=1) / np.log(len(question.answers))
        out[name] = np.where(asked >= ASKED, entropy, np.nan)
    return pd.DataFrame(out, index=votes.index)


def count_clarity(entropy: pd.DataFrame) -> pd.DataFrame:
    """(question,) galaxies that are clear, between, ambiguous, hardly asked; and mean entropy."""
    counts = (
        (entropy <= CLEAR).sum(),
        ((entropy > CLEAR) & (entropy < AMBIGUOUS)).sum(),
        (entropy >= AMBIGUOUS).sum(),
        entropy.isna().sum(),
    )
    table = pd.DataFrame(dict(zip(CLARITY, counts, strict=True)) | {"mean_entropy": entropy.mean()})
    table.insert(0, "text", [q.text for q in GALAXY_ZOO_2.questions])
    return table.rename_axis("question").reset_index()


def _plot_distributions(votes: pd.DataFrame) -> Figure:
    """A panel per question, a row per answer: how often each vote fraction occurs."""
    figure = new_figure(14, 10)
    axes = figure.subplots(4, 3, height_ratios=[2.4, 2.4, 3.6, 3.6]).ravel()
    edges = np.linspace(0, 1, _BINS + 1)
    for axis, name, question in zip(axes, QUESTIONS, GALAXY_ZOO_2.questions, strict=False):
        counts = [np.histogram(votes[column], edges)[0] for column in question.columns]
        parts = np.array(counts) / len(votes)
        rows = np.arange(len(parts) + 1)
        shown = np.where(parts > 0, parts, np.nan)
        mesh = axis.pcolormesh(edges, rows, shown, norm=LogNorm(1e-4, 1), cmap="cividis")
        axis.hlines(rows[1:-1], 0, 1, color="white", linewidth=1.5)
        axis.invert_yaxis()
        axis.set_yticks(rows[:-1] + 0.5, [answer_label(c) for c in question.columns])
        axis.set_title(f"{name}  {question.text}", fontsize=8.5, loc="left")
        axis.tick_params(length=0, labelsize=8)
    axes[-1].set_axis_off()
    label = "part of the galaxies (white: none)"
    figure.colorbar(mesh, ax=axes[-1], orientation="horizontal", label=label, fraction=0.3)
    figure.supxlabel("vote fraction", fontsize=10)
    return figure


def _plot_means(votes: pd.DataFrame) -> Figure:
    """Mean vote fraction of each answer, questions in turns of two colours."""
    figure, axis = new_axes(9, 9)
    colors = [
        (BLUE, ORANGE)[i % 2] for i, q in enumerate(GALAXY_ZOO_2.questions) for _ in q.answers
    ]
    bars = axis.barh([answer_label(c) for c in ANSWERS], votes.mean(), color=colors)
    axis.bar_label(bars, fmt="%.3f", fontsize=7, padding=3)
    axis.tick_params(axis="y", labelsize=8)
    axis.invert_yaxis()
    axis.margins(y=0.01)
    axis.set_xlabel("mean vote fraction")
    clean(axis)
    return figure


def _plot_correlations(correlations: pd.DataFrame) -> Figure:
    """Correlations of all pairs of answers; lines divide the questions."""
    figure, axis = new_axes(11, 9.5)
    mesh = axis.imshow(correlations, cmap="PuOr", vmin=-1, vmax=1)
    places, labels = np.arange(len(ANSWERS)), [answer_label(c) for c in ANSWERS]
    axis.set_xticks(places, labels, rotation=90)
    axis.set_yticks(places, labels)
    for question in GALAXY_ZOO_2.questions[1:]:
        edge = GALAXY_ZOO_2.span(question).start - 0.5
        axis.axhline(edge, color="black", linewidth=0.5)
        axis.axvline(edge, color="black", linewidth=0.5)
    axis.tick_params(length=0, labelsize=7)
    figure.colorbar(mesh, ax=axis, label="correlation of vote fractions", shrink=0.7)
    return figure


def _plot_clarity(clarity: pd.DataFrame) -> Figure:
    """For each question, the parts of the galaxies that are clear, between, ambiguous, unasked."""
    figure, axis = new_axes(10, 4.6)
    counts = clarity[list(CLARITY)]
    parts = counts.div(counts.sum(axis=1), axis=0)
    labels, left = clarity["question"] + "  " + clarity["text"], np.zeros(len(parts))
    for name, color in zip(CLARITY, (BLUE, SKY, ORANGE, LIGHT_GREY), strict=True):
        axis.barh(labels, parts[name], left=left, color=color, label=name.replace("_", " "))
        left += parts[name].to_numpy()
    axis.tick_params(axis="y", labelsize=9)
    axis.invert_yaxis()
    axis.set_xlim(0, 1)
    axis.set_xlabel("part of the galaxies")
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    clean(axis)
    return figure


def _plot_residuals(missed: pd.DataFrame) -> Figure:
    """Histogram of each galaxy's largest residual; the tolerances as lines."""
    figure, axis = new_axes(9, 4.0)
    # Below is the rounding of floats; an exact sum has no logarithm.
    largest = missed.max(axis=1).clip(lower=1.1e-12)
    axis.hist(largest, np.logspace(-12, -4, 49).tolist(), color=BLUE)
    axis.set_xscale("log")
    axis.axvline(WRITE_TOLERANCE, color=ORANGE, label=f"tolerance in writing: {WRITE_TOLERANCE:g}")
    axis.axvline(READ_TOLERANCE, color=RED, label=f"tolerance in reading: {READ_TOLERANCE:g}")
    axis.set_xlabel("largest residual of a galaxy's questions; the lowest bin also holds all below")
    axis.set_ylabel("galaxies")
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    clean(axis)
    return figure
