"""What tells how far off a predicted vote fraction is: its value, its parent's, and spreads.

Everything is computed alike for training and for test galaxies, or intervals that are calibrated on
the ones would not fit the others. So spreads are those of single networks: for a test galaxy, which
every fold's networks predict, their mean over the folds. How far the folds' networks differ among
each other is known of test galaxies alone and can therefore calibrate nothing; it is only reported.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from galaxyzoo.catalogs import Catalog
from galaxyzoo.decision_tree import GALAXY_ZOO_2
from galaxyzoo.errors import InputError
from galaxyzoo.network_tables import NetworkTables

CONSTANT, RUNS, VIEWS = "constant", "spread of runs", "spread of views"


@dataclass(frozen=True, eq=False)
class Spreads:
    """How far predictions of one galaxy differ, by what makes them differ (`RUNS`, `VIEWS`)."""

    own: dict[str, np.ndarray]  # (galaxy, column) of the training galaxies
    test: dict[str, np.ndarray]  # (test galaxy, column)
    # (test galaxy, column) over the folds' networks, mean over runs; None where no run is left
    folds: np.ndarray | None
    runs: Sequence[str]  # whose networks have a say
    view_runs: Sequence[str]  # those of them that noted how far their views differ
    problems: Sequence[str]  # why others have none


def read_spreads(runs: Sequence[str], whole: Catalog) -> Spreads:
    """The spreads that the runs' folds have left; each is absent where nothing can be said of it.

    Args:
        runs: base models of the ensemble.
        whole: the dataset's whole catalog.
    Raises:
        InputError: a table is broken.
    """
    networks, problems = [], []
    for run in runs:
        try:
            networks.append(NetworkTables.open(run, whole))
        except InputError as error:
            problems.append(f"{run} has no say in the spreads: {error}")
    viewed = [network for network in networks if network.has_spread]
    own, test, of_folds = {}, {}, None
    if networks:
        every = range(whole.n_folds)
        tests = np.stack([[network.test(fold) for fold in every] for network in networks])
        of_folds = tests.std(axis=1).mean(axis=0)
        if len(networks) > 1:
            own[RUNS] = np.std([network.own() for network in networks], axis=0)
            test[RUNS] = tests.std(axis=0).mean(axis=0)
    if viewed:
        own[VIEWS] = np.mean([network.own(spread=True) for network in viewed], axis=0)
        test[VIEWS] = np.mean([n.test(k, spread=True) for n in viewed for k in every], axis=0)
    return Spreads(
        own, test, of_folds, [n.run for n in networks], [n.run for n in viewed], problems
    )


def scale_features(
    predictions: np.ndarray, spreads: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Features that an error's size is fitted on, none below 0.

    Given the fraction q of the answer before, the votes for p of it scatter like sqrt(p (q - p)),
    as in a binomial draw; where q itself is unsure, like sqrt(p (1 - p)).

    Args:
        predictions: (galaxy, answer) valid vote fractions.
        spreads: by name, each (galaxy, answer).
    Returns:
        By name, each (galaxy, answer).
    """
    parents = np.ones_like(predictions)
    for question in GALAXY_ZOO_2.questions:
        index = GALAXY_ZOO_2.parent_index(question)
        if index is not None:
            parents[:, GALAXY_ZOO_2.span(question)] = predictions[:, [index]]
    return {
        CONSTANT: np.ones_like(predictions),
        "prediction": predictions,
        "parent": parents,
        "scatter": np.sqrt(np.maximum(predictions * (1 - predictions), 0)),
        "scatter below the parent": np.sqrt(np.maximum(predictions * (parents - predictions), 0)),
        **spreads,
    }
