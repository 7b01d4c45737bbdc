"""Whatever numbers come: the decision tree and the folds keep what they promise."""

import warnings
from random import Random

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
from support.slow_tree import constrain_slowly, project_slowly
from support.strategies import N_ANSWERS, ODD_FLOATS, finite_votes, splits, tree_votes

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
