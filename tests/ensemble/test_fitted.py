"""A fitted candidate on disk predicts what it predicted in memory, to the last bit."""

import numpy as np
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.ensemble.fitted import load_fitted, save_fitted
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
