"""Whatever numbers come: the decision tree and the folds keep what they promise."""

import warnings
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from galaxyzoo.data.folds import make_folds
from galaxyzoo.models.heads import TreeOutput
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.registry import TASKS
from support.fuzz_fixtures import cases
from support.slow_tree import COLUMNS, PARENTS, constrain_slowly

N_ANSWERS = len(GALAXY_ZOO_2.columns)
ODD_FLOATS = [0.0, -0.0, 1.0, -1.0, 5e-324, 2.2e-308, 1e-300, 1e-9, 1 - 1e-16]
ODD_FLOATS_32 = [0.0, -0.0, 1.0, 1.401298464324817e-45, 2.0**-100, 2.0**127, -(2.0**127)]


@st.composite
def finite_votes(draw: st.DrawFn, dtype: Any = np.float64) -> np.ndarray:
    """(galaxy, answer), one to four galaxies: any finite numbers that the type can hold."""
    if dtype == np.float32:
        numbers = st.floats(-2, 2, width=32) | st.sampled_from(ODD_FLOATS_32)
    else:
        anything = st.floats(allow_nan=False, allow_infinity=False)
        odd = st.sampled_from([*ODD_FLOATS, 1.7e308, -1.7e308])
        numbers = st.one_of(st.floats(-2, 2), odd, anything)
    galaxies = draw(st.integers(1, 4))
    return draw(arrays(dtype, (galaxies, N_ANSWERS), elements=numbers))


@st.composite
def tree_votes(draw: st.DrawFn) -> np.ndarray:
    """(galaxy, answer) vote fractions that obey the decision tree, one to four galaxies.

    Each question's answers share out the fraction of the answer that leads to it; some questions
    are unanimous, and some are never asked.
    """
    galaxies = draw(st.integers(1, 4))
    counts = draw(arrays(np.int64, (galaxies, N_ANSWERS), elements=st.integers(0, 40)))
    votes = np.zeros((galaxies, N_ANSWERS))
    for question in GALAXY_ZOO_2.top_down:
        parent = GALAXY_ZOO_2.parent_index(question)
        asked = np.ones(galaxies) if parent is None else votes[:, parent]
        columns = GALAXY_ZOO_2.span(question)
        answers = counts[:, columns].astype(float)
        answers[answers.sum(axis=1) == 0, 0] = 1  # somebody answers
        shares = answers / answers.sum(axis=1, keepdims=True)
        votes[:, columns] = shares * asked[:, None]
    return votes


@dataclass(frozen=True)
class Split:
    """Galaxies to be dealt into folds."""

    targets: np.ndarray  # (galaxy, column), 0 to 1; perhaps all alike
    groups: np.ndarray  # (galaxy,) number of its group
    n_folds: int
    known_folds: np.ndarray  # (galaxy,) -1 where it is free; a group has one


@st.composite
def splits(draw: st.DrawFn) -> Split:
    """Two to forty galaxies in groups, some of which have their fold already."""
    galaxies = draw(st.integers(2, 40))
    columns = draw(st.integers(1, 4))
    n_folds = draw(st.integers(2, 6))
    kinds = [
        st.floats(0, 1),
        st.sampled_from([0.0, 1.0]),
        st.just(0.0),
        st.just(1.0),
        st.sampled_from([0.1, 0.2, 0.3, 1e-300]),
    ]
    values = draw(st.sampled_from(kinds))
    targets = draw(arrays(np.float64, (galaxies, columns), elements=values))
    last_group = draw(st.integers(0, 50))
    groups = draw(arrays(np.int64, galaxies, elements=st.integers(0, last_group)))
    known_folds = np.full(galaxies, -1)
    for group in draw(st.sets(st.sampled_from(np.unique(groups).tolist()), max_size=5)):
        known_folds[groups == group] = draw(st.integers(0, n_folds - 1))
    return Split(targets, groups, n_folds, known_folds)


def nearest_by_bisection(point: np.ndarray, total: float) -> np.ndarray:
    """Closest point of the simplex of that sum: max(point - t, 0), t found by bisection."""
    low = point.min() - total - 1.0
    high = point.max()
    for _ in range(200):
        middle = (low + high) / 2
        if np.maximum(point - middle, 0).sum() > total:
            low = middle
        else:
            high = middle
    return np.maximum(point - high, 0)


def project_slowly(votes: np.ndarray) -> np.ndarray:
    """One galaxy, question by question in the order in which volunteers were asked."""
    out = votes.copy()
    for number in (1, 6, 2, 7, 8, 3, 4, 5, 9, 10, 11):
        places = [i for i, c in enumerate(COLUMNS) if c.startswith(f"Class{number}.")]
        parent = PARENTS[number]
        total = 1.0 if parent is None else out[COLUMNS.index(parent)]
        out[places] = nearest_by_bisection(votes[places], total)
    return out


CASES = cases(60, 2000)
FEW = cases(25, 1000)


@CASES
@given(st.one_of(finite_votes(), finite_votes(np.float32)), st.randoms(use_true_random=False))
@example(1.7e308 * np.where(np.arange(2 * N_ANSWERS) % 2, 1, -1).reshape(2, -1), Random(0))
def test_the_projection_is_valid_final_and_row_by_row(votes, random):
    with warnings.catch_warnings(), np.errstate(all="raise", under="ignore"):
        warnings.simplefilter("error")
        projected = GALAXY_ZOO_2.project(votes)
    assert projected.dtype == np.float64
    assert projected.min() >= 0
    assert projected.max() <= 1
    assert GALAXY_ZOO_2.residuals(projected).max() <= 1e-12
    np.testing.assert_allclose(GALAXY_ZOO_2.project(projected), projected, rtol=0, atol=1e-12)
    order = np.array(random.sample(range(len(votes)), len(votes)))
    np.testing.assert_array_equal(GALAXY_ZOO_2.project(votes[order]), projected[order])
    np.testing.assert_array_equal(GALAXY_ZOO_2.project(votes[:1]), projected[:1])


NEAR = arrays(np.float64, (1, N_ANSWERS), elements=st.floats(-50, 50) | st.sampled_from(ODD_FLOATS))


@FEW
@given(NEAR)
def test_the_projection_equals_a_slow_plain_one(votes):
    expected = np.stack([project_slowly(row) for row in votes])
    np.testing.assert_allclose(GALAXY_ZOO_2.project(votes), expected, rtol=0, atol=1e-11)
    clipped = np.stack([project_slowly(row) for row in np.clip(votes, 0, 1)])
    np.testing.assert_allclose(TASKS["gz37"].project(votes), clipped, rtol=0, atol=1e-11)


@CASES
@given(tree_votes())
def test_valid_votes_stay_as_they_are(votes):
    assert GALAXY_ZOO_2.residuals(votes).max() <= 1e-12
    np.testing.assert_allclose(GALAXY_ZOO_2.project(votes), votes, rtol=0, atol=1e-12)
    shares = GALAXY_ZOO_2.shares(votes)
    again = GALAXY_ZOO_2.to_vote_fractions(shares, np.zeros_like(shares))
    np.testing.assert_allclose(again, votes, rtol=0, atol=1e-12)


@CASES
@given(finite_votes(np.float32))
def test_the_tree_output_is_valid_for_any_finite_logits(values):
    logits = torch.from_numpy(values).requires_grad_()
    votes = TreeOutput()(logits)
    votes.square().sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    found = votes.detach().numpy()
    assert found.min() >= 0
    assert found.max() <= 1
    assert GALAXY_ZOO_2.residuals(found).max() <= 2e-6
    if np.abs(values).max() < 80:
        expected = [constrain_slowly(row) for row in values.astype(np.float64)]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@CASES
@given(splits(), st.integers(0, 3), st.randoms(use_true_random=False))
def test_folds_are_a_partition_by_whole_groups(split, seed, random):
    groups, n_folds, known = split.groups, split.n_folds, split.known_folds
    if len(np.unique(groups)) < n_folds:
        with pytest.raises(ValueError, match="groups of galaxies make 2"):
            make_folds(split.targets, groups, n_folds, seed, known)
        return
    try:
        folds = make_folds(split.targets, groups, n_folds, seed, known)
    except ValueError:
        free_groups = len(np.unique(groups[known < 0]))
        assert free_groups < n_folds  # the known ones alone leave a fold empty
        return
    assert set(folds.tolist()) == set(range(n_folds))
    assert all(len(set(folds[groups == group])) == 1 for group in np.unique(groups))
    np.testing.assert_array_equal(folds[known >= 0], known[known >= 0])
    free = known < 0
    if free.all():
        sizes = np.bincount(folds)
        largest = np.bincount(groups).max()
        assert sizes.max() - sizes.min() <= largest
    order = np.array(random.sample(range(len(groups)), len(groups)))
    again = make_folds(split.targets[order], groups[order], n_folds, seed, known[order])
    np.testing.assert_array_equal(again, folds[order])
