"""The projection onto the decision tree as slow plain loops, for comparison."""

import numpy as np
import torch

from galaxyzoo.models.heads import TreeOutput
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2

COLUMNS = GALAXY_ZOO_2.columns
PARENTS = {  # by the question's number
    1: None,
    2: "Class1.2",
    3: "Class2.2",
    4: "Class2.2",
    5: "Class2.2",
    6: None,
    7: "Class1.1",
    8: "Class6.1",
    9: "Class2.1",
    10: "Class4.1",
    11: "Class4.1",
}


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


def draw_tree(seed: int, n: int = 6) -> torch.Tensor:
    """(B, 37) vote fractions that obey the tree."""
    generator = torch.Generator().manual_seed(seed)
    return TreeOutput()(torch.randn(n, 37, generator=generator, dtype=torch.float64))


def constrain_slowly(logits: np.ndarray) -> np.ndarray:
    """The tree's output for one galaxy, question by question, in plain Python."""
    weights = dict(zip(COLUMNS, np.exp(logits), strict=True))
    values: dict[str, float] = {}
    for question in GALAXY_ZOO_2.top_down:
        parent = 1.0 if question.parent is None else values[question.parent]
        total = sum(weights[column] for column in question.columns)
        for column in question.columns:
            values[column] = parent * weights[column] / total
    return np.array([values[column] for column in COLUMNS])
