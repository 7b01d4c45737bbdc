from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.paths import CODE_ROOT
from galaxyzoo.reports import console
from galaxyzoo.reports.console import candidate_table, print_choice
from galaxyzoo.results.card import EnsembleCard, HoldoutCard, IntervalCard, RunCard
from support.class_fixtures import save_class_project
from support.ensemble_fixtures import save_run


@pytest.mark.parametrize(
    ("gain", "line"),
    [
        (0.015, "use anomaly4/plain: the simplest within one standard error of anomaly4/more, "),
        (0.2, "use anomaly4/more: it has the lowest log-loss"),
        (-0.2, "use anomaly4/plain: it has the lowest log-loss"),
    ],
)
def test_the_simplest_run_within_one_standard_error_is_named(
    root: Path, capsys: pytest.CaptureFixture[str], gain: float, line: str
) -> None:
    catalog = save_class_project()
    targets = catalog.train.iloc[:, 2:].to_numpy()
    noise = np.where(np.arange(len(targets)) % 2, 0.1, -0.1)
    for name, right in (("plain", np.full(len(targets), 0.55)), ("more", 0.55 + gain + noise)):
        others = (1 - right[:, None]) / 3  # probability of each wrong class
        probs = np.where(targets == 1, right[:, None], others)
        save_run(catalog, f"anomaly4/{name}", probs, np.full((10, 4), 0.25))
    cards = [RunCard.of("tiny", f"anomaly4/{name}") for name in ("plain", "more")]
    print_choice(cards, catalog)
    assert line in capsys.readouterr().out
    print_choice(cards[:1], catalog)
    assert not capsys.readouterr().out


RECORDS = CODE_ROOT / "submissions" / "records"


def test_what_is_printed_has_lines_of_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The committed ensembles and runs, by the longest names there are."""
    monkeypatch.setenv("COLUMNS", "80")
    ensembles = [EnsembleCard.read(path) for path in RECORDS.rglob("predictions.json")]
    runs = [RunCard.read(path) for path in RECORDS.rglob("recipes/*/oof.json")]
    assert len(ensembles) > 4
    assert len(runs) > 8
    for card in ensembles:
        console.print_ensemble(card)
        console.print_scores(f"{card.task} on {card.dataset}, all folds", candidate_table(card))
    for task in {card.task for card in runs}:
        console.print_run_table([(card, 1234.5) for card in runs if card.task == task])
    scores = {"coverage": 0.9, "coverage_se": 0.01, "width": 0.1, "score": 0.2}
    values: dict[str, Any] = {"dataset": "kaggle-mini", "galaxies": 9, "levels": {"0.9": scores}}
    console.print_intervals(IntervalCard.model_construct(**values))
    values |= {"run": "hubble10/source_mobilenetv2", "metric": "log-loss", "score": 0.5}
    values |= {"checkpoint": "best", "split": dict.fromkeys(("train", "val", "test"), 43_000)}
    values |= {"classes": dict.fromkeys(console.CLASS_SCORES, 0.8123)}
    console.print_holdout_table([HoldoutCard.model_construct(**values)])
    columns = {"log-loss": 2.17, **dict.fromkeys(console.CLASS_SCORES.values(), 0.1)}
    scored = pd.DataFrame([{"run": "ensemble:hubble10/hubble10-transfer", **columns}])
    console.print_scores("hubble10 on kaggle-mini, all 5 folds", scored)
    printed = capsys.readouterr().out
    assert "0.8024" in printed  # balanced accuracy of hubble10-transfer
    assert "…" not in printed
    lines = printed.splitlines()
    assert {line for line in lines if len(line) > 80} == set()
    cut_off = {line for line in lines if line[:1] in {*"┃│"} and line[-1] not in {*"┃│"}}
    assert cut_off == set()
