"""A fitted candidate on disk predicts what it predicted in memory, to the last bit."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.manifest import read_sealed, write_sealed
from galaxyzoo.ensemble.blends import Blend
from galaxyzoo.ensemble.build import EnsembleBuild
from galaxyzoo.ensemble.fitted import load_fitted, save_fitted
from galaxyzoo.ensemble.load_model import EnsembleNetworks
from galaxyzoo.ensemble.selection import CANDIDATES, CLASS_CANDIDATES, cross_fit, pick_candidates
from galaxyzoo.results.card import EnsembleCard
from galaxyzoo.results.layout import RunFolder
from galaxyzoo.results.table import PredictionTable
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.kinds import COMPETITION_TASK
from galaxyzoo.tasks.registry import get_task
from support.problems import PLAIN, SMALL, draw_probs, draw_run, fit_all, make_problem, one_hot
from support.refusals import one_line_refusal
from support.trained import save_project, save_run


@pytest.mark.parametrize(
    ("task", "name"),
    [*((SMALL, name) for name in CANDIDATES), *((PLAIN, name) for name in CLASS_CANDIDATES)],
    ids=str,
)
def test_a_saved_candidate_predicts_the_same(tmp_path, task, name):
    features, targets, folds = make_problem(0, n=600, n_folds=3)
    known = CANDIDATES
    if task is PLAIN:
        rng, known = np.random.default_rng(0), CLASS_CANDIDATES
        targets = one_hot(rng.choice(3, 600, p=[0.6, 0.3, 0.1]))
        features = draw_probs(rng, targets, 3, 1.0)
    some = {**dict.fromkeys(["mean", "lightgbm"]), name: None}
    fits = cross_fit({n: known[n] for n in known if n in some}, task, features, targets, folds)
    model, path = fits.models[name], tmp_path / "model.safetensors"
    loaded = load_fitted(path, save_fitted(path, model))
    np.testing.assert_array_equal(loaded.predict(features), model.predict(features))
    assert name == "mean" or np.ptp(model.predict(features)) > 0
    data = path.read_bytes()
    save_fitted(path, loaded)
    assert path.read_bytes() == data


def test_a_changed_or_missing_file_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    digest = save_fitted(path, fit_all(make_problem(0), ["nnls"]).models["nnls"])
    data = path.read_bytes()
    for place in (0, 9, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(InputError, match=r"is missing or does not match .*: rerun"):
            load_fitted(path, digest)
    path.unlink()
    with pytest.raises(InputError, match="is missing"):
        load_fitted(path, digest)


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
    catalog, task, rng = save_project(), get_task(COMPETITION_TASK), np.random.default_rng(0)
    worse = draw_run(rng, catalog.targets(task), 0.3)
    save_run(catalog, "gz37/run1", worse, rng.random((len(catalog.test_ids), 37)))
    candidates, runs = pick_candidates(["nnls"], task), ["gz37/run1", "gz37/run0"]
    build = EnsembleBuild(task, catalog, runs, candidates, "pair")
    card, _ = build.make()
    assert card.chosen == "nnls"  # equal weights would tell no order
    assert [*card.members] == runs[::-1]
    model = load_fitted(build.folder.fitted, card.fitted)
    paths = [RunFolder("tiny", run).test_csv for run in card.members]
    ids = catalog.test_ids
    predictions = [PredictionTable.read(path, task, ids).values for path in paths]
    networks: Any = [SimpleNamespace(task=task) for _ in card.members]
    ensemble = EnsembleNetworks(EnsembleCard.of(build.folder), model, networks)
    combined = ensemble.combine(predictions)
    expected = PredictionTable.read(build.folder.csv, task, ids).values
    np.testing.assert_allclose(combined, expected, atol=1e-6)
    values = read_sealed(build.folder.card)
    del values["members"]["gz37/run1"]
    write_sealed(build.folder.card, values)
    assert "members and runs differ" in one_line_refusal(EnsembleCard.of, build.folder)
