"""Prediction tables: rows by id, folds, votes as class probabilities, scores."""

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.results.table import PredictionTable, score_table
from galaxyzoo.tasks.registry import TASKS
from support.problems import draw_votes

VOTES = TASKS["gz37"]
CLASSES = TASKS["elliptical_spiral"]
IDS = np.array([7, 3, 9, 5])
FOLDS = np.array([0, 1, 0, 1])


@pytest.fixture
def table():
    return PredictionTable(VOTES, IDS, draw_votes(np.random.default_rng(0), 4)[0], FOLDS)


def test_a_table_is_read_by_id_and_by_name_in_the_order_asked_for(table, tmp_path):
    path = tmp_path / "a.csv"
    table.write(path)
    shuffled = pd.read_csv(path).iloc[[2, 0, 3, 1], ::-1]
    shuffled.to_csv(path, index=False)
    order = [3, 1, 0, 2]
    back = PredictionTable.read(path, VOTES, IDS[order], FOLDS[order])
    np.testing.assert_allclose(back.values, table.values[order], atol=1e-9)
    with pytest.raises(InputError, match=r"another split \(GalaxyID 7: fold 0, .*such rows: 2"):
        PredictionTable.read(path, VOTES, IDS, FOLDS[[1, 0, 2, 3]])
    PredictionTable(VOTES, IDS, table.values).write(path)
    with pytest.raises(InputError, match=r"no column 'fold'.*: recreate it"):
        PredictionTable.read(path, VOTES, IDS, FOLDS)


def test_votes_become_shares_of_the_first_two_answers(table):
    shares = table.to_task(CLASSES)
    by_hand = table.values[:, :2] / table.values[:, :2].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares.values, by_hand)
    assert shares.ids.tolist() == IDS.tolist()
    assert table.to_task(VOTES) is table


def test_the_score_of_each_fold_is_that_of_its_rows(table):
    targets = draw_votes(np.random.default_rng(1), 4)[0]
    scores = score_table(VOTES, table.values, targets, FOLDS)
    for fold in (0, 1):
        off = (table.values - targets)[fold == FOLDS]
        assert scores["per_fold"][str(fold)] == pytest.approx(np.sqrt((off**2).mean()))
