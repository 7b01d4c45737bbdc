"""Tables of predicted vote fractions: errors per question and per galaxy."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from galaxyzoo.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks import rmse


def question_rmse(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(question,) RMSE over all galaxies and a question's answers; (galaxy, 37) arguments."""
    spans = [GALAXY_ZOO_2.span(question) for question in GALAXY_ZOO_2.questions]
    return np.array([rmse(predictions[:, span], targets[:, span]) for span in spans])


def galaxy_rmse(predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(galaxy,) RMSE over a galaxy's answers; (galaxy, 37) arguments."""
    return np.sqrt(np.mean(np.square(predictions - targets), axis=1))


def question_table(scores: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """A row per question: number, wording, answers, then each run's RMSE.

    Args:
        scores: run -> (question,) of `question_rmse`.
    """
    questions = GALAXY_ZOO_2.questions
    return pd.DataFrame(
        {
            "question": [f"{q.number}. {q.text}" for q in questions],
            "answers": [len(q.answers) for q in questions],
            **scores,
        }
    )
