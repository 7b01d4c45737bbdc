"""Heads and outputs: their layers, and the tree's sums against a slow plain version."""

import numpy as np
import pandas as pd
import pytest
import torch

from galaxyzoo.config.schema import HeadConfig
from galaxyzoo.models.heads import build_head, build_output
from galaxyzoo.models.losses import cross_entropy
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.registry import CLASS_TASKS, TASKS
from support.slow_tree import constrain_slowly


@pytest.mark.parametrize(
    ("hidden", "sizes"),
    [(12, [(12, 16), (5, 12)]), ([12, 6], [(12, 16), (6, 12), (5, 6)]), ([], [(5, 16)])],
)
def test_a_head_has_the_hidden_layers_of_its_list(hidden, sizes):
    head = build_head(HeadConfig(hidden=hidden, activation="tanh", input_dropout=0.5), 16, 5)
    linear = [m for m in head if isinstance(m, torch.nn.Linear)]
    assert [tuple(m.weight.shape) for m in linear] == sizes
    kinds = [type(m).__name__ for m in head]
    assert kinds == ["Dropout", *["Linear", "Tanh", "Dropout"] * (len(sizes) - 1), "Linear"]


def test_tree_output_equals_the_slow_one_and_obeys_the_tree():
    generator = torch.Generator().manual_seed(1)
    logits = 4 * torch.randn(50, 37, generator=generator, dtype=torch.float64)
    votes = build_output("tree", TASKS["gz37"])(logits).numpy()
    assert np.allclose(votes, [constrain_slowly(row) for row in logits.numpy()], rtol=0, atol=1e-12)
    assert GALAXY_ZOO_2.residuals(votes).max() < 1e-12


@pytest.mark.parametrize(
    "task", [task for task in CLASS_TASKS.values() if task.rule], ids=lambda task: task.name
)
def test_rule_output_is_the_rules_shares_of_the_votes(task):
    generator = torch.Generator().manual_seed(1)
    logits = 4 * torch.randn(50, 37, generator=generator, dtype=torch.float64)
    votes = build_output("tree", TASKS["gz37"])(logits).numpy()
    assert task.rule is not None
    expected = task.rule.shares(pd.DataFrame(votes, columns=list(GALAXY_ZOO_2.columns)))
    probs = build_output("rule", task)(logits).numpy()
    assert np.allclose(probs, expected[list(task.columns)], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("zoo5", [0.2] * 5),  # no vote is left for any class
        ("hubble10", [0.0] * 8 + [0.5] * 2),  # all are asked whether it is odd
    ],
)
def test_rule_output_learns_where_the_votes_are_certain(name, expected):
    logits = torch.zeros(2, 37)
    count = len(expected)
    logits[0, GALAXY_ZOO_2.columns.index("Class1.3")] = 500.0  # in float32, all for a star
    logits[1, GALAXY_ZOO_2.columns.index("Class2.1")] = 500.0  # nobody is asked for arms or bars
    logits.requires_grad_()
    probs = build_output("rule", CLASS_TASKS[name])(logits)
    assert torch.allclose(probs[0], torch.tensor(expected), atol=1e-6)
    assert torch.allclose(probs.sum(dim=1), torch.ones(2))
    cross_entropy(probs, torch.eye(count)[[0, -1]]).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad[1].any()
