"""Votes of demo galaxies obey the tree."""

import numpy as np

from galaxyzoo.data.demo import dataset, galaxies
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from support.datasets import COLUMNS

N = 160


def test_votes_obey_the_tree_and_are_as_varied_as_in_the_competition():
    found = []
    forms = set()
    for galaxy_id in range(N):
        rng = np.random.default_rng([0, galaxy_id])
        galaxy = galaxies.draw_morphology(rng)
        found.append(galaxies.simulate_votes(galaxy, rng))
        form = galaxy.kind, galaxy.oddity, galaxy.edge_on
        if form not in forms:  # the first of its form: pictures take a hundred times as long
            np.testing.assert_array_equal(dataset.draw_galaxy(galaxy_id, seed=0)[1], found[-1])
        forms.add(form)
    votes = np.stack(found)
    assert votes.min() >= 0
    assert votes.max() <= 1
    assert GALAXY_ZOO_2.residuals(votes).max() < 1e-12
    assert votes.std(axis=0).min() > 0.02, COLUMNS[int(votes.std(axis=0).argmin())]
    assert 0.40 < votes[:, COLUMNS.index("Class1.1")].mean() < 0.52
