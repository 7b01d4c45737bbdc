"""What a study measured on another machine: it stays in the table while it still holds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from galaxyzoo.core import files
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.data.prepare import Dataset
from galaxyzoo.tuning import ablation_records
from galaxyzoo.tuning.ablation import Ablation, Row, format_rows, make_rows
from support.ablation_fixtures import Scored


def by_name(rows: list[Row]) -> dict[str, Row]:
    return {row.variant.name: row for row in rows}


@pytest.fixture
def elsewhere(scored: Scored, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page whose records were written on another machine; its runs are not here."""
    page = root / "docs" / "page.md"
    page.parent.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(ablation_records, "describe_machine", lambda: "the other machine")
        ablation_records.note(page, "tiny", scored.ablation, make_rows(scored.ablation))
    return page


def forget(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let these variants not be trained here."""
    is_done = Ablation.is_done
    monkeypatch.setattr(
        Ablation, "is_done", lambda self, v: v.name not in names and is_done(self, v)
    )


def test_rows_of_another_machine_stand_where_nothing_is_trained_here(
    scored: Scored,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = by_name(make_rows(scored.ablation))
    forget(monkeypatch, "base", "longer", "one_view", "two_sizes")
    empty = make_rows(scored.ablation)
    assert {row.verdict for row in empty} == {"not run"}
    recalled = ablation_records.recall(elsewhere, "tiny", scored.ablation, empty)
    assert [row.variant.name for row in recalled] == [row.variant.name for row in empty]
    for name, row in by_name(recalled).items():
        assert row == replace(there[name], machine="" if name == "seed" else "the other machine")
    text = format_rows(scored.ablation, recalled)
    assert "Measured before on the other machine: `base`, `longer`, `one_view`, `tw" in text


def test_what_is_trained_here_counts_more(
    scored: Scored,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A record of a comparison stays, though the run that it was with is trained anew here."""
    there = by_name(make_rows(scored.ablation))
    records = ablation_records.records_path(elsewhere, "tiny")
    records.write_text(records.read_text().replace('"minutes": 2.0', '"minutes": 7.5'))
    forget(monkeypatch, "longer")
    rows = by_name(
        ablation_records.recall(elsewhere, "tiny", scored.ablation, make_rows(scored.ablation))
    )
    assert (rows["base"].minutes, rows["base"].machine) == (2.0, "")
    assert (rows["longer"].minutes, rows["longer"].machine) == (7.5, "the other machine")
    assert rows["longer"].difference == there["longer"].difference


def test_a_recorded_baseline_does_not_hide_that_a_change_has_no_difference_here(
    scored: Scored,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Trained here, but what it is compared with is not: the whole record is taken."""
    there = by_name(make_rows(scored.ablation))
    forget(monkeypatch, "base")
    made = by_name(make_rows(scored.ablation))
    assert made["longer"].verdict == "base not run"
    rows = ablation_records.recall(elsewhere, "tiny", scored.ablation, [made["longer"]])
    assert rows == [replace(there["longer"], machine="the other machine")]


@pytest.mark.parametrize("what", ["settings", "baseline", "data", "folds"])
def test_a_record_of_something_else_does_not_count(
    scored: Scored,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    forget(monkeypatch, "base", "longer", "one_view", "two_sizes")
    ablation, row = scored.ablation, by_name(make_rows(scored.ablation))["longer"]
    longer = row.variant
    other = longer.config.model_copy(update={"loss": "kl"})
    if what == "settings":
        row = replace(row, variant=replace(longer, config=other))
    elif what == "baseline":
        assert longer.baseline
        row = replace(row, variant=replace(longer, baseline=replace(longer.baseline, config=other)))
    elif what == "data":
        whole = ablation.catalog
        train = whole.train.copy()
        train["Class1.1"] = np.roll(train["Class1.1"], 1)
        moved = Catalog(whole.dataset, train, whole.test_ids)
        ablation = replace(ablation, data=Dataset(moved, None))  # type: ignore[arg-type]
    else:
        ablation = replace(ablation, folds=(0,))
    assert ablation_records.recall(elsewhere, "tiny", ablation, [row]) == [row]


def test_what_the_study_no_longer_has_goes_and_what_is_not_run_is_not_noted(
    scored: Scored,
    elsewhere: Path,
) -> None:
    rows = make_rows(scored.ablation)
    whole = ablation_records.recall(elsewhere, "tiny", scored.ablation, rows)
    ablation_records.note(elsewhere, "tiny", scored.ablation, whole[:2])
    records = ablation_records.records_path(elsewhere, "tiny")
    assert list(files.read_json(records)) == ["base", "longer"]


@pytest.mark.parametrize("text", ["{", "[]", '{"longer": 3}'])
def test_damaged_records_are_named(
    scored: Scored,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
) -> None:
    ablation_records.records_path(elsewhere, "tiny").write_text(text)
    forget(monkeypatch, "longer")
    with pytest.raises(InputError, match=r"ablation_tiny\.json"):
        ablation_records.recall(elsewhere, "tiny", scored.ablation, make_rows(scored.ablation))


def test_without_records_nothing_changes(scored: Scored, root: Path) -> None:
    rows = make_rows(scored.ablation)
    assert ablation_records.recall(root / "page.md", "tiny", scored.ablation, rows) == rows
