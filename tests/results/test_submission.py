"""The written submission: exact ids in order, sums as read back; no demo replaces a real one."""

import json

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.core.paths import shown
from galaxyzoo.results import submission
from galaxyzoo.results.card import SubmissionCard
from galaxyzoo.results.layout import EnsembleFolder
from galaxyzoo.results.table import PredictionTable
from galaxyzoo.tasks.decision_tree import GALAXY_ZOO_2
from galaxyzoo.tasks.registry import TASKS
from support.problems import COLUMNS, draw_votes
from support.refusals import one_line_refusal

TASK = TASKS["gz37"]

CARD = SubmissionCard(dataset="kaggle", table="")
PRIOR = np.full(len(COLUMNS), 0.5)  # plays a part for classes only

IDS = np.array([500_001, 100_002, 300_003])  # the sample's order need not be ascending


def write(path, dataset="kaggle", seed=0):
    votes = draw_votes(np.random.default_rng(seed), len(IDS))[0]
    table = PredictionTable(TASK, IDS, votes)
    submission.write(path, table, SubmissionCard(dataset=dataset, table=""), PRIOR)
    return votes


def rewrite(path, change):
    """Let `change` edit the table and write it as text again."""
    frame = change(pd.read_csv(path, dtype={"GalaxyID": int}))
    frame.to_csv(path, index=False, float_format="%.9f")


def test_written_file_has_the_samples_ids_and_sums_within_a_millionth(root):
    rng = np.random.default_rng(1)
    ids = rng.permutation(np.arange(100_000, 103_000))
    raw = draw_votes(rng, len(ids))[0] + rng.normal(scale=0.2, size=(len(ids), 37))
    path = root / "many.csv"
    submission.write(path, PredictionTable(TASK, ids, raw).project(), CARD, PRIOR)
    read = pd.read_csv(path)
    assert list(read.columns) == ["GalaxyID", *COLUMNS]
    assert read["GalaxyID"].tolist() == ids.tolist()
    votes = read[COLUMNS].to_numpy()
    assert votes.min() >= 0
    assert votes.max() <= 1
    assert GALAXY_ZOO_2.residuals(votes).max() <= 1e-6


def test_raw_predictions_are_refused_and_leave_no_file(root):
    path = root / "raw.csv"
    raw = draw_votes(np.random.default_rng(0), len(IDS))[0]
    raw[1, 4] += 1e-5
    with pytest.raises(InputError, match=r"100002, column 'Class\d"):
        submission.write(path, PredictionTable(TASK, IDS, raw), CARD, PRIOR)
    assert not path.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.iloc[:2], "GalaxyID 300003 is missing"),
        (lambda f: pd.concat([f, f.iloc[:1].assign(GalaxyID=777)]), "GalaxyID 777 is not in the"),
        (lambda f: pd.concat([f, f.iloc[:1]]), "GalaxyID 500001 appears twice"),
        (lambda f: f.iloc[::-1], "the first column has '300003', not 500001"),
        (lambda f: f[["GalaxyID", *COLUMNS[::-1]]], "as in Kaggle's sample"),
        (lambda f: f.assign(fold=0), "as in Kaggle's sample"),
        (lambda f: f.drop(columns="Class7.2"), "lacks column 'Class7.2'"),
        (lambda f: f.assign(**{"Class1.1": np.nan}), "Class1.1 of GalaxyID 500001 is empty"),
        (lambda f: f.assign(**{"Class1.1": np.inf}), "is not a finite number"),
        (lambda f: f.assign(**{"Class6.1": f["Class6.1"] + 1e-6}), "Class6.1|Class6.2|Class8"),
    ],
)
def test_a_file_that_is_no_submission_is_refused_and_says_why(root, change, message):
    path = root / "file.csv"
    write(path)
    submission.check(path, TASK, IDS)
    rewrite(path, change)
    with pytest.raises(InputError, match=message):
        submission.check(path, TASK, IDS)


@pytest.mark.parametrize(("old", "new"), [(b"500001,", b"500001.0,"), (b"Gal", b"\xef\xbb\xbfGal")])
def test_ids_that_only_we_would_read_are_refused(root, old, new):
    path = root / "file.csv"
    write(path)
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    with pytest.raises(InputError, match=r"500001\.0|ufeffGalaxyID"):
        submission.check(path, TASK, IDS)


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz", ".zip"])
def test_a_compressed_submission_is_checked_as_it_is(root, ending):
    path = root / "file.csv"
    write(path)
    packed = root / f"file.csv{ending}"
    frame = pd.read_csv(path, dtype=str)
    frame.to_csv(packed, index=False)
    submission.check(packed, TASK, IDS)
    frame.iloc[::-1].to_csv(packed, index=False)
    with pytest.raises(InputError, match="the first column has '300003', not 500001"):
        submission.check(packed, TASK, IDS)


def test_a_submission_that_is_no_csv_is_refused_in_a_line(root):
    write(root / "file.csv")
    path = root / "file.parquet"
    pd.read_csv(root / "file.csv").to_parquet(path, index=False)
    assert one_line_refusal(submission.check, path, TASK, IDS).startswith(f"{shown(path)} cannot")


@pytest.fixture
def both(root):
    """The submissions of a demo and of the competition."""
    tables = []
    for seed, dataset in enumerate(("demo", "kaggle")):
        table = EnsembleFolder(dataset, "gz37", "all").csv
        write(table, dataset, seed)
        tables.append(table)
    return tables


def test_a_demo_is_published_until_a_real_one_is_there_and_never_after(both):
    demo, real = both
    for dataset, is_copied in (
        ("demo", True),
        ("demo-full", True),  # a demo replaces a demo
        ("kaggle-mini", True),
        ("demo", False),
        ("kaggle", True),
        ("kaggle-mini", False),  # a subset never replaces the whole
    ):
        said = submission.publish(demo if "demo" in dataset else real, dataset)
        assert ("keeping " in said) == (not is_copied)
    published = submission.published_csv()
    assert published.read_bytes() == real.read_bytes()
    assert json.loads(published.with_suffix(".json").read_text())["dataset"] == "kaggle"


@pytest.mark.parametrize("card", [None, "", "[]", "{}", "of another table"])
def test_a_users_own_submission_stays(both, card):
    published = submission.published_csv()
    if card == "of another table":
        submission.publish(both[0], "demo")
    elif card is not None:
        published.with_suffix(".json").write_text(card)
    published.write_text("somebody's own")
    for table, dataset in zip(both, ("demo", "kaggle"), strict=True):
        said = submission.publish(table, dataset)
        assert "keeping submissions/predictions.csv: it has no score card" in said
        assert f"to replace it with {shown(table)}, delete it and rerun" in said
        assert published.read_text() == "somebody's own"


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("is_other", [False, True])
def test_a_copy_stopped_half_way_is_made_again_and_no_demo_replaces_it(
    both, root, monkeypatch, steps, is_other
):
    demo, real = both
    new = real
    if is_other:
        new = root / "other.csv"
        write(new, seed=2)
    submission.publish(demo, "demo")
    copies = []
    copy = submission.shutil.copyfile

    def stop(source, target):
        copies.append(source)
        if len(copies) == steps:
            raise OSError("disk full")
        return copy(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(submission.shutil, "copyfile", stop)
        with pytest.raises(InputError, match="disk full"):
            submission.publish(real, "kaggle")
    published = submission.published_csv()
    if published.read_bytes() == real.read_bytes():
        assert "keeping " in submission.publish(demo, "demo")
    assert submission.publish(new, "kaggle") == "copied to submissions/predictions.csv"
    assert published.read_bytes() == new.read_bytes()
    assert json.loads(published.with_suffix(".json").read_text())["dataset"] == "kaggle"
