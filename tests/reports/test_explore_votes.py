"""Tables of votes, worked by hand."""

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.reports.explore_votes import (
    CLARITY,
    count_clarity,
    entropies,
    residuals,
    strongest_pairs,
    summarise_answers,
    summarise_residuals,
    worst_galaxies,
)
from support.kaggle_fixtures import COLUMNS, draw_votes


def votes_of(*rows: dict[str, float]) -> pd.DataFrame:
    frame = pd.DataFrame(0.0, index=np.arange(len(rows)) + 500, columns=COLUMNS)
    for i, row in enumerate(rows):
        for column, value in row.items():
            frame.loc[500 + i, column] = value
    return frame


def test_entropy_of_shares_is_hand_worked_and_missing_where_nobody_was_asked() -> None:
    votes = votes_of(
        {"Class1.2": 0.5, "Class1.1": 0.5, "Class2.1": 0.25, "Class2.2": 0.25},
        {"Class1.2": 1.0, "Class2.1": 0.75, "Class2.2": 0.25},
        {"Class1.1": 1.0, "Class7.1": 1.0, "Class2.1": 0.09},
    )
    entropy = entropies(votes)
    assert entropy["Q1"].tolist() == pytest.approx([np.log(2) / np.log(3), 0, 0])
    half = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    assert entropy["Q2"].tolist() == pytest.approx([1, half, np.nan], nan_ok=True)
    clarity = count_clarity(entropy).set_index("question")
    assert clarity.loc["Q2", list(CLARITY)].tolist() == [0, 1, 1, 1]
    assert clarity.loc["Q7", list(CLARITY)].tolist() == [1, 0, 0, 2]


def test_the_galaxies_that_miss_the_tree_are_named() -> None:
    votes = draw_votes(np.random.default_rng(0), np.arange(100, 140))
    votes.loc[117, "Class7.2"] += 0.25
    votes.loc[131, "Class6.1"] -= 0.125
    missed = residuals(votes)
    worst = worst_galaxies(missed, 2)
    assert worst["GalaxyID"].tolist() == [117, 131]
    assert worst["question"].tolist()[0] == "Q7"
    assert worst["residual"].tolist()[0] == pytest.approx(0.25, abs=1e-5)
    assert worst["residual"].tolist()[1] >= 0.1249
    summary = summarise_residuals(missed).set_index("question")
    assert summary.loc["Q7", "largest"] == pytest.approx(0.25, abs=1e-5)
    assert summary.loc["Q7", "beyond_rounding"] >= 1


def test_the_strongest_pairs_are_of_different_and_unrelated_questions() -> None:
    correlations = pd.DataFrame(0.0, index=COLUMNS, columns=COLUMNS)
    for one, other, value in (
        ("Class1.1", "Class1.2", -1.0),  # of one question
        ("Class1.2", "Class2.1", 0.95),  # an answer and what it leads to
        ("Class6.2", "Class7.1", 0.5),
        ("Class1.1", "Class6.1", -0.9),
        ("Class1.3", "Class6.1", np.nan),
    ):
        correlations.loc[one, other] = correlations.loc[other, one] = value
    pairs = strongest_pairs(correlations, 2)
    assert pairs.to_numpy().tolist() == [
        ["Class1.1", "Class6.1", -0.9],
        ["Class6.2", "Class7.1", 0.5],
    ]
    assert strongest_pairs(correlations, 10_000)["correlation"].notna().all()


def test_means_and_majorities() -> None:
    table = summarise_answers(votes_of({"Class1.1": 0.8}, {"Class1.1": 0.5}, {}, {}))
    row = table.set_index("column").loc["Class1.1"]
    assert row[["mean", "median", "no_vote", "majority"]].tolist() == pytest.approx(
        [0.325, 0.25, 0.5, 0.25]
    )
