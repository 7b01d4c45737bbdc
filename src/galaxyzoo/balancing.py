"""As many galaxies of each class, drawn at random."""

import numpy as np
import pandas as pd


def draw_balanced(classes: pd.Series, per_class: int | None, seed: int) -> pd.Series:
    """Draw at most so many galaxies of each class, all alike probable.

    What is drawn depends on the galaxies, not on their order; and whoever is drawn for a number is
    drawn for a larger one too.

    Args:
        classes: class names by GalaxyID.
        per_class: how many; default as many as the smallest class that has any.
        seed: of the draw.
    Returns:
        Class names of the drawn galaxies, ids ascending.
    """
    classes = classes.sort_index()
    most = int(classes.value_counts().min()) if per_class is None else per_class
    drawn = []
    for name in sorted(classes.unique()):
        # a stream per class, so that one more galaxy of a class changes no other's draw
        rng = np.random.default_rng([seed, *name.encode()])
        drawn.append(rng.permutation(classes.index[classes == name].to_numpy())[:most])
    return classes.loc[np.sort(np.concatenate(drawn))]
