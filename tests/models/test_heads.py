"""Heads and outputs: their layers, and the tree's sums against a slow plain version."""

from typing import Any

import numpy as np
import pytest
import torch

from galaxyzoo.config.schema import HeadConfig
from galaxyzoo.models.build import build_model
from galaxyzoo.models.heads import build_head, build_output
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from support.small_models import constrain_slowly, small_config


@pytest.mark.parametrize(
    ("hidden", "sizes"),
    [(12, [(12, 16), (5, 12)]), ([12, 6], [(12, 16), (6, 12), (5, 6)]), ([], [(5, 16)])],
)
def test_a_head_has_the_hidden_layers_of_its_list(hidden: Any, sizes: list[Any]) -> None:
    head = build_head(HeadConfig(hidden=hidden, activation="tanh", input_dropout=0.5), 16, 5)
    linear = [m for m in head if isinstance(m, torch.nn.Linear)]
    assert [tuple(m.weight.shape) for m in linear] == sizes
    kinds = [type(m).__name__ for m in head]
    assert kinds == ["Dropout", *["Linear", "Tanh", "Dropout"] * (len(sizes) - 1), "Linear"]


def test_tree_output_equals_the_slow_one_and_obeys_the_tree() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = 4 * torch.randn(50, 37, generator=generator, dtype=torch.float64)
    votes = build_output("tree")(logits).numpy()
    assert np.allclose(votes, [constrain_slowly(row) for row in logits.numpy()], rtol=0, atol=1e-12)
    assert GALAXY_ZOO_2.residuals(votes).max() < 1e-12


def test_plain_and_sigmoid_outputs() -> None:
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    predictions = {}
    for kind in ("plain", "sigmoid"):
        torch.manual_seed(0)
        predictions[kind] = build_model(small_config(head={"output": kind})).eval()(images)
    assert torch.allclose(predictions["sigmoid"], torch.sigmoid(predictions["plain"]))
