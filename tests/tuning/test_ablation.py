"""An ablation study's runs: trained once, by one process each, and not taken up unasked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.config.schema import TTAConfig
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import save_catalog
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.ensemble.members import find_runs
from galaxyzoo.inference.artifacts import load_fold_model
from galaxyzoo.inference.predict import predict
from galaxyzoo.reports.results import load_results
from galaxyzoo.results.layout import RunFolder
from galaxyzoo.results.oof import FoldTables
from galaxyzoo.tasks.metrics import Difference
from galaxyzoo.training.fold_data import FoldData
from galaxyzoo.training.run import Run
from galaxyzoo.tuning.ablation import Ablation, Changes, Row, Variant, make_rows
from support.ensemble_fixtures import draw_run, finish_fold, make_catalog, save_run
from support.kaggle_fixtures import listing
from support.tuning_fixtures import CHANGES, TASK, make, variant, write_study


def values(prepared: Dataset, name: str, fold: int) -> pd.DataFrame:
    folder = RunFolder(prepared.catalog.dataset, f"gz37/ablation.tiny.{name}").fold(fold)
    return pd.read_csv(folder / "val.csv", index_col="GalaxyID")


def test_every_change_is_trained_once_on_the_folds_of_the_study(
    prepared: Dataset, trained: list[FoldData], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ablation = make(prepared, tmp_path)
    ablation.check(ablation.study.variants)
    assert ablation.train(ablation.study.variants) == []
    assert [data.fold for data in trained] == [0, 1] * 3  # views train nothing
    rows = make_rows(ablation, ablation.study.variants)
    assert [row.verdict for row in rows].count("not run") == 0
    assert capsys.readouterr().out.count(": done") == 5
    before = listing(tmp_path / "folds", tmp_path / "oof")
    assert ablation.train(ablation.study.variants) == []
    assert len(trained) == 6
    assert listing(tmp_path / "folds", tmp_path / "oof") == before
    more = make(prepared, tmp_path, folds=(0, 1, 2))
    assert not more.is_done(variant(more, "base"))
    more.train(more.study.pick(["seed"]))
    assert [data.fold for data in trained[6:]] == [2, 2]


def test_views_are_of_the_recipes_own_networks(
    prepared: Dataset, trained: list[FoldData], tmp_path: Path
) -> None:
    ablation = make(prepared, tmp_path)
    ablation.train(ablation.study.pick(["two_sizes"]))
    base = ablation.study.config
    cache = Run(base, prepared).cache("train")
    for fold in (0, 1):
        folder = RunFolder(prepared.catalog.dataset, base.run).fold(fold)
        rows = np.flatnonzero(prepared.catalog.folds == fold)
        tta = TTAConfig(dihedral=False, zooms=(1.0, 1.2))
        expected = predict(load_fold_model(base, folder), cache, rows, base, tta)
        given = values(prepared, "two_sizes", fold)
        assert given.index.tolist() == prepared.catalog.ids[rows].tolist()
        np.testing.assert_allclose(given.to_numpy(), expected, atol=2e-9)
        # Not those of the base's eight views; of a network that has hardly learned they are near.
        assert abs(given - values(prepared, "base", fold)).to_numpy().max() > 1e-6
    assert len(trained) == 2


def test_a_changed_setting_is_refused_as_a_runs_is(
    prepared: Dataset, trained: list[FoldData], tmp_path: Path
) -> None:
    ablation = make(prepared, tmp_path)
    ablation.train(ablation.study.pick(["longer"]))
    other = make(prepared, tmp_path, changes=[{**CHANGES[0], "changes": ["train.epochs=3"]}])
    with pytest.raises(
        InputError, match=r"longer was trained with other settings \(train\.epochs 2 → 3"
    ):
        other.check(other.study.variants)
    text = make(prepared, tmp_path, changes=[{**CHANGES[0], "about": "said otherwise"}])
    text.check(text.study.variants)
    assert text.is_done(variant(text, "longer"))
    with pytest.raises(InputError, match=r"there is no fold 3: .* has folds 0 to 2"):
        make(prepared, tmp_path, folds=(0, 3)).check(ablation.study.variants)


def test_a_table_that_a_kill_left_out_is_written(
    prepared: Dataset, trained: list[FoldData], tmp_path: Path
) -> None:
    ablation = make(prepared, tmp_path)
    ablation.train(ablation.study.pick(["longer"]))
    table = RunFolder(prepared.catalog.dataset, "gz37/ablation.tiny.longer").oof_csv
    whole = table.read_bytes()
    for spoil in (table.unlink, table.with_suffix(".json").unlink, lambda: table.write_text("x")):
        spoil()
        assert not ablation.is_done(variant(ablation, "longer"))
        ablation.train(ablation.study.variants[:2])
        assert table.read_bytes() == whole
    assert len(trained) == 4


def test_ensembles_and_reports_take_up_what_is_named_only(
    prepared: Dataset, trained: list[FoldData], tmp_path: Path
) -> None:
    ablation = make(prepared, tmp_path, folds=(0, 1, 2), changes=[])
    ablation.train(ablation.study.variants)
    catalog, run = prepared.catalog, "gz37/ablation.tiny.base"
    with pytest.raises(InputError, match="no finished run in oof/"):
        find_runs(TASK, catalog, [])
    with pytest.raises(InputError, match="no table but those of ablation studies"):
        load_results(TASK, catalog)
    assert find_runs(TASK, catalog, [run]) == ([run], [])
    assert [result.run for result in load_results(TASK, catalog, [run])[0]] == [run]


@dataclass
class Scored:
    """An ablation whose predictions are given."""

    ablation: Ablation
    predictions: dict[str, np.ndarray]


@pytest.fixture
def scored(root: Path) -> Scored:
    """A study whose runs' tables are made up, on 90 galaxies of three folds."""
    rng = np.random.default_rng(0)
    catalog, _ = make_catalog(rng, 90, 3, "made_up", 4)
    save_catalog(catalog)
    ablation = make(Dataset(catalog, None), root)  # type: ignore[arg-type]
    votes = catalog.targets("gz37")
    noises = {"base": 0.10, "longer": 0.08, "one_view": 0.101, "two_sizes": 0.15}
    made = {}
    for name, noise in noises.items():
        made[name] = np.clip(draw_run(rng, votes, noise), 0, 1)
        run = f"gz37/ablation.tiny.{name}"
        save_run(catalog, run, made[name], np.zeros((4, 37)))
        finish(ablation, variant(ablation, name), made[name])
    return Scored(ablation, made)


def finish(ablation: Ablation, made: Variant, predictions: np.ndarray) -> None:
    """Leave the files of a run whose folds 0 and 1 are trained, each in two epochs of 30 s.

    Those of views alone have taken their weights from others, and predicted in 5 s.
    """
    run, catalog = Run(made.config, ablation.data), ablation.catalog
    run.begin()
    frame = pd.DataFrame(predictions, catalog.ids, list(TASK.columns))
    for fold in (0, 1):
        folder = RunFolder(catalog.dataset, made.config.run).fold(fold)
        folder.mkdir()
        frame[catalog.folds == fold].to_csv(folder / "val.csv", index_label="GalaxyID")
        pd.DataFrame(np.zeros((4, 37)), catalog.test_ids, list(TASK.columns)).to_csv(
            folder / "test.csv", index_label="GalaxyID"
        )
        views = made.group == "views"
        (folder / "timings.csv").write_text("0,5.0\n" if views else "1,30.0\n2,30.0\n")
        finish_fold(made.config.run, catalog, fold)
    images: Any = type("Images", (), {"unreadable": np.zeros(4, bool), "ids": catalog.test_ids})
    FoldTables(run.config, catalog).collect(images)


def slow_rmse(predictions: np.ndarray, targets: np.ndarray) -> float:
    total = sum((p - t) ** 2 for p, t in zip(predictions.flat, targets.flat, strict=True))
    return float(np.sqrt(total / predictions.size))


def made_rows(scored: Scored) -> list[Row]:
    return make_rows(scored.ablation, scored.ablation.study.variants)


def test_numbers_are_those_of_plain_loops(scored: Scored) -> None:
    catalog = scored.ablation.catalog
    kept = catalog.folds < 2
    targets = catalog.targets("gz37")[kept]
    valid = {name: TASK.project(p)[kept] for name, p in scored.predictions.items()}
    rows = {row.variant.name: row for row in made_rows(scored)}
    assert list(rows) == ["base", "longer", "one_view", "two_sizes", "seed"]
    for name, baseline in (("longer", "base"), ("one_view", "base"), ("two_sizes", "one_view")):
        ours, others = valid[name], valid[baseline]
        assert rows[name].score == pytest.approx(slow_rmse(ours, targets), abs=1e-7)
        difference = slow_rmse(ours, targets) - slow_rmse(others, targets)
        left = []  # without each galaxy
        for i in range(60):
            rest = np.arange(60) != i
            left.append(
                slow_rmse(ours[rest], targets[rest]) - slow_rmse(others[rest], targets[rest])
            )
        error = np.sqrt(59 / 60 * sum((d - np.mean(left)) ** 2 for d in left))
        made = rows[name].difference
        assert made is not None
        assert (made.value, made.error) == pytest.approx((difference, error), abs=1e-7)
    assert rows["longer"].verdict == "gain"
    assert rows["two_sizes"].verdict == "loss"
    assert rows["seed"].verdict == "not run"
    assert (rows["base"].minutes, rows["longer"].minutes) == (2.0, 2.0)
    assert rows["one_view"].minutes is None


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [(-0.3, "gain"), (0.3, "loss"), (0.2, "within one SE"), (-0.2, "within one SE")],
)
def test_a_verdict_by_hand(tmp_path: Path, difference: float, verdict: str) -> None:
    base, longer, *_ = Changes.load(str(write_study(tmp_path))).variants
    assert Row(longer, 0.1, Difference(difference, 0.2)).verdict == verdict
    assert [Row(longer, 0.1).verdict, Row(base, 0.1).verdict] == ["base not run", ""]
