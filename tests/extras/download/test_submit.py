"""To Kaggle: submissions by the real client against a stand-in, and the scripts of both ways."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core import paths
from galaxyzoo.core.manifest import read_sealed, write_sealed
from galaxyzoo.core.paths import WHOLE
from galaxyzoo.data.catalog import Catalog, save_catalog
from galaxyzoo.data.prepare import prepare
from galaxyzoo.extras.download import kaggle_api, submit
from galaxyzoo.extras.download.ledger import Ledger
from galaxyzoo.io.writing import format_predictions
from galaxyzoo.results.layout import EnsembleFolder, RunFolder, card_path
from galaxyzoo.results.submission import published_csv
from galaxyzoo.results.table import digest_table
from galaxyzoo.tasks.registry import get_task
from support.datasets import COLUMNS, draw_competition, draw_votes
from support.kaggle_server import REF
from support.refusals import one_line_refusal
from support.trained import save_run

COMPETITION = draw_competition(n_train=6, n_test=5, seed=8)


def write_submission(root: Path) -> Path:
    """Valid predictions of the small competition's test galaxies, and its sample in `input/`."""
    COMPETITION.write_zips(root / "input")
    votes = draw_votes(np.random.default_rng(0), COMPETITION.test_ids)
    frame = pd.DataFrame(get_task("gz37").project(votes.to_numpy()), votes.index, COLUMNS)
    path = published_csv()
    path.write_text(format_predictions(frame))
    return path


def write_card(path: Path, digest: str) -> None:
    write_sealed(card_path(path), {"dataset": "kaggle", "table": digest})


def test_submission_arrives_and_its_own_score_is_shown(stand_in, rests, root):
    path = write_submission(root)
    write_card(path, digest_table(path))
    submit.check_file(path, WHOLE)
    api = kaggle_api.connect()
    ref = kaggle_api.submit_file(api, path, "three networks")
    assert stand_in.uploads == [path.read_bytes()]
    assert stand_in.submissions[0]["submissionDescription"] == "three networks"
    assert stand_in.submissions[0]["competitionName"] == kaggle_api.COMPETITION
    stand_in.polls_before_score = 3
    entry = kaggle_api.wait_for_score(api, ref, 100)
    assert entry is not None
    assert (entry.public_score, entry.private_score) == ("0.07512", "0.07498")
    assert len(rests) == 3


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (None, f"{kaggle_api.PAGE}/submissions"),  # it may have arrived
        ((502, "", {}), f"{kaggle_api.PAGE}/submissions"),
        ((400, "No submissions left today", {}), "No submissions left today"),
    ],
)
def test_submission_that_may_have_arrived_is_not_sent_again(fault, named, stand_in, rests, root):
    path = write_submission(root)
    stand_in.faults["CreateSubmission"] = [fault]
    assert named in one_line_refusal(kaggle_api.submit_file, kaggle_api.connect(), path, "m")
    assert (stand_in.count("CreateSubmission"), rests) == (1, [])


def submit_by(monkeypatch: pytest.MonkeyPatch, *words: str) -> list[dict[str, str]]:
    """Type the command; returns the rows of the ledger."""
    monkeypatch.setattr(sys, "argv", ["submit.py", *words])
    submit.main()
    return Ledger().rows


def test_scores_of_a_submission_come_later(stand_in, rests, root, monkeypatch, capsys):
    stand_in.elsewhere.clear()
    path = write_submission(root)
    record = read_sealed(card_path(EnsembleFolder("kaggle-mini", "gz37", "default").record_csv))
    write_sealed(card_path(path), {**record, "dataset": WHOLE, "table": digest_table(path)})
    assert submit_by(monkeypatch, "--check") == []
    assert stand_in.calls == []
    (row,) = submit_by(monkeypatch, "-m", "a, b", "--no-wait")
    cross_validated = record["score"]
    nested = record["nested"]["score"]
    assert row["ensemble"] == "default"
    assert float(row["cross_validated"]) == cross_validated
    assert float(row["nested"]) == nested
    assert (row["message"], row["digest"]) == ("a, b", digest_table(path))
    assert (row["public"], row["status"], row["kaggle_number"]) == ("", "pending", str(REF))
    stand_in.polls_before_score = 0
    (row,) = submit_by(monkeypatch, "--scores")
    assert (row["public"], row["private"], row["status"]) == ("0.07512", "0.07498", "complete")
    assert f"{0.07512 - cross_validated:.5f}" in capsys.readouterr().out
    card_path(path).unlink()
    _, mine = submit_by(monkeypatch, "-m", "mine")
    assert (mine["ensemble"], mine["public"]) == ("submissions/predictions.csv", "0.07512")
    assert len(stand_in.submissions) == 2


def test_a_subsets_submission_is_checked_against_its_own_sample_and_not_sent(
    stand_in, root, monkeypatch, capsys
):
    """The first file that a reader has is the demo's."""
    path = write_submission(root)
    demo = prepare(n_folds=2)
    write_sealed(card_path(path), {"dataset": demo.dataset, "table": digest_table(path)})
    assert submit_by(monkeypatch, "--check") == []
    valid = "submissions/predictions.csv is valid (5 rows). Not sent."
    assert valid in capsys.readouterr().out
    line = one_line_refusal(submit_by, monkeypatch, "-m", "m")
    assert line.startswith(f"submissions/predictions.csv has the test galaxies of {demo.dataset};")
    assert "whole competition" in line
    votes = pd.read_csv(path)
    votes.iloc[:-1].to_csv(path, index=False)
    write_sealed(card_path(path), {"dataset": demo.dataset, "table": digest_table(path)})
    assert "GalaxyID" in one_line_refusal(submit_by, monkeypatch, "--check")
    assert stand_in.calls == []


@pytest.mark.parametrize("networks", ["test", "refit"])
def test_a_runs_table_is_of_its_dataset_and_has_its_score(
    networks, stand_in, rests, root, monkeypatch, capsys
):
    values = pd.read_csv(write_submission(root), index_col="GalaxyID").to_numpy()
    whole = prepare(n_folds=2)
    for dataset in ("mini", WHOLE):
        catalog = Catalog(dataset, whole.train, whole.test_ids)
        save_catalog(catalog)
        folder = RunFolder(dataset, "gz37/net")
        save_run(catalog, folder.run, whole.train[COLUMNS].to_numpy(), values)
        path = {"test": folder.test_csv, "refit": folder.refit_csv}[networks]
        if networks == "refit":
            folder.test_csv.rename(path)
            tables = {"oof": "", "test": "", "refit": digest_table(path)}
            write_sealed(folder.card, read_sealed(folder.card) | {"tables": tables})
        submit_by(monkeypatch, str(path), "--check")
        valid = f"{paths.shown(path)} is valid (5 rows). Not sent."
        printed = capsys.readouterr().out
        assert valid in printed
        assert (f"these are {dataset}'s" in printed) == (dataset != WHOLE)
    (row,) = submit_by(monkeypatch, str(path), "-m", "alone", "--no-wait")
    assert (row["ensemble"], float(row["cross_validated"]), row["nested"]) == ("gz37/net", 0, "")
    path.write_text(path.read_text() + "\n")  # by hand
    _, row = submit_by(monkeypatch, str(path), "-m", "changed", "--no-wait")
    assert (row["ensemble"], row["cross_validated"]) == (paths.shown(path), "")
    path.write_text(path.read_text().replace(",0.", ",0.0", 1))
    assert "is not between 0 and 1" in one_line_refusal(
        submit_by, monkeypatch, str(path), "--check"
    )
    path.unlink()
    assert "is missing" in one_line_refusal(submit_by, monkeypatch, str(path), "--check")


def test_a_users_own_json_beside_a_file_is_no_card(stand_in, rests, root, monkeypatch, capsys):
    """Such as the settings of an experiment; a card of ours that was changed is refused."""
    path = write_submission(root)
    card_path(path).write_text('{"lr": 0.001, "epochs": 12}')
    submit_by(monkeypatch, str(path), "--check")
    assert "is valid (5 rows)" in capsys.readouterr().out
    write_card(path, digest_table(path))
    card_path(path).write_text(card_path(path).read_text().replace("kaggle", "kagle"))
    assert "was changed after it was written" in one_line_refusal(
        submit_by, monkeypatch, str(path), "--check"
    )


@pytest.mark.parametrize("fault", ["order", "card"])  # the others: results/test_submission.py
def test_invalid_file_is_not_sent(fault, stand_in, rests, root, monkeypatch):
    path = write_submission(root)
    if fault == "card":
        write_card(path, "of another")
    else:
        pd.read_csv(path).iloc[::-1].to_csv(path, index=False)
    line = one_line_refusal(submit_by, monkeypatch, str(path), "-m", "m")
    assert line.startswith(paths.shown(path))
    assert stand_in.calls == []
