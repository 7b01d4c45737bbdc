"""Check users' vote fractions: their range, and their sums on the decision tree."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.core import paths
from galaxyzoo.core.errors import InputError
from galaxyzoo.io.tables import ID
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2, READ_TOLERANCE

_N_WORST = 3  # values that a message names


def check_range(values: pd.DataFrame, path: Path, key: str = ID) -> None:
    """Check that all values are 0 to 1, to rounding; the message names the worst.

    Args:
        values: finite numbers, indexed by galaxy.
        path: the file, for the message.
        key: name of the index in that file.
    """
    numbers = values.to_numpy()

    def describe(row: int, column: int) -> str:
        cell = f"{key} {values.index[row]}, column '{values.columns[column]}'"
        return f"{cell}: {numbers[row, column]:g} is outside [0, 1]"

    _refuse_worst(np.maximum(-numbers, numbers - 1), path, describe)


def check_sums(votes: pd.DataFrame, path: Path) -> None:
    """Check that the votes obey the decision tree, to rounding; the message names the worst.

    Args:
        votes: (galaxy, 37) vote fractions indexed by GalaxyID, columns in the tree's order.
        path: the file, for the message.
    """
    residuals = GALAXY_ZOO_2.residuals(votes.to_numpy())

    def describe(row: int, question: int) -> str:
        number = GALAXY_ZOO_2.questions[question].number
        fractions = f"{ID} {votes.index[row]}: the vote fractions of question {number}"
        return f"{fractions} have the wrong sum (off by {residuals[row, question]:.2g})"

    _refuse_worst(residuals, path, describe)


def _refuse_worst(excess: np.ndarray, path: Path, describe: Callable[[int, int], str]) -> None:
    """Refuse a table where (row, column) values exceed the tolerance; describe the worst."""
    n_wrong = int((excess > READ_TOLERANCE).sum())
    if not n_wrong:
        return
    places = np.argsort(-excess, axis=None, kind="stable")[: min(n_wrong, _N_WORST)]
    rows, columns = np.unravel_index(places, excess.shape)
    worst = "; ".join(map(describe, rows.tolist(), columns.tolist()))
    raise InputError(f"{paths.shown(path)}: {worst} (problems: {n_wrong:,})")
