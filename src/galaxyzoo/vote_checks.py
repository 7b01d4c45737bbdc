"""Whether vote fractions that users bring are such, by range and sums; the worst are named."""

from pathlib import Path

import numpy as np
import pandas as pd

from galaxyzoo.decision_tree import GALAXY_ZOO_2, READ_TOLERANCE
from galaxyzoo.errors import InputError
from galaxyzoo.paths import shown
from galaxyzoo.tables import ID

_NAMED = 3  # of the worst


def check_range(values: pd.DataFrame, path: Path, key: str = ID) -> None:
    """Check that all values are 0 to 1, to rounding.

    Args:
        values: finite numbers, indexed by galaxy.
        path: file, for the message.
        key: name of the index in that file.
    Raises:
        InputError: some are not; the message names how many and the worst.
    """
    numbers = values.to_numpy()
    beyond = np.maximum(-numbers, numbers - 1)
    wrong = int((beyond > READ_TOLERANCE).sum())
    if wrong:
        worst = [
            f"{key} {values.index[row]}, column '{values.columns[column]}': "
            f"{numbers[row, column]:g} is outside [0, 1]"
            for row, column in _largest(beyond)[:wrong]
        ]
        raise InputError(f"{shown(path)}: {'; '.join(worst)} ({wrong:,} such values)")


def check_sums(votes: pd.DataFrame, path: Path) -> None:
    """Check that the votes obey the decision tree, to rounding.

    Args:
        votes: (galaxy, 37) vote fractions indexed by GalaxyID, columns in the tree's order.
        path: file, for the message.
    Raises:
        InputError: some do not; the message names how many galaxies and the worst of them.
    """
    residuals = GALAXY_ZOO_2.residuals(votes.to_numpy())
    largest = residuals.max(axis=1, initial=0.0)
    wrong = int((largest > READ_TOLERANCE).sum())
    if wrong:
        worst = [
            f"{ID} {votes.index[row]}: the answers of question "
            f"{GALAXY_ZOO_2.questions[residuals[row].argmax()].number} miss their parent's value "
            f"by {largest[row]:.2g}"
            for row, _ in _largest(largest[:, None])[:wrong]
        ]
        raise InputError(
            f"{shown(path)}: {'; '.join(worst)} (galaxies that do not add up: {wrong:,} of "
            f"{len(votes):,})"
        )


def _largest(values: np.ndarray) -> list[tuple[int, int]]:
    """Row and column of the largest values, those first."""
    order = np.argsort(-values, axis=None, kind="stable")[:_NAMED]
    rows, columns = np.unravel_index(order, values.shape)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))
