"""Section of the exploration page on votes, question by question."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from galaxyzoo.data.catalog import Catalog
from galaxyzoo.io.tables import write_table
from galaxyzoo.reports.figures import answer_label, new_figure, save_figure
from galaxyzoo.reports.html import HtmlSection
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2

ANSWERS = list(GALAXY_ZOO_2.columns)
_BINS = 20  # of a histogram


def explore_votes(catalog: Catalog, folder: Path) -> list[HtmlSection]:
    """The section on the votes, with its table and pictures; none for a dataset of classes."""
    if not catalog.has_votes:
        return []
    votes = catalog.train[ANSWERS]
    answers = summarize_answers(votes)
    write_table(folder / "answers.csv", answers)
    distributions = save_figure(_plot_distributions(votes), folder / "distributions.png")
    answers["column"] = answers["column"].map(answer_label)
    section = HtmlSection(
        "Votes",
        "A vote fraction is the part of those asked a question who gave the answer, times the "
        "fraction of the answer that leads to the question.",
        [("Vote fractions of each answer", answers)],
        [("How often each vote fraction occurs, 20 bins", distributions)],
    )
    return [section]


def summarize_answers(votes: pd.DataFrame) -> pd.DataFrame:
    """(answer,) mean, sd, median, and parts of the galaxies where it got no vote, or a majority.

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


def _plot_distributions(votes: pd.DataFrame) -> Figure:
    """A panel per question, a row per answer: how often each vote fraction occurs."""
    figure = new_figure(14, 10)
    axes = figure.subplots(4, 3, height_ratios=[2.4, 2.4, 3.6, 3.6]).ravel()
    edges = np.linspace(0, 1, _BINS + 1)
    for axis, question in zip(axes, GALAXY_ZOO_2.questions, strict=False):
        counts = [np.histogram(votes[column], edges)[0] for column in question.columns]
        shares = np.array(counts) / len(votes)
        rows = np.arange(len(shares) + 1)
        shown = np.where(shares > 0, shares, np.nan)
        mesh = axis.pcolormesh(edges, rows, shown, norm=LogNorm(1e-4, 1), cmap="cividis")
        axis.hlines(rows[1:-1], 0, 1, color="white", linewidth=1.5)
        axis.invert_yaxis()
        axis.set_yticks(rows[:-1] + 0.5, [answer_label(c) for c in question.columns])
        axis.set_title(f"Q{question.number}  {question.text}", fontsize=8.5, loc="left")
        axis.tick_params(length=0, labelsize=8)
    axes[-1].set_axis_off()
    label = "part of the galaxies (white: none)"
    figure.colorbar(mesh, ax=axes[-1], orientation="horizontal", label=label, fraction=0.3)
    figure.supxlabel("vote fraction", fontsize=10)
    return figure
