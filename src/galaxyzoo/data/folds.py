"""Split galaxies into folds once for all tasks, near-identical images together.

Stratification: each galaxy is described by its most telling answer, the one whose vote fraction
stands out most against the mean over all galaxies (so rare answers describe the galaxies that show
them). Galaxies are sorted by that answer, then by its fraction; every K neighbors in this order
are dealt to the K folds in random order. So each fold gets the same share of every answer at every
strength, and fold sizes differ by at most one, or by the size of the largest group.
"""

import cv2
import numpy as np
import pandas as pd

# Of two images' fine structure; see `near_duplicates`. Measured on 6,000 competition images: no two
# different ones correlate above 0.73; copies with noise of 4 gray levels, saved again as JPEG of
# quality 75, correlate above 0.86.
DUPLICATE_CORRELATION = 0.85
_THUMBNAIL_PX = 40


def make_folds(
    targets: np.ndarray,
    groups: np.ndarray,
    n_folds: int,
    seed: int,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Deal galaxies to folds.

    Args:
        targets: (galaxy, answer) vote fractions, or one-hot classes.
        groups: (galaxy,) group numbers; a group is never divided.
        n_folds: number of folds, at least 2.
        seed: of the random order within each deal.
        known: (galaxy,) folds that galaxies have already and keep, -1 for those still to be dealt;
            a group follows its members' fold (the lowest, should they have several).
            What cannot go to all folds alike goes to those with the fewest such galaxies.
    Returns:
        (galaxy,) fold numbers, 0 to n_folds - 1. The same arguments give the same folds, and so do
        rows in another order that bring their group numbers along.
    Raises:
        ValueError: fewer groups than folds, or known folds that leave one empty.
    Source: own; block randomization within strata, as in clinical trials.
    """
    _, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(sizes) < n_folds or n_folds < 2:
        raise ValueError(f"{len(sizes)} groups of galaxies cannot make {n_folds} folds")
    means = _sum_groups(targets, group_of) / sizes[:, None]
    overall = np.sort(targets, axis=0).mean(axis=0)
    lift = means / np.maximum(overall, 1e-9)
    telling = lift.argmax(axis=1)
    strength = np.take_along_axis(means, telling[:, None], axis=1)[:, 0]
    # Large groups first, so that each deal hands out groups of nearly one size and the folds stay
    # equally large.
    fold_of_group = np.full(len(sizes), n_folds)
    known = np.full(len(groups), -1) if known is None else known
    np.minimum.at(fold_of_group, group_of[known >= 0], known[known >= 0])
    order = np.lexsort((-strength, telling, -sizes))
    order = order[fold_of_group[order] == n_folds]
    rng = np.random.default_rng(seed)
    blocks = [rng.permutation(n_folds) for _ in range(-(-len(order) // n_folds))]
    if len(order):
        # So that folds stay equally large where galaxies come one by one.
        members = np.bincount(known[known >= 0], minlength=n_folds)
        blocks[-1] = blocks[-1][np.argsort(members[blocks[-1]], kind="stable")]
        fold_of_group[order] = np.concatenate(blocks)[: len(order)]
    folds = np.where(known >= 0, known, fold_of_group[group_of])
    if len(np.unique(folds)) < n_folds:
        raise ValueError(f"known folds leave one of {n_folds} empty")
    return folds


def _sum_groups(values: np.ndarray, group_of: np.ndarray) -> np.ndarray:
    """(group, column) sums that no order of the (row, column) values can change, not by a bit."""
    sums = np.zeros((group_of.max() + 1, values.shape[1]))
    for column in range(values.shape[1]):
        order = np.lexsort((values[:, column], group_of))
        np.add.at(sums[:, column], group_of[order], values[order, column])
    return sums


def near_duplicates(images: np.ndarray, threshold: float = DUPLICATE_CORRELATION) -> np.ndarray:
    """Group images that show the same patch of sky.

    Two images belong together if the fine structure of their thumbnails (what a Gaussian blur takes
    away: stars, neighbors, noise) correlates above `threshold`. The smooth light of the galaxy
    itself does not count, or all round galaxies would be duplicates of each other. Another
    compression, a little noise, another brightness and shifts up to two pixels of a 424 px original
    are seen through; turned and mirrored copies are not.

    Args:
        images: (image, H, W, 3) uint8.
        threshold: smallest correlation of two images of one group.
    Returns:
        (image,) group numbers, numbered by first appearance.
    Source: own.
    """
    # Imported only here: scikit-learn takes seconds, and most commands find the groups made.
    from scipy.sparse.csgraph import connected_components
    from sklearn.neighbors import radius_neighbors_graph

    thumbnails = _thumbnails(images, 2)
    radius = _radius(threshold)
    pairs = radius_neighbors_graph(thumbnails, radius, mode="connectivity", metric="euclidean")
    labels = connected_components(pairs, directed=False)[1]
    return pd.factorize(labels)[0]


def near_copies(images: np.ndarray, others: np.ndarray) -> list[np.ndarray]:
    """Find images of one set that show the same sky as each image of another set.

    Args:
        images: (image, H, W, 3) uint8.
        others: (other, h, w, 3) uint8, of the same field of view.
    Returns:
        Of each other image, row numbers of `images`.
    """
    from sklearn.neighbors import NearestNeighbors  # only here, as above

    neighbors = NearestNeighbors(radius=_radius(DUPLICATE_CORRELATION)).fit(_thumbnails(images, 2))
    return list(neighbors.radius_neighbors(_thumbnails(others, -2), return_distance=False))


def _radius(threshold: float) -> float:
    """Distance of unit vectors with that correlation c; its square is 2 - 2c."""
    return float(np.sqrt(2 - 2 * threshold))


def _thumbnails(images: np.ndarray, far: int) -> np.ndarray:
    """(image, thumbnail pixels) fine structures.

    Featureless images are alike in nothing: each goes far away from all others, from `far` on.
    """
    thumbnails = np.stack([_fine_structure(image) for image in images])
    featureless = ~thumbnails.any(axis=1)
    steps = np.arange(featureless.sum()) + abs(far)
    thumbnails[featureless] = np.sign(far) * steps[:, None]
    return thumbnails


def _fine_structure(image: np.ndarray) -> np.ndarray:
    """(thumbnail pixels,) float32 of zero mean and unit length; zeros for a featureless image."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    small = cv2.resize(gray, (_THUMBNAIL_PX, _THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
    small = np.sqrt(small)  # keeps a bright core from outweighing everything else
    fine = (small - cv2.GaussianBlur(small, (0, 0), 2.0)).ravel()
    fine -= fine.mean()
    length = float(np.linalg.norm(fine))
    return fine / length if length > 1e-3 else np.zeros_like(fine)
