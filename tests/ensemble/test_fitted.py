"""A fitted candidate on disk predicts what it predicted in memory, to the last bit."""

from dataclasses import dataclass

import lightgbm
import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.ensemble.fitted import load_fitted, register, save_fitted
from galaxyzoo.ensemble.selection import CANDIDATES, CLASS_CANDIDATES, cross_fit
from support.problems import PLAIN, SMALL, draw_probs, fit_all, make_problem, one_hot


@pytest.mark.parametrize(
    ("task", "name"),
    [*((SMALL, name) for name in CANDIDATES), *((PLAIN, name) for name in CLASS_CANDIDATES)],
    ids=str,
)
def test_a_saved_candidate_predicts_the_same(tmp_path, task, name):
    features, targets, folds = make_problem(0, n=600, n_folds=3)
    known = CANDIDATES
    if task is PLAIN:
        rng = np.random.default_rng(0)
        known = CLASS_CANDIDATES
        targets = one_hot(rng.choice(3, 600, p=[0.6, 0.3, 0.1]))
        features = draw_probs(rng, targets, 3, 1.0)
    some = {**dict.fromkeys(["mean", "lightgbm"]), name: None}
    fits = cross_fit({n: known[n] for n in known if n in some}, task, features, targets, folds)
    model = fits.models[name]
    path = tmp_path / "model.safetensors"
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


@dataclass(frozen=True, eq=False)
class Held:
    """What a candidate may be made of."""

    part: object


register(Held)

TABLE = pd.DataFrame(np.arange(24.0).reshape(6, 4), columns=list("abcd"))
ARRAYS = {
    "transposed": TABLE.to_numpy().T,
    "columns": TABLE.to_numpy()[:, 1:3],
    "of a table": TABLE[["d", "b"]].to_numpy(),
    "in Fortran's order": np.asfortranarray(TABLE.to_numpy()),
    "backwards": TABLE.to_numpy()[::-2],
    "repeated": np.broadcast_to(np.arange(3.0), (5, 3)),
    "of the other byte order": np.arange(5, dtype=">f8"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_saved_by_their_values_not_by_their_memory(tmp_path, name):
    """safetensors 0.8.0 writes the bytes that lie there."""
    path = tmp_path / "model.safetensors"
    loaded = load_fitted(path, save_fitted(path, Held(ARRAYS[name])))
    np.testing.assert_array_equal(loaded.part, ARRAYS[name])


# Settings that onnxmltools 1.16.0 drops when it converts boosters; a forest becomes its trees' sum
SETTINGS: dict[str, dict[str, object]] = {
    "forest": {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6},
    "reg_sqrt": {"reg_sqrt": True},
    "linear_tree": {"linear_tree": True},
    "zero_as_missing": {"zero_as_missing": True},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_boosters_keep_all_settings(tmp_path, name):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 3))
    features[::3, 0] = 0
    targets = np.abs(features @ [1, 2, 3]) + 5
    settings = {"objective": "regression", "verbose": -1, "num_threads": 1, **SETTINGS[name]}
    booster = lightgbm.train(settings, lightgbm.Dataset(features, targets), 20)
    path = tmp_path / "model.safetensors"
    loaded = load_fitted(path, save_fitted(path, Held(booster)))
    features[1::3, 1] = np.nan
    expected = booster.predict(features)
    np.testing.assert_array_equal(loaded.part.predict(features), expected)
    assert 5 < np.mean(expected) < 12  # of one tree, not of all
