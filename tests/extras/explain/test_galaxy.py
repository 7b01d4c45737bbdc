"""A galaxy of a dataset, with its votes and the networks that have not learned from it."""

import numpy as np
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.extras.explain.galaxy import find_galaxy
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.registry import TASKS
from support.small_models import small_config, untrained


def test_a_training_galaxy_comes_with_its_votes_and_its_own_folds_network(prepared):
    run = untrained(small_config(), folds=2)
    catalog = prepared
    row = int(np.flatnonzero(catalog.folds == 1)[0])
    galaxy = find_galaxy(str(catalog.ids[row]), run.task, prepared)
    assert galaxy.truth is not None
    assert np.array_equal(galaxy.truth, catalog.targets(TASKS["gz37"])[row])
    own = run.predict(galaxy.decode, galaxy.fold)
    other = run.predict(galaxy.decode, 0)
    both = run.predict(galaxy.decode, None)
    assert not np.allclose(own, other, atol=1e-3)
    assert np.allclose((own + other) / 2, both, atol=1e-3)
    assert GALAXY_ZOO_2.residuals(own).max() < 1e-6
    test = find_galaxy(str(catalog.test_ids[0]), run.task, prepared)
    assert (test.truth, test.fold) == (None, None)
    with pytest.raises(InputError, match="GalaxyID 5 is not in dataset"):
        find_galaxy("5", run.task, prepared)
