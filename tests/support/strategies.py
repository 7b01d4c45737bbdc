"""Hypothesis strategies: votes, splits, out-of-fold predictions, sizes, and seeds.

What is drawn is valid input, however odd: any finite numbers for votes, or votes that obey the
decision tree; folds that keep groups together; runs whose rows fit their targets. Files with bytes
changed at random come from a seed and `fuzz_fixtures.mutate`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from galaxyzoo.config.schema import ORIGINAL_PX
from galaxyzoo.ensemble.least_squares import OofFold, make_fold
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from support.problems import PLAIN, one_hot

N_ANSWERS = len(GALAXY_ZOO_2.columns)
SEEDS = st.integers(0, 2**32 - 1)
ODD_FLOATS = [0.0, -0.0, 1.0, -1.0, 5e-324, 2.2e-308, 1e-300, 1e-9, 1 - 1e-16]
ODD_FLOATS_32 = [0.0, -0.0, 1.0, 1.401298464324817e-45, 2.0**-100, 2.0**127, -(2.0**127)]


@st.composite
def finite_votes(draw: st.DrawFn, dtype: Any = np.float64) -> np.ndarray:
    """(galaxy, answer), one to four galaxies: any finite numbers that the type can hold."""
    if dtype == np.float32:
        numbers = st.floats(-2, 2, width=32) | st.sampled_from(ODD_FLOATS_32)
    else:
        anything = st.floats(allow_nan=False, allow_infinity=False)
        odd = st.sampled_from([*ODD_FLOATS, 1.7e308, -1.7e308])
        numbers = st.one_of(st.floats(-2, 2), odd, anything)
    galaxies = draw(st.integers(1, 4))
    return draw(arrays(dtype, (galaxies, N_ANSWERS), elements=numbers))


@st.composite
def tree_votes(draw: st.DrawFn) -> np.ndarray:
    """(galaxy, answer) vote fractions that obey the decision tree, one to four galaxies.

    Each question's answers share out the fraction of the answer that leads to it; some questions
    are unanimous, and some are never asked.
    """
    galaxies = draw(st.integers(1, 4))
    counts = draw(arrays(np.int64, (galaxies, N_ANSWERS), elements=st.integers(0, 40)))
    votes = np.zeros((galaxies, N_ANSWERS))
    for question in GALAXY_ZOO_2.top_down:
        parent = GALAXY_ZOO_2.parent_index(question)
        asked = np.ones(galaxies) if parent is None else votes[:, parent]
        columns = GALAXY_ZOO_2.span(question)
        answers = counts[:, columns].astype(float)
        answers[answers.sum(axis=1) == 0, 0] = 1  # somebody answers
        shares = answers / answers.sum(axis=1, keepdims=True)
        votes[:, columns] = shares * asked[:, None]
    return votes


@dataclass(frozen=True)
class Split:
    """Galaxies to be dealt into folds."""

    targets: np.ndarray  # (galaxy, column), 0 to 1; perhaps all alike
    groups: np.ndarray  # (galaxy,) number of its group
    n_folds: int
    known_folds: np.ndarray  # (galaxy,) -1 where it is free; a group has one


@st.composite
def splits(draw: st.DrawFn) -> Split:
    """Two to forty galaxies in groups, some of which have their fold already."""
    galaxies = draw(st.integers(2, 40))
    columns = draw(st.integers(1, 4))
    n_folds = draw(st.integers(2, 6))
    kinds = [
        st.floats(0, 1),
        st.sampled_from([0.0, 1.0]),
        st.just(0.0),
        st.just(1.0),
        st.sampled_from([0.1, 0.2, 0.3, 1e-300]),
    ]
    values = draw(st.sampled_from(kinds))
    targets = draw(arrays(np.float64, (galaxies, columns), elements=values))
    last_group = draw(st.integers(0, 50))
    groups = draw(arrays(np.int64, galaxies, elements=st.integers(0, last_group)))
    known_folds = np.full(galaxies, -1)
    for group in draw(st.sets(st.sampled_from(np.unique(groups).tolist()), max_size=5)):
        known_folds[groups == group] = draw(st.integers(0, n_folds - 1))
    return Split(targets, groups, n_folds, known_folds)


RUN_KINDS = ["noisy", "zeros", "halves", "copy", "tiny", "perfect"]


@st.composite
def oof_folds(draw: st.DrawFn, probabilities: bool = False) -> list[OofFold]:
    """One to three folds of one to five runs, with two columns of votes or three of classes.

    Runs are noisy, constant, perfect, or copies of the run before (of the targets, if it is the
    first); a run is of one kind in all folds.
    """
    n_runs = draw(st.integers(1, 5))
    n_folds = draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(SEEDS))
    kinds = draw(st.lists(st.sampled_from(RUN_KINDS), min_size=n_runs, max_size=n_runs))
    scale = draw(st.sampled_from([1e-6, 0.1, 1.0, 1e3]))
    folds = []
    for _ in range(n_folds):
        galaxies = draw(st.integers(1, 12))
        if probabilities:
            targets = one_hot(rng.integers(0, 3, galaxies))
        else:
            targets = rng.random((galaxies, 2))
        runs: list[np.ndarray] = []
        for kind in kinds:
            noise = rng.normal(scale=scale, size=targets.shape)
            before = runs[-1] if runs else targets
            runs.append(_predictions(kind, targets, noise, before))
        features = np.stack(runs, axis=1)
        if probabilities:
            valid = PLAIN.project(features.reshape(-1, 3))
            features = valid.reshape(features.shape)
        folds.append(make_fold(features, targets))
    return folds


def _predictions(
    kind: str, targets: np.ndarray, noise: np.ndarray, before: np.ndarray
) -> np.ndarray:
    """(galaxy, column) predictions of a run of a kind."""
    if kind == "noisy":
        return targets + noise
    if kind == "zeros":
        return np.zeros_like(targets)
    if kind == "halves":
        return np.full_like(targets, 0.5)
    if kind == "copy":
        return before
    if kind == "tiny":
        return 1e-12 * noise
    return targets


@st.composite
def crops(draw: st.DrawFn, largest_px: int = ORIGINAL_PX) -> tuple[int, int]:
    """Side of a square in original pixels, and the side that it is resized to, no larger."""
    crop_px = draw(st.integers(1, ORIGINAL_PX))
    size_px = draw(st.integers(1, min(crop_px, largest_px)))
    return crop_px, size_px
