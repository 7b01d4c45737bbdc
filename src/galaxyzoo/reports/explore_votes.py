"""Section of the exploration page on votes, question by question."""

from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.data.catalog import Catalog
from galaxyzoo.io.tables import write_table
from galaxyzoo.reports.charts import Chart
from galaxyzoo.reports.figures import answer_label
from galaxyzoo.reports.html import HtmlSection
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2

ANSWERS = list(GALAXY_ZOO_2.columns)
_CAPTION = "How often each vote fraction occurs; the stronger the color, the more galaxies"
_BINS = 20  # of a histogram


def explore_votes(catalog: Catalog, folder: Path) -> list[HtmlSection]:
    """The section on the votes, with its table and pictures; none for a dataset of classes."""
    if not catalog.has_votes:
        return []
    votes = catalog.train[ANSWERS]
    answers = summarize_answers(votes)
    write_table(folder / "answers.csv", answers)
    answers["column"] = answers["column"].map(answer_label)
    section = HtmlSection(
        "Votes",
        "A vote fraction is the part of those asked a question who gave the answer, times the "
        "fraction of the answer that leads to the question.",
        [("Vote fractions of each answer", answers)],
        [
            (
                _CAPTION,
                _plot_distributions(votes),
            )
        ],
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


def _plot_distributions(votes: pd.DataFrame) -> list[Chart]:
    """A chart per question, a row per answer: how often each vote fraction occurs."""
    edges, charts = np.linspace(0, 1, _BINS + 1), []
    for question in GALAXY_ZOO_2.questions:
        counts = np.array([np.histogram(votes[column], edges)[0] for column in question.columns])
        cells = np.sqrt(counts / max(counts.max(), 1))  # a quarter of the galaxies: half the shade
        title = f"{question.number}. {question.text}"
        charts.append(Chart(title, "vote fraction", "", cells=cells, rows=question.answers))
    return charts
