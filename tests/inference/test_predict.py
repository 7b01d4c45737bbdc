"""Trained runs that predict: views that several share, digests, tables of all images."""

from typing import Any

import cv2
import numpy as np
import pandas as pd

from galaxyzoo.config.schema import TTAConfig
from galaxyzoo.data import geometry
from galaxyzoo.inference import predict as prediction
from galaxyzoo.inference.network import predict
from galaxyzoo.inference.predict import load_run, predict_stores, run_networks
from galaxyzoo.results.fold_files import DONE
from support.refusals import one_line_refusal
from support.small_models import small_config, untrained
from support.training_fixtures import NO_NORM, fold_data


def test_a_view_is_made_once_for_all_networks_and_runs_that_share_it(monkeypatch):
    """And each network answers as it does alone, to the byte."""
    tta = {"angles": 2, "zooms": [0.9, 1.1]}
    runs = [
        untrained(small_config(run="a", model=NO_NORM, tta=tta), folds=5),
        untrained(small_config(run="c", model=NO_NORM, tta={"dihedral": False}), folds=5),
        untrained(small_config(run="b", model=NO_NORM, tta=tta), folds=5),
    ]
    cache = fold_data(9).cache
    alone = []
    for run in runs:
        for model in run.models.values():
            alone.append(predict(model, cache, np.arange(9), run.config).tobytes())
    assert len(set(alone)) == 15
    plain = geometry.warp
    warps = list[int]()

    def warp(images: np.ndarray, *others: Any) -> np.ndarray:
        warps.append(len(images))
        return plain(images, *others)

    monkeypatch.setattr(geometry, "warp", warp)
    found = run_networks(runs, lambda image: cache.images)
    assert warps == [9] * 5  # two angles by two zooms, each for eight views; and the one view
    assert [len(answers) for answers in found] == [5, 5, 5]
    assert [answer.tobytes() for answers in found for answer in answers] == alone


def test_other_views_and_other_folds_each_have_a_digest_of_their_own():
    networks = untrained(small_config(), folds=2)
    views = networks.restrict(None, TTAConfig(dihedral=False))
    others = [views, networks.restrict([1], None), views.restrict([1], None)]
    assert len({one.digest for one in (networks, *others)}) == 4


def test_a_table_holds_every_image_however_many_are_decoded_at_once(tmp_path, monkeypatch):
    settings = small_config(tta={"dihedral": False})
    networks = untrained(settings)
    for number in range(7):
        picture = np.random.default_rng(number).integers(0, 256, (60, 60, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
    (tmp_path / "2.png").write_bytes(b"no image")
    whole, left_out = predict_stores(networks, [tmp_path])
    monkeypatch.setattr(prediction, "CHUNK", 3)
    table, others = predict_stores(networks, [tmp_path])
    pd.testing.assert_frame_equal(table, whole, rtol=1e-4)
    assert others == left_out
    alone = [predict_stores(networks, [tmp_path / f"{i}.png"])[0] for i in whole.index]
    assert list(whole.index) == [0, 1, 3, 4, 5, 6]
    pd.testing.assert_frame_equal(pd.concat(alone), whole, rtol=1e-4)


def test_a_run_that_is_not_there_suggests_runs_that_predict(root):
    """Stages have networks, but no tables by which they could be chosen."""
    for run in ("cnn", "stage.small-0123"):
        mark = root / "folds/mine/gz37" / run / "fold_0" / DONE
        mark.parent.mkdir(parents=True)
        mark.touch()
    line = one_line_refusal(load_run, "mine", "gz37/nix")
    assert line.startswith("run 'gz37/nix' has no finished fold on 'mine': choose from gz37/")
    assert line.endswith(", gz37/cnn")
