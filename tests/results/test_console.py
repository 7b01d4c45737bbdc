from typing import Any

import pandas as pd

from galaxyzoo.core.console import print_table
from galaxyzoo.core.paths import CODE_ROOT
from galaxyzoo.results import console
from galaxyzoo.results.card import EnsembleCard, HoldoutCard, RunCard
from galaxyzoo.results.console import candidate_table

RECORDS = CODE_ROOT / "submissions" / "records"


def test_what_is_printed_has_lines_of_80_columns(monkeypatch, capsys):
    """The committed ensembles and runs, by the longest names there are."""
    monkeypatch.setenv("COLUMNS", "80")
    ensembles = [EnsembleCard.read(path) for path in RECORDS.rglob("predictions.json")]
    runs = [RunCard.read(path) for path in RECORDS.rglob("recipes/*/oof.json")]
    assert len(ensembles) > 4
    assert len(runs) > 8
    for card in ensembles:
        console.print_ensemble(card)
        print_table(card.task, candidate_table(card))
    for task in {card.task for card in runs}:
        console.print_run_table([(card, 1234.5) for card in runs if card.task == task])
    values: dict[str, Any] = {"dataset": "kaggle-mini", "galaxies": 9}
    values |= {"run": "hubble10/source_mobilenetv2", "metric": "log-loss", "score": 0.5}
    values |= {"checkpoint": "best", "split": dict.fromkeys(("train", "val", "test"), 43_000)}
    values |= {"classes": dict.fromkeys(console.CLASS_SCORES, 0.8123)}
    console.print_holdout_table([HoldoutCard.model_construct(**values)])
    columns = {"log-loss": 2.17, **dict.fromkeys(console.CLASS_SCORES.values(), 0.1)}
    scored = pd.DataFrame([{"run": "ensemble:hubble10/hubble10-transfer", **columns}])
    print_table("hubble10 on kaggle-mini, all 5 folds", scored)
    printed = capsys.readouterr().out
    assert "0.8024" in printed  # balanced accuracy of hubble10-transfer
    assert "…" not in printed
    lines = printed.splitlines()
    assert {line for line in lines if len(line) > 80} == set()
