"""Annotator resampling: how well other volunteers would score against the labels made of votes."""

import numpy as np
import pandas as pd

from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, VOLUNTEERS
from galaxyzoo.tasks.kinds import ClassTask
from galaxyzoo.tasks.metrics import mean_recall

DRAWS = 20  # their scores differ by far less than networks do
_COLUMNS = list(GALAXY_ZOO_2.columns)


def score_annotators(
    task: ClassTask, votes: pd.DataFrame, targets: np.ndarray, seed: int = 0
) -> pd.DataFrame:
    """Score resampled votes as a model: the class that they give against the published label.

    Every volunteer answers as the published fractions say. Those were themselves counted from
    volunteers, and labels are kept where they came out clear, so real volunteers would agree
    somewhat less often than this: a ceiling, not a forecast.

    Args:
        task: a task with a label rule.
        votes: (galaxy, 37) published vote fractions of the galaxies that the rule keeps.
        targets: (galaxy, class) one-hot labels, same rows.
        seed: of the draws.
    Returns:
        (draw,) `accuracy` and `balanced_accuracy` (mean recall over classes), for tasks with
        macro-classes also `macro_class_accuracy`.
    Source: own.
    """
    rng, truth = np.random.default_rng(seed), targets.argmax(axis=1)
    scores = []
    for _ in range(DRAWS):
        drawn = GALAXY_ZOO_2.draw(votes[_COLUMNS].to_numpy(), VOLUNTEERS, rng)
        nearest = nearest_class(task, pd.DataFrame(drawn, columns=_COLUMNS))
        recall = mean_recall(truth, nearest)
        scores.append({"accuracy": np.mean(nearest == truth), "balanced_accuracy": recall})
        if task.macro:
            macro_of = task.to_macro(np.eye(len(task.columns))).argmax(axis=1)
            same = macro_of[nearest] == macro_of[truth]
            scores[-1]["macro_class_accuracy"] = np.mean(same)
    return pd.DataFrame(scores)


def nearest_class(task: ClassTask, votes: pd.DataFrame) -> np.ndarray:
    """(galaxy,) class numbers: the label rule's, else the class with the largest share.

    Resampled votes may leave a galaxy unclear that the rule would then drop; it has to be given
    some class here, as a network has to.
    """
    if task.rule is None:
        raise ValueError(f"task '{task.name}' has no label rule")
    nearest = task.rule.shares(votes)[list(task.columns)].to_numpy().argmax(axis=1)
    members = pd.DataFrame(task.rule.hard(votes))[list(task.columns)].to_numpy(dtype=bool)
    return np.where(members.any(axis=1), members.argmax(axis=1), nearest)
