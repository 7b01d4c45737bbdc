"""The decision tree: its shape, the sums of its answers, and the projection onto them."""

import zipfile

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, WRITE_TOLERANCE
from support.datasets import draw_votes
from support.real_data import MINI, needs_data
from support.slow_tree import COLUMNS, PARENTS

ANSWERS = (3, 2, 2, 2, 4, 2, 3, 7, 3, 3, 6)


def row(**values: float) -> np.ndarray:
    """(1, 37) vote fractions from names such as c1_1; the others are 0."""
    out = np.zeros((1, len(COLUMNS)))
    for name, value in values.items():
        out[0, COLUMNS.index(f"Class{name[1:].replace('_', '.')}")] = value
    return out


def test_the_columns_are_the_competitions():
    expected = []
    for question, count in enumerate(ANSWERS, start=1):
        for answer in range(1, count + 1):
            expected.append(f"Class{question}.{answer}")
    assert list(COLUMNS) == expected


def test_parents_are_those_that_the_published_sums_show():
    assert {q.number: q.parent for q in GALAXY_ZOO_2.questions} == PARENTS


def test_spans_cover_every_column_once():
    places: list[int] = []
    for question in GALAXY_ZOO_2.questions:
        places += range(37)[GALAXY_ZOO_2.span(question)]
    assert places == list(range(37))
    assert GALAXY_ZOO_2.span(GALAXY_ZOO_2.questions[7]) == slice(18, 25)
    assert GALAXY_ZOO_2.answer_text("Class8.6") == "merger"


def test_top_down_puts_every_question_after_the_answer_that_leads_to_it():
    known: set[str] = set()
    for question in GALAXY_ZOO_2.top_down:
        assert question.parent is None or question.parent in known
        known.update(question.columns)
    assert known == set(COLUMNS)


def test_residuals_by_hand():
    votes = row(c1_1=0.6, c1_2=0.3, c1_3=0.1, c2_1=0.1, c2_2=0.25, c6_1=0.2, c6_2=0.7, c7_1=0.6)
    expected = [[0.0, 0.05, 0.25, 0.25, 0.25, 0.1, 0.0, 0.2, 0.1, 0.0, 0.0]]
    residuals = GALAXY_ZOO_2.residuals(votes)
    assert residuals.shape == (1, 11)
    np.testing.assert_allclose(residuals, expected, atol=1e-15)


def some_votes(seed: int) -> np.ndarray:
    drawn = draw_votes(np.random.default_rng(seed), np.arange(1))
    return GALAXY_ZOO_2.project(drawn.to_numpy())[0]


def test_shares_are_of_those_who_were_asked():
    values = np.zeros((2, 37))
    values[0, :3] = 0.25, 0.75, 0.0  # smooth, features, star
    values[0, 3:5] = 0.15, 0.6  # edge-on, not
    values[1] = some_votes(seed=1)
    shares = GALAXY_ZOO_2.shares(values)
    parents = GALAXY_ZOO_2.parents(values)
    assert shares[0, :5] == pytest.approx([0.25, 0.75, 0.0, 0.2, 0.8])
    assert parents[0, :7] == pytest.approx([1, 1, 1, 0.75, 0.75, 0.6, 0.6])
    odd = GALAXY_ZOO_2.span(GALAXY_ZOO_2.questions[7])
    assert shares[0, odd].tolist() == [0.0] * 7  # nobody said odd
    for question in GALAXY_ZOO_2.questions:
        assert shares[1, GALAXY_ZOO_2.span(question)].sum() == pytest.approx(1)


def test_drawn_votes_obey_the_tree_and_scatter_about_the_published_ones():
    votes = np.repeat(some_votes(seed=3)[None], 4000, axis=0)
    drawn = GALAXY_ZOO_2.draw(votes, 43, np.random.default_rng(4))
    assert GALAXY_ZOO_2.residuals(drawn).max() < 1e-12
    np.testing.assert_allclose(drawn * 43, np.round(drawn * 43), atol=1e-9)
    expected = np.sqrt(votes[0] * (1 - votes[0]) / 43)
    np.testing.assert_allclose(drawn.mean(axis=0), votes[0], atol=0.01)
    np.testing.assert_allclose(drawn.std(axis=0), expected, atol=0.005)


def test_projection_by_hand():
    votes = row(c1_1=0.7, c1_2=0.5, c1_3=0.1, c6_1=1.5, c6_2=0.2, c8_1=5.0)
    expected = {
        1: [0.6, 0.4, 0.0],  # their sum is 0.3 too much: each loses 0.1
        2: [0.2, 0.2],  # nothing is known: 0.4 in equal parts
        5: [0.05] * 4,
        6: [1.0, 0.0],
        7: [0.2] * 3,
        8: [1.0] + [0.0] * 6,  # all of it to the ring
    }
    projected = GALAXY_ZOO_2.project(votes)[0]
    for number, answers in expected.items():
        question = GALAXY_ZOO_2.questions[number - 1]
        assert projected[GALAXY_ZOO_2.span(question)] == pytest.approx(answers)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_projection_refuses_what_is_not_finite(bad):
    votes = np.zeros((2, 37))
    votes[1, 5] = bad
    with pytest.raises(ValueError, match="finite"):
        GALAXY_ZOO_2.project(votes)


@pytest.mark.parametrize("shape", [(37,), (2, 36), (2, 38)])
def test_another_number_of_columns_is_refused(shape):
    for method in (GALAXY_ZOO_2.project, GALAXY_ZOO_2.residuals):
        with pytest.raises(ValueError, match="37"):
            method(np.zeros(shape))


@needs_data(MINI)
def test_the_real_solutions_obey_the_tree():
    name = "training_solutions_rev1"
    with zipfile.ZipFile(MINI / f"{name}.zip") as archive, archive.open(f"{name}.csv") as file:
        votes = pd.read_csv(file)[list(COLUMNS)].to_numpy()
    assert GALAXY_ZOO_2.residuals(votes).max() < 2e-6
    assert np.abs(GALAXY_ZOO_2.project(votes) - votes).max() < 4 * WRITE_TOLERANCE
