"""The decision tree by hand, and what obeys it by slow plain loops, for comparison."""

import numpy as np

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
