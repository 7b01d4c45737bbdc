"""Score cards that are not as they were written, and tables that are not their card's."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from galaxyzoo.core import files, paths
from galaxyzoo.core.manifest import write_sealed
from galaxyzoo.core.paths import CODE_ROOT
from galaxyzoo.data.catalog import Catalog, load_catalog
from galaxyzoo.ensemble import members
from galaxyzoo.extras.reports import command as evaluate
from galaxyzoo.extras.reports.results import load_result
from galaxyzoo.results.card import EnsembleCard, RunCard, ScoreCard
from galaxyzoo.results.layout import RunFolder, card_path
from galaxyzoo.tasks.registry import TASKS
from support.refusals import one_line_refusal
from support.trained import built, run_command, run_here, save_project

TASK = TASKS["gz37"]
MEAN = ("--candidates", "mean")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the mean of two runs is built; no test may change it."""
    root = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GALAXYZOO_ROOT", str(root))
        save_project()
        run_here(patch, *MEAN)
    return root


@pytest.fixture
def catalog(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """Of a copy of the project."""
    monkeypatch.setenv("GALAXYZOO_ROOT", str(shutil.copytree(project, tmp_path / "copy")))
    return load_catalog("tiny")


def change(card: Path, key: str, value: Any) -> None:
    """Replace the value of a card's key; remove the key where the value is None."""
    values = {**files.read_json(card), key: value}
    write_sealed(card, {k: v for k, v in values.items() if k != key or v is not None})


def refusals(catalog: Catalog, run: str) -> list[str]:
    """What ensemble and report say of a run."""
    return [
        one_line_refusal(members.load_oof, run, TASK, catalog),
        one_line_refusal(load_result, run, TASK, catalog),
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("folds", 7), ("tables", 5), ("score", "x"), ("diverged", 3), ("training_loss", [1])),
        *(("unreadable_test_images", "x"), ("per_fold", None), ("run", None), ("tables", None)),
        *(("fingerprint", None), ("tables.oof", {"test": ""})),
    ],
)
def test_a_runs_card_with_a_wrong_or_missing_key_is_refused(catalog, key, value):
    change(RunFolder("tiny", "gz37/run0").card, key.split(".")[0], value)
    for text in refusals(catalog, "gz37/run0"):
        assert text.startswith("oof/tiny/gz37/run0.json is not a complete score card (rerun the ")
        assert f"key '{key}" in text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("runs", 3), ("unreadable_test_images", 4), ("candidates", [1]), ("without", None)),
        *(("table", None), ("nested", 7), ("members", {"a": 3})),
    ],
)
def test_an_ensembles_card_with_a_wrong_or_missing_key_is_refused_and_made_again(
    catalog, monkeypatch, key, value
):
    card = card_path(built("gz37").csv)
    whole = card.read_bytes()
    change(card, key, value)
    for text in (
        one_line_refusal(run_command, monkeypatch, "intervals"),
        one_line_refusal(load_result, "ensemble:all", TASK, catalog),
    ):
        assert text.startswith(
            "submissions/tiny/gz37/all/predictions.json is not a complete score card"
        )
        assert f"key '{key}" in text
    run_here(monkeypatch, *MEAN)
    assert card.read_bytes() == whole


@pytest.mark.parametrize("run", ["gz37/run0", "ensemble:all"])
def test_a_card_with_another_number_is_refused_or_made_again(catalog, monkeypatch, run):
    """A fold's score: nothing else that is read would contradict it."""
    card = card_path(built().csv if run == "ensemble:all" else RunFolder("tiny", run).oof_csv)
    whole = card.read_bytes()
    values = files.read_json(card)
    card.write_text(json.dumps({**values, "per_fold": {**values["per_fold"], "0": 0.01}}))
    text = one_line_refusal(load_result, run, TASK, catalog)
    assert text.startswith(f"{paths.shown(card)} was changed after it was written: rerun the ")
    if run == "ensemble:all":
        run_here(monkeypatch, *MEAN)
        assert card.read_bytes() == whole


@pytest.mark.parametrize("run", ["gz37/run0", "ensemble:all"])
def test_a_report_refuses_a_table_that_is_not_the_cards(catalog, monkeypatch, run):
    """The last of nine decimals: the score stays the same."""
    path = built("gz37").oof_csv
    path = path if run == "ensemble:all" else RunFolder("tiny", run).oof_csv
    load_result(run, TASK, catalog)
    text = path.read_text()
    at = text.index("\n", text.index("\n") + 1) - len(",0") - 1
    path.write_text(text[:at] + ("2" if text[at] == "1" else "1") + text[at + 1 :])
    monkeypatch.setattr("sys.argv", ["evaluate.py", run])
    assert f"{paths.shown(path)} is missing or does not match" in one_line_refusal(evaluate.main)


def test_a_table_and_card_under_another_runs_name_are_refused(catalog):
    own = RunFolder("tiny", "gz37/run0")
    copy = RunFolder("tiny", "gz37/copy")
    for kind in ("oof_csv", "test_csv", "card"):
        shutil.copy(getattr(own, kind), getattr(copy, kind))
    alone = one_line_refusal(members.find_runs, TASK, catalog, [])
    for text in [*refusals(catalog, "gz37/copy"), alone]:
        assert "gz37/copy.json is for gz37/run0, not gz37/copy: delete it and its table" in text


@pytest.mark.parametrize(
    ("pattern", "kind"),
    [("*/*/*/predictions.json", EnsembleCard), ("*/*/recipes/*/oof.json", RunCard)],
)
def test_the_committed_cards_are_whole(pattern, kind):
    cards = sorted((CODE_ROOT / "submissions/records").glob(pattern))
    assert len(cards) >= 5
    for card in cards:
        kind.read(card)


@pytest.mark.parametrize(
    ("task", "text"),
    [
        ("zoo5", "log-loss 0.50000, accuracy 90.0 %"),
        ("hubble10", "log-loss 0.50000, accuracy 80.0 % (balanced)"),
    ],
)
def test_classes_are_scored_by_the_accuracy_that_decides_them(task, text):
    classes = {"accuracy": 0.9, "balanced_accuracy": 0.8}
    known: dict[str, Any] = dict.fromkeys(("fingerprint", "code_version"), "") | {"sd": None}
    known |= {"dataset": "tiny", "per_fold": {}, "selected_on_validation": False}
    known |= {"galaxies": 10, "classes": classes}
    values = {**known, "task": task, "metric": "log-loss", "score": 0.5}
    assert ScoreCard.parse(values, "a test").score_text == text
