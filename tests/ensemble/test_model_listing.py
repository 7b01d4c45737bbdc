"""Which run or ensemble a name means, and which one answers where none is named."""

from pathlib import Path

import numpy as np
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.manifest import write_sealed
from galaxyzoo.core.paths import BUNDLED
from galaxyzoo.ensemble.model_listing import choose_default, find_predictor
from galaxyzoo.results import layout
from galaxyzoo.results.fold_files import DONE
from galaxyzoo.results.layout import EnsembleFolder, RunFolder, card_path
from support.trained import make_catalog, run_card

BUNDLED_RUN = (BUNDLED, "gz37/d4cnn_transfer")  # RMSE 0.0782 on 6,000 galaxies


@pytest.fixture
def trained(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run that has a card has networks of all folds."""
    monkeypatch.setattr(layout, "digest_networks", lambda *_: "same")


def save_card(dataset: str, run: str, score: float, galaxies: int, **values: object) -> None:
    """Score card of a run with finished folds."""
    catalog, _ = make_catalog(np.random.default_rng(0), 30, 3, dataset, 5)
    scores = {"metric": "RMSE", "score": score, "mean": score, "sd": 0.0, "galaxies": galaxies}
    scores |= {"per_fold": {"0": score, "1": score, "2": score}, "code_version": "1"}
    path = RunFolder(dataset, run).card
    path.parent.mkdir(parents=True, exist_ok=True)
    write_sealed(path, run_card(catalog, run, **{**scores, **values}))
    mark = RunFolder(dataset, run).training("fold_0") / DONE
    mark.parent.mkdir(parents=True)
    mark.touch()


@pytest.mark.parametrize(
    ("dataset", "score", "galaxies", "more", "is_taken", "why"),
    [
        ("kaggle-mini", 0.0776, 6000, {}, True, ""),
        ("kaggle-mini", 0.1105, 6000, {}, False, "RMSE 0.1105"),
        ("kaggle", 0.0745, 61578, {}, True, ""),
        ("kaggle", 0.1105, 61578, {}, False, "RMSE 0.1105"),
        ("mine", 0.0500, 300, {}, False, "RMSE 0.0500, on only 300 galaxies"),
        ("kaggle", 0.05, 61578, {"possible_leakage": True}, False, "optimistic score"),
        ("kaggle", 0.05, 61578, {"folds": [0, 1]}, False, "2 of 3 folds"),
    ],
)
def test_the_best_score_on_real_galaxies_answers(
    trained, dataset, score, galaxies, more, is_taken, why
):
    save_card(dataset, "gz37/cnn", score, galaxies, **more)
    best, line = choose_default()
    assert line.startswith(f"using {best.title}: out-of-fold RMSE {best.score:.4f} on ")
    if is_taken:
        assert (best.dataset, best.name) == (dataset, "gz37/cnn")
        assert line.endswith("not used: gz37/d4cnn_transfer (bundled): RMSE 0.0782")
    else:
        assert (best.dataset, best.name) == BUNDLED_RUN
        assert line.endswith(f"not used: gz37/cnn on {dataset}: {why}")
    if not more:
        assert choose_default(dataset)[0].dataset == dataset
    with pytest.raises(InputError, match=r"no trained run of gz37 in oof/elsewhere/ \(none there"):
        choose_default("elsewhere")


def test_models_of_simulated_galaxies_are_counted_and_not_listed(trained):
    save_card("demo-full", "gz37/cnn", 0.05, 9000)
    best, line = choose_default()
    assert (best.dataset, best.name) == BUNDLED_RUN
    assert line.endswith("kaggle-mini; not used: 1 model trained on simulated galaxies")
    for number in range(5):
        save_card("kaggle", f"gz37/run{number}", 0.11, 61578)
    save_card("demo", "gz37/cnn", 0.05, 600)
    _, line = choose_default()
    assert line.count("RMSE 0.1100") == 3
    assert line.endswith(", 2 more, 2 models trained on simulated galaxies")


def test_a_run_that_lacks_networks_is_passed_over(root):
    save_card("kaggle", "gz37/cnn", 0.05, 61578)
    best, line = choose_default()
    assert (best.dataset, best.name) == BUNDLED_RUN
    assert "gz37/cnn on kaggle: some folds have no network" in line


def test_without_bundled_networks_real_runs_answer_before_a_demos(trained, monkeypatch):
    monkeypatch.setattr(layout, "bundled_runs", lambda *_: [])
    with pytest.raises(InputError, match="no trained run of gz37"):
        choose_default()
    save_card("other", "gz37/cnn", 0.2, 50)
    RunFolder("other", "gz37/cnn").card.write_text("{}")
    with pytest.raises(InputError, match="gz37/cnn on other: damaged score card"):
        choose_default()
    save_card("demo", "gz37/cnn", 0.01, 600)
    assert choose_default()[0].dataset == "demo"
    save_card("mine", "gz37/cnn", 0.2, 50)
    assert choose_default()[0].dataset == "mine"


def build(dataset: str, task: str, name: str) -> None:
    path = card_path(EnsembleFolder(dataset, task, name).csv)
    path.parent.mkdir(parents=True)
    path.touch()


def test_an_ensembles_short_name_is_the_competitions_or_that_of_the_only_task(root):
    build("mini", "anomaly4", "transfer")
    assert find_predictor("ensemble:transfer") == ("mini", "ensemble:anomaly4/transfer")
    build("mini", "zoo5", "transfer")
    with pytest.raises(InputError, match="ensemble:anomaly4/transfer, ensemble:zoo5/transfer"):
        find_predictor("ensemble:transfer")
    build("demo", "gz37", "transfer")
    assert find_predictor("ensemble:transfer") == ("demo", "ensemble:transfer")
    build("mini", "gz37", "transfer")
    assert find_predictor("ensemble:transfer") == ("mini", "ensemble:transfer")
    assert find_predictor("ensemble:zoo5/transfer") == ("mini", "ensemble:zoo5/transfer")
    build("other", "gz37", "transfer")
    with pytest.raises(InputError, match="--dataset with one of mini, other"):
        find_predictor("ensemble:transfer")
    assert find_predictor("ensemble:transfer", "demo") == ("demo", "ensemble:transfer")
    with pytest.raises(InputError, match=r"'ensemble:all' on mini; built: .*transfer on mini"):
        find_predictor("ensemble:all", "mini")
