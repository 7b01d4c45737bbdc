"""Pseudo-labels brought into line with what another dataset says of the same galaxies.

A galaxy whose votes are unknown may have a class in another dataset, made from those votes: on
galaxies that have both, it is learned how far a class moves predicted votes, and those without
votes are moved likewise.

Source: own.
"""

import numpy as np

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import Catalog

FEWEST = 100  # galaxies with both, from which a correction can be learned
PENALTY = 1.0  # of the squared coefficients, for a sum over galaxies


def correct(
    predicted: np.ndarray,
    ids: np.ndarray,
    own_predicted: np.ndarray,
    own: Catalog,
    other: Catalog,
    fold: int,
) -> np.ndarray:
    """Add to predictions what another dataset's labels tell; none of fold `fold` is used.

    Args:
        predicted: (image, column) predictions for galaxies of the other dataset.
        ids: (image,) their GalaxyIDs.
        own_predicted: (galaxy, column) the same networks' predictions for the own galaxies.
        own: catalog whose label columns are predicted.
        other: catalog with other labels of some of these galaxies.
        fold: to leave out, of either catalog.
    Returns:
        (image, column); where the other catalog has no label, or one of that fold, as predicted.
    Raises:
        InputError: the folds of the catalogs differ, or too few galaxies are in both.
    """
    difference = own.find_difference(other)
    if difference:
        raise InputError(
            f"labels of {other.dataset} cannot correct predictions for {own.dataset}: {difference} "
            "differs between their folds; prepare one of them again"
        )
    told = other.train[other.label_columns].to_numpy(np.float64)
    shared, here, there = np.intersect1d(own.ids, other.ids, return_indices=True)
    seen = own.folds[here] != fold
    if seen.sum() < FEWEST:
        raise InputError(
            f"pseudo.use_classes: {own.dataset} shares {len(shared)} galaxies with "
            f"{other.dataset}, too few to learn from: set it to false"
        )
    here, there = here[seen], there[seen]
    misses = own.train[own.label_columns].to_numpy()[here] - own_predicted[here]
    from sklearn.linear_model import Ridge  # only here: it takes seconds

    model = Ridge(PENALTY).fit(np.hstack([own_predicted[here], told[there]]), misses)
    _, rows, places = np.intersect1d(ids, other.ids[other.folds != fold], return_indices=True)
    found = told[other.folds != fold][places]
    out = predicted.copy()
    if len(rows):
        out[rows] += model.predict(np.hstack([predicted[rows], found]))
    return out
