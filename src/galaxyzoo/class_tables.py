"""Tables of decided classes: precision and recall, confusion, and which galaxies to look at."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import classification_report, confusion_matrix


def report_table(names: Sequence[str], truth: np.ndarray, decided: np.ndarray) -> pd.DataFrame:
    """Precision, recall and F1 of each class, then their means over classes and over galaxies.

    Args:
        names: of the classes, by number.
        truth: (galaxy,) class numbers.
        decided: (galaxy,) class numbers.
    Returns:
        Columns `class`, `precision`, `recall`, `F1`, `galaxies`; 0 where nothing can be divided.
    """
    report = classification_report(
        truth,
        decided,
        labels=np.arange(len(names)),
        target_names=list(names),
        output_dict=True,
        zero_division=0,
    )
    rows = {name: report[name] for name in names}
    rows["mean over classes"] = report["macro avg"]
    rows["mean over galaxies"] = report["weighted avg"]
    table = pd.DataFrame(rows).T.rename_axis("class").reset_index()
    table = table.rename(columns={"f1-score": "F1", "support": "galaxies"})
    return table.astype({"galaxies": int})


def confusion_counts(n_classes: int, truth: np.ndarray, decided: np.ndarray) -> np.ndarray:
    """(true class, decided class) numbers of galaxies, classes without any included."""
    return confusion_matrix(truth, decided, labels=np.arange(n_classes))


def confusion_table(names: Sequence[str], counts: np.ndarray) -> pd.DataFrame:
    """The counts with the classes' names; a row per true class, first column `true class`."""
    table = pd.DataFrame(counts, index=list(names), columns=list(names))
    return table.rename_axis("true class").reset_index()


def row_shares(counts: np.ndarray) -> np.ndarray:
    """(true class, decided class) share of each row, 0 to 1; 0 where the row is empty."""
    sums = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, sums, out=np.zeros(counts.shape), where=sums > 0)


def confident_mistakes(
    probs: np.ndarray, truth: np.ndarray, decided: np.ndarray, count: int
) -> np.ndarray:
    """Rows of the wrongly decided galaxies, those with the largest probability first.

    Args:
        probs: (galaxy, class).
        truth: (galaxy,) class numbers.
        decided: (galaxy,) class numbers.
        count: at most so many.
    """
    wrong = np.flatnonzero(decided != truth)
    order = np.argsort(-probs[wrong, decided[wrong]], kind="stable")
    return wrong[order[:count]]
