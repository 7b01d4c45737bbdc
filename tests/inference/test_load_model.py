"""A fitted ensemble with the networks of its members."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from galaxyzoo.core.manifest import read_sealed, write_sealed
from galaxyzoo.ensemble.blends import Blend
from galaxyzoo.ensemble.build import EnsembleBuild
from galaxyzoo.ensemble.fitted import load_fitted
from galaxyzoo.ensemble.selection import pick_candidates
from galaxyzoo.inference.load_model import EnsembleNetworks
from galaxyzoo.results.card import EnsembleCard
from galaxyzoo.results.layout import RunFolder
from galaxyzoo.results.table import PredictionTable
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.kinds import COMPETITION_TASK
from galaxyzoo.tasks.registry import get_task
from support.problems import draw_run
from support.refusals import one_line_refusal
from support.trained import save_project, save_run


def test_what_an_ensemble_combines_is_valid():
    task = get_task(COMPETITION_TASK)
    votes = np.random.default_rng(0).random((20, len(task.columns)))
    card: Any = SimpleNamespace(members={"gz37/cnn": None}, task=task.name)
    runs: Any = [SimpleNamespace(task=task)]
    combined = EnsembleNetworks(card, Blend(np.full((1, 37), 2.0)), runs).combine([votes])
    assert GALAXY_ZOO_2.residuals(combined).max() < 1e-6
    assert combined.min() >= 0
    assert combined.max() <= 1


def test_an_ensemble_fitted_anew_or_of_other_networks_has_another_digest():
    digests = set()
    for fitted in ("a", "b"):
        for network in ("c", "d"):
            card: Any = SimpleNamespace(fitted=fitted)
            runs: Any = [SimpleNamespace(digest=network)]
            digests.add(EnsembleNetworks(card, Blend(np.ones((1, 37))), runs).digest)
    assert len(digests) == 4


def test_members_are_combined_as_they_were_fitted_in_whatever_order_they_are_named(root):
    catalog = save_project()
    task = get_task(COMPETITION_TASK)
    rng = np.random.default_rng(0)
    worse = draw_run(rng, catalog.targets(task), 0.3)
    save_run(catalog, "gz37/run1", worse, rng.random((len(catalog.test_ids), 37)))
    candidates = pick_candidates(["nnls"], task)
    runs = ["gz37/run1", "gz37/run0"]
    build = EnsembleBuild(task, catalog, runs, candidates, "pair")
    card, _ = build.build()
    assert card.chosen == "nnls"  # equal weights would tell no order
    assert [*card.members] == runs[::-1]
    model = load_fitted(build.files.fitted, card.fitted)
    paths = [RunFolder("tiny", run).test_csv for run in card.members]
    ids = catalog.test_ids
    predictions = [PredictionTable.read(path, task, ids).values for path in paths]
    networks: Any = [SimpleNamespace(task=task) for _ in card.members]
    ensemble = EnsembleNetworks(EnsembleCard.of(build.files), model, networks)
    combined = ensemble.combine(predictions)
    expected = PredictionTable.read(build.files.csv, task, ids).values
    np.testing.assert_allclose(combined, expected, atol=1e-6)
    values = read_sealed(build.files.card)
    del values["members"]["gz37/run1"]
    write_sealed(build.files.card, values)
    assert "members and runs differ" in one_line_refusal(EnsembleCard.of, build.files)
