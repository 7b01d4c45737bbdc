"""A run in one process: which galaxies train which fold, locks, and what killed writers leave."""

import contextlib
import platform
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from filelock import FileLock

from galaxyzoo.config.loading import CONFIG
from galaxyzoo.config.schema import TTAConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.inference.network import predict
from galaxyzoo.models.build import build_model, load_network
from galaxyzoo.models.weights import save_weights
from galaxyzoo.results.fold_files import HISTORY, TEST_TABLE, TIMINGS, VAL_TABLE, WEIGHTS
from galaxyzoo.results.layout import RunFolder
from galaxyzoo.results.table import PredictionTable
from galaxyzoo.tasks.registry import get_task
from galaxyzoo.training.fold import read_timings
from galaxyzoo.training.run import Run
from support.refusals import one_line_refusal
from support.small_models import SIZES, small_config


def test_each_fold_trains_on_all_galaxies_but_its_own(prepared, trained):
    """First the named fold alone, and later the others."""
    run = Run(small_config(image=SIZES), prepared)
    catalog = prepared
    first = run.train(["fold_1"])
    assert first is not None
    assert (first.folds, first.sd) == ([1], None)
    card = run.train()
    assert [data.part.name for data in trained] == ["fold_1", "fold_0", "fold_2"]
    for data in trained:
        assert (
            np.flatnonzero(catalog.folds != data.part.stream).tolist() == data.train_rows.tolist()
        )
        assert np.flatnonzero(catalog.folds == data.part.stream).tolist() == data.val_rows.tolist()
        assert data.cache.ids.tolist() == catalog.ids.tolist()
        assert np.array_equal(data.targets, catalog.targets(get_task("gz37")))
    assert card is not None
    assert card.folds == [0, 1, 2]


@pytest.mark.parametrize(
    ("names", "name"), [(["fold_0"], "checkpoint.pt"), ([], ".timings.csv.0123abcd.part")]
)
def test_what_a_kill_left_around_the_end_of_a_fold_is_removed(prepared, trained, names, name):
    run = Run(small_config(image=SIZES), prepared)
    run.train(names)
    leftover = run.folder.path / "fold_0" / name
    leftover.parent.mkdir(exist_ok=True)
    leftover.write_bytes(b"all the weights")
    run.train(["fold_0"])
    assert not leftover.exists()
    assert len(trained) == 1


def test_a_second_process_waits_and_then_finds_the_work_done(prepared, trained, capsys):
    run = Run(small_config(image=SIZES), prepared)
    run.folder.path.mkdir(parents=True)
    other = FileLock(run.folder.path / ".lock", thread_local=False)
    other.acquire()
    waiting = threading.Thread(target=run.train)
    waiting.start()
    waiting.join(timeout=1)
    assert waiting.is_alive()
    assert trained == []
    other.release()
    waiting.join(timeout=60)
    assert len(trained) == 3
    assert "waiting" in capsys.readouterr().out


@pytest.mark.parametrize(
    "damage", [b"", b"[1, 2]", b"a: [", b"task: gz37\nmodel: {nam: cnn}", b"about: \xff"]
)
def test_a_damaged_config_is_named(prepared, damage):
    run = Run(small_config(image=SIZES), prepared)
    run.folder.path.mkdir(parents=True)
    (run.folder.path / "config.yaml").write_bytes(damage)
    with pytest.raises(InputError, match=r"config\.yaml"):
        run.check()


def test_a_missing_weights_file_is_named_before_any_training(prepared, trained, tmp_path):
    """A finished run needs it no more."""
    path = tmp_path / "start.safetensors"
    run = Run(small_config(image=SIZES, model={"weights_file": str(path)}), prepared)
    missing = r"gz37/small: model\.weights_file: \S*start\.safetensors is missing"
    with pytest.raises(InputError, match=missing):
        run.check()
    weights = build_model(small_config()).backbone.state_dict()
    save_weights(path, weights)
    run.train(["fold_0"])
    path.unlink()
    with pytest.raises(InputError, match=missing):
        run.check()
    save_weights(path, weights)
    run.train()
    path.unlink()
    run.check()


def test_a_run_says_with_what_it_was_made(prepared, trained):
    run = Run(small_config(image=SIZES), prepared)
    run.train(["fold_0"])
    saved = yaml.safe_load((run.folder.path / "config.yaml").read_text())
    assert saved["packages"]["torch"] == torch.__version__
    assert saved["packages"]["python"] == platform.python_version()
    assert saved["code_version"]
    run.check()  # which reads it


def test_a_run_with_other_views_alone_takes_the_weights_that_are_there(prepared):
    start = small_config(image=SIZES, train={"epochs": 1}, tta={"dihedral": False})
    Run(start, prepared).train()
    views = {"dihedral": False, "zooms": [1.0, 1.4]}
    other = small_config(run="gz37/views", image=SIZES, train={"epochs": 1}, tta=views)
    run = Run(other, prepared)
    card = run.train()
    assert card is not None
    assert (card.start, card.views, card.diverged) == ("scratch", 2, [])
    for fold in range(3):
        folder = run.folder.path / f"fold_{fold}"
        theirs = run.folder.path.with_name("small") / f"fold_{fold}"
        assert list(read_timings(folder / TIMINGS)) == [0]  # predicted, not trained
        for name in (WEIGHTS, HISTORY):
            assert (folder / name).read_bytes() == (theirs / name).read_bytes()
        rows = np.flatnonzero(prepared.folds == fold)
        model = load_network(start, theirs / WEIGHTS)
        expected = predict(
            model, prepared.train_images(start.image), rows, start, TTAConfig(**views)
        )
        given = pd.read_csv(folder / VAL_TABLE, index_col=0)
        np.testing.assert_allclose(given.to_numpy(), expected, atol=2e-9)


@pytest.mark.parametrize("key", ["data_fingerprint", "data_images", "data_elsewhere", None])
def test_weights_of_another_split_and_damaged_ones_are_not_taken(prepared, key):
    """Weights of a split that had its galaxies in other folds would leak.

    Those of a stage on another dataset, whose labels were others then, are out of date.
    """
    start = small_config(image=SIZES, train={"epochs": 1})
    run = Run(start, prepared)
    run.train(["fold_0"])
    weights = run.files("fold_0").folder / WEIGHTS
    good = weights.read_bytes()
    if key is None:
        weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    else:
        made = run.files("fold_0")
        notes = made.notes
        config = yaml.safe_load((run.folder.path / CONFIG).read_text())
        value = {"yours": "other"} if key == "data_elsewhere" else "other"
        (run.folder.path / CONFIG).write_text(yaml.safe_dump({**config, key: value}))
        of = {"fingerprint": "other"} if key == "data_fingerprint" else {}  # images are in no mark
        replace(made, provenance={**made.provenance, **of}).seal(notes)
    other = Run(start.model_copy(update={"run": "gz37/other"}), prepared)
    other.train(["fold_0"])
    assert list(read_timings(other.files("fold_0").folder / TIMINGS)) == [
        1,
        0,
    ]  # trained, then predicted
    assert (other.files("fold_0").folder / WEIGHTS).read_bytes() == good


def test_the_test_table_is_the_mean_of_the_folds_that_are_finished(prepared, trained):
    run = Run(small_config(image=SIZES), prepared)
    task = get_task("gz37")

    def read(path: Path) -> np.ndarray:
        return PredictionTable.read(path, task, prepared.test_ids).values

    predictions = []
    for fold in ("fold_1", "fold_0"):
        run.train([fold])
        predictions.append(read(run.files(fold).folder / TEST_TABLE))
        table = read(RunFolder(prepared.dataset, run.config.run).test_csv)
        expected = task.project(np.mean(predictions, axis=0))
        np.testing.assert_allclose(table, expected, atol=2e-9)


def test_a_fold_that_another_process_finished_meanwhile_is_in_the_tables(
    prepared, trained, monkeypatch
):
    """This one waits for the run's lock when the other finishes its fold."""
    run = Run(small_config(image=SIZES), prepared)
    run.train(["fold_0", "fold_1"])
    mark = run.files("fold_1").mark
    elsewhere = mark.rename(mark.with_name("not_yet.json"))
    lock = run.locked

    @contextlib.contextmanager
    def wait() -> Iterator[None]:
        elsewhere.rename(mark)
        with lock():
            yield

    monkeypatch.setattr(run, "locked", wait)
    card = run.collect()
    assert card is not None
    assert card.folds == [0, 1]


def test_rows_of_the_oof_table_are_found_by_id(prepared, trained):
    run = Run(small_config(image=SIZES), prepared)
    task = get_task("gz37")
    card = run.train()
    given = pd.read_csv(RunFolder(prepared.dataset, run.config.run).oof_csv, index_col="GalaxyID")
    assert given.index.tolist() == prepared.ids.tolist()
    assert given.pop("fold").tolist() == prepared.folds.tolist()
    paths = [run.files(f"fold_{k}").folder / VAL_TABLE for k in range(3)]
    validated = pd.concat([pd.read_csv(path, index_col="GalaxyID") for path in paths])
    expected = task.project(validated.sort_index().to_numpy())
    np.testing.assert_allclose(given.to_numpy(), expected, atol=2e-9)
    assert card is not None
    assert card.score == pytest.approx(task.score(expected, prepared.targets(task)))


def test_damaged_times_of_epochs_are_one_line(tmp_path):
    (tmp_path / TIMINGS).write_text("1,fast\n")
    assert "timings.csv is damaged: " in one_line_refusal(read_timings, tmp_path / TIMINGS)
