"""Groups of galaxies as a slow plain search through all pairs, for comparison."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd


def groups_by_all_pairs(
    galaxies: Sequence[np.ndarray], belong_together: Callable[[np.ndarray, np.ndarray], bool]
) -> np.ndarray:
    """(galaxy,) number of its group; chains are one group, and first members ascend."""
    groups = np.arange(len(galaxies))
    for i in range(len(galaxies)):
        for k in range(i):
            if belong_together(galaxies[k], galaxies[i]):
                groups[groups == groups[i]] = groups[k]
    return pd.factorize(groups)[0]
