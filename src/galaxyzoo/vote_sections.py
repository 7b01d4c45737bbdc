"""Sections of the exploration page on the volunteers' votes; their tables and pictures."""

from pathlib import Path

from galaxyzoo import vote_plots, vote_tables
from galaxyzoo.catalogs import Catalog
from galaxyzoo.page import Section
from galaxyzoo.tables import write_table
from galaxyzoo.vote_tables import answer_label

_WORST, _PAIRS = 10, 10


def explore_votes(catalog: Catalog, folder: Path) -> list[Section]:
    """Sections on the votes; none where the dataset has classes instead."""
    if not catalog.has_votes:
        return []
    votes = catalog.train
    answers = vote_tables.summarise_answers(votes)
    correlations = vote_tables.correlate_answers(votes)
    pairs = vote_tables.strongest_pairs(correlations, _PAIRS)
    write_table(folder / "answers.csv", answers)
    write_table(folder / "correlations.csv", correlations.rename_axis("answer").reset_index())
    vote_plots.plot_distributions(folder / "distributions.png", votes)
    vote_plots.plot_means(folder / "means.png", votes)
    vote_plots.plot_correlations(folder / "correlations.png", correlations)
    for column in ("answer", "other"):
        pairs[column] = pairs[column].map(answer_label)
    votes_section = Section(
        "Votes",
        "A vote fraction is the part of all volunteers that gave the answer; it already carries "
        "the fraction of the answer that leads there.",
        [("Answers of different questions that go together or exclude each other most", pairs)],
        [
            ("How often each vote fraction occurs, 20 bins", folder / "distributions.png"),
            ("Mean vote fraction of each answer", folder / "means.png"),
            ("Correlations of all answers", folder / "correlations.png"),
        ],
    )
    return [votes_section, _clarity(catalog, folder), _consistency(catalog, folder)]


def _clarity(catalog: Catalog, folder: Path) -> Section:
    clarity = vote_tables.count_clarity(vote_tables.entropies(catalog.train))
    write_table(folder / "clarity.csv", clarity)
    vote_plots.plot_clarity(folder / "clarity.png", clarity)
    return Section(
        "How clear the answers are",
        f"Entropy of the shares that a question's answers got, over that of equal shares: up to "
        f"{vote_tables.CLEAR:g} a galaxy is clear, from {vote_tables.AMBIGUOUS:g} on ambiguous. "
        f"Hardly asked: below {vote_tables.ASKED:g} of the volunteers came to the question.",
        [("Galaxies per question", clarity)],
        [("Clear and ambiguous galaxies of each question", folder / "clarity.png")],
    )


def _consistency(catalog: Catalog, folder: Path) -> Section:
    missed = vote_tables.residuals(catalog.train)
    summary = vote_tables.summarise_residuals(missed)
    worst = vote_tables.worst_galaxies(missed, _WORST)
    write_table(folder / "consistency.csv", summary)
    write_table(folder / "worst_galaxies.csv", worst)
    vote_plots.plot_residuals(folder / "consistency.png", missed)
    for table, columns in ((summary, ["largest", "mean"]), (worst, ["residual"])):
        table[columns] = table[columns].map("{:.1e}".format)
    return Section(
        "Do the votes add up?",
        "The answers of a question add up to the vote of the answer that leads to it. A table "
        "that misses this by more than 1e-5 is refused.",
        [("Misses per question", summary), ("Galaxies that miss the tree most", worst)],
        [("The largest miss of each galaxy", folder / "consistency.png")],
    )
