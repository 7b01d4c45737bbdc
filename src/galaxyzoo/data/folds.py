"""Split galaxies into folds once for all tasks, near-identical images together.

Stratification: each galaxy is described by its most telling answer, the one whose vote fraction
stands out most against the mean over all galaxies (so rare answers describe the galaxies that show
them). Galaxies are sorted by that answer, then by its fraction; every K neighbors in this order
are dealt to the K folds in random order. So each fold gets the same share of every answer at every
strength, and fold sizes differ by at most one, or by the size of the largest group.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

# Of two images' fine structure; see `near_duplicates`. Measured on 6,000 competition images: no two
# different ones correlate above 0.73; copies with noise of 4 gray levels, saved again as JPEG of
# quality 75, correlate above 0.86.
DUPLICATE_CORRELATION = 0.85
# Turned copies have to be more alike, or drawn galaxies with few stars (0.86) would be copies. They
# are when saved again with quality 75, with noise of 4 gray levels (0.96) or shifted by two pixels
# (0.92).
_TURNED_CORRELATION = 0.9
_THUMBNAIL_PX = 40
_ROUNDS = 48  # of the search
_TEMPLATES = 64
_BUCKET = 512  # images that are compared at once
# Half of the squared distance between two copies' sketches, at most. Random projections have a mean
# of 64 (1 - correlation) and exceed 1.6 of it once in a thousand pairs.
_MAX_SKETCH_DISTANCE = 1.6 * _TEMPLATES * (1 - DUPLICATE_CORRELATION)


def make_folds(
    targets: np.ndarray,
    groups: np.ndarray,
    n_folds: int,
    seed: int,
    known_folds: np.ndarray | None = None,
) -> np.ndarray:
    """Deal galaxies to folds.

    Args:
        targets: (galaxy, answer) vote fractions, or one-hot classes.
        groups: (galaxy,) group numbers; a group is never divided.
        n_folds: number of folds, at least 2.
        seed: of the random order within each deal.
        known_folds: (galaxy,) folds that galaxies have already and keep, -1 for those still to be
            dealt; a group follows its members' fold (the lowest, should they have several).
            What cannot go to all folds alike goes to those with the fewest such galaxies.
    Returns:
        (galaxy,) fold numbers, 0 to n_folds - 1. The same arguments give the same folds, and so do
        rows in another order that bring their group numbers along.
    Raises:
        ValueError: fewer groups than folds, or known folds that leave one empty.
    Examples:
        >>> classes = np.eye(2)[[0, 0, 0, 0, 1, 1]]
        >>> folds = make_folds(classes, groups=np.array([0, 0, 1, 2, 3, 4]), n_folds=2, seed=0)
        >>> bool(folds[0] == folds[1])  # one group is in one fold
        True

    Source: own; block randomization within strata, as in clinical trials.
    """
    _, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(sizes) < n_folds or n_folds < 2:
        count = len(sizes)
        raise ValueError(f"{count} groups of galaxies make 2 to {count} folds, not {n_folds}")
    means = _sum_groups(targets, group_of) / sizes[:, None]
    overall = np.sort(targets, axis=0).mean(axis=0)
    lift = means / np.maximum(overall, 1e-9)
    telling = lift.argmax(axis=1)
    strength = np.take_along_axis(means, telling[:, None], axis=1)[:, 0]
    # Large groups first, so that each deal hands out groups of nearly one size and the folds stay
    # equally large.
    fold_of_group = np.full(len(sizes), n_folds)
    if known_folds is None:
        known_folds = np.full(len(groups), -1)
    is_known = known_folds >= 0
    np.minimum.at(fold_of_group, group_of[is_known], known_folds[is_known])
    order = np.lexsort((-strength, telling, -sizes))
    order = order[fold_of_group[order] == n_folds]
    rng = np.random.default_rng(seed)
    n_blocks = math.ceil(len(order) / n_folds)
    blocks = np.array([rng.permutation(n_folds) for _ in range(n_blocks)], int).ravel()
    if n_blocks == 1:  # so that folds stay equally large where galaxies come one by one
        members = np.bincount(known_folds[is_known], minlength=n_folds)
        blocks = blocks[np.argsort(members[blocks], kind="stable")]
    fold_of_group[order] = blocks[: len(order)]
    folds = np.where(is_known, known_folds, fold_of_group[group_of])
    if len(np.unique(folds)) < n_folds:
        raise ValueError(f"galaxies with fixed folds leave one of {n_folds} folds empty")
    return folds


def _sum_groups(values: np.ndarray, group_of: np.ndarray) -> np.ndarray:
    """(group, column) sums that no order of the (row, column) values can change, not by a bit."""
    sums = np.zeros((group_of.max() + 1, values.shape[1]))
    for column in range(values.shape[1]):
        order = np.lexsort((values[:, column], group_of))
        np.add.at(sums[:, column], group_of[order], values[order, column])
    return sums


@threadpool_limits.wrap(limits=1, user_api="blas")  # threads would double its time
def near_duplicates(images: Iterable[np.ndarray]) -> np.ndarray:
    """Group images that show the same patch of sky.

    Two images belong together if the fine structure of their thumbnails (what a Gaussian blur takes
    away: stars, neighbors, noise) correlates above 0.85, or above 0.9 after quarter turns or
    mirroring. The smooth light of the galaxy itself does not count, or all round galaxies would be
    duplicates of each other. Quarter turns, mirroring, another compression, a little noise, another
    brightness and shifts up to two pixels of a 424 px original are seen through; other angles are
    not.

    Args:
        images: (H, W, 3) uint8 each, of the same field of view.
    Returns:
        (image,) group numbers, numbered by first appearance.
    Examples:
        >>> first, second = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
        >>> near_duplicates([first, second, np.rot90(first)]).tolist()
        [0, 1, 0]

    Source: own; the candidates come from cross-polytope hashing (Andoni et al. 2015).
    """
    thumbnails = np.stack([_fine_structure(image) for image in images])
    thumbnails -= thumbnails.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(thumbnails, axis=1, keepdims=True)
    thumbnails /= np.where(lengths > 1e-3, lengths, np.inf)  # a featureless image is like no other
    back = np.argsort(_orientations(_THUMBNAIL_PX), axis=1)
    links = [np.empty((2, 0))]  # were all of them strangers
    for bucket, turn, sketches in _hash_buckets(thumbnails):
        halves = (sketches**2).sum(axis=1) / 2
        near = sketches @ sketches.T > halves[:, None] + (halves - _MAX_SKETCH_DISTANCE)
        if np.count_nonzero(near) == len(bucket):  # each is near to itself alone
            continue
        close = near.sum(axis=1) > 1
        rows = bucket[close]
        turns = turn[close]
        points = thumbnails[rows[:, None], back[turns]]
        limits = np.where(turns[:, None] != turns, _TURNED_CORRELATION, DUPLICATE_CORRELATION)
        labels = connect([np.stack(np.nonzero(points @ points.T > limits))], len(rows))
        links.append(_link_members(rows, labels))
    return connect(links, len(thumbnails))


def join_groups(groupings: Sequence[np.ndarray]) -> np.ndarray:
    """Join groups that share a galaxy.

    Args:
        groupings: (galaxy,) numbers of groups each, -1 in none.
    Returns:
        (galaxy,) numbers, by first appearance.
    """
    links = []
    for numbers in groupings:
        members = np.flatnonzero(numbers >= 0)
        links.append(_link_members(members, numbers[members]))
    return connect(links, len(groupings[0]))


def connect_members(galaxies: np.ndarray, keys: np.ndarray, n: int) -> np.ndarray:
    """Number groups whose members are listed, where a galaxy may be in several.

    Args:
        galaxies: (membership,) rows of galaxies.
        keys: (membership,) numbers of groups, -1 in none.
        n: number of galaxies.
    Returns:
        (galaxy,) numbers of groups, of which those that share a galaxy are one; -1 in none.
    """
    galaxies = galaxies[keys >= 0]
    numbers = connect([_link_members(galaxies, keys[keys >= 0])], n)
    return np.where(np.isin(np.arange(n), galaxies), numbers, -1)


def _link_members(galaxies: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """(2, membership) links of each galaxy with the first of its group."""
    first = pd.Series(galaxies).groupby(keys).transform("min")
    return np.stack([galaxies, first])


def connect(links: list[np.ndarray], n: int) -> np.ndarray:
    """Number the connected groups of n galaxies by (2, link) pairs of them."""
    # Imported only here: most commands find the groups made.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first, second = np.concatenate(links, axis=1).astype(np.int32)  # scipy 1.11 takes no others
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(n, n))
    return pd.factorize(connected_components(graph, directed=False)[1])[0]


def _hash_buckets(points: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Deal thumbnails to buckets, again and again, by hashes that turned copies share.

    The template that a thumbnail resembles most, and its orientation there, are the first part of a
    hash; the second, in this orientation, is the template of largest product. Copies whose noise
    leaves them just above the threshold share a bucket in every fourth round, or, where buckets are
    full, in every tenth.

    Args:
        points: (image, pixel) thumbnails.
    Yields:
        (row,) rows of a bucket, of at most `_BUCKET` images, the orientation of each, and its
        (row, template) products there, a sketch: squared distances between sketches are about 64
        times those between thumbnails.
    """
    n, n_pixels = points.shape
    rng = np.random.default_rng(0)
    templates = rng.normal(size=(_TEMPLATES, n_pixels)).astype(np.float32)
    turned = templates[:, _orientations(math.isqrt(n_pixels))].swapaxes(0, 1)
    turned -= turned.mean(axis=0)  # all galaxies share what turns leave alone
    products = points @ turned.reshape(-1, n_pixels).T
    products = products.reshape(n, 8, _TEMPLATES)
    for _ in range(_ROUNDS):
        chosen = rng.permutation(_TEMPLATES)
        best = products[..., chosen[:4]].reshape(n, -1).argmax(axis=1)
        turn, first = np.divmod(best, 4)
        sketches = products[np.arange(n), turn]
        candidates = sketches[:, chosen[4:8]]
        second = np.hstack([candidates, -candidates]).argmax(axis=1)
        keys = first * 8 + second
        # Ordered by one more template, so that copies stay together in a full bucket.
        order = np.lexsort((sketches[:, chosen[8]], keys))
        ends = np.flatnonzero(np.diff(keys[order])) + 1
        for rows in np.split(order, ends):
            for start in range(0, len(rows), _BUCKET):
                bucket = rows[start : start + _BUCKET]
                yield bucket, turn[bucket], sketches[bucket]


def _orientations(side: int) -> np.ndarray:
    """(8, pixel) numbers of a square's pixels in each of its eight orientations."""
    square = np.arange(side**2).reshape(side, side)
    turns = []
    for mirrored in (square, square.T):
        for quarters in range(4):
            turns.append(np.rot90(mirrored, quarters).ravel())
    return np.stack(turns)


def _fine_structure(image: np.ndarray) -> np.ndarray:
    """(thumbnail pixels,) float32 of what a blur takes away."""
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    # The root keeps a bright core from outweighing everything else.
    small = np.sqrt(cv2.resize(gray, (_THUMBNAIL_PX,) * 2, interpolation=cv2.INTER_AREA))
    return (small - cv2.GaussianBlur(small, (0, 0), 2.0)).ravel()
