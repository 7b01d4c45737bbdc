"""Tables of votes, worked by hand."""

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.reports.explore_votes import summarize_answers
from support.kaggle_fixtures import COLUMNS


def votes_of(*rows: dict[str, float]) -> pd.DataFrame:
    frame = pd.DataFrame(0.0, index=np.arange(len(rows)) + 500, columns=COLUMNS)
    for i, row in enumerate(rows):
        for column, value in row.items():
            frame.loc[500 + i, column] = value
    return frame


def test_means_and_majorities() -> None:
    table = summarize_answers(votes_of({"Class1.1": 0.8}, {"Class1.1": 0.5}, {}, {}))
    row = table.set_index("column").loc["Class1.1"]
    assert row[["mean", "median", "no_vote", "majority"]].tolist() == pytest.approx(
        [0.325, 0.25, 0.5, 0.25]
    )
