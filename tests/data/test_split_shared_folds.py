"""Folds of a team's table: taken over as they are, checked, kept by later commands."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.data.catalog import Catalog, load_catalog, save_catalog
from galaxyzoo.data.prepare import prepare
from support.datasets import clear_competition, write_labeled
from support.refusals import listing, one_line_refusal
from support.trained import run_command

COUNT = 24
K = 4


@pytest.fixture
def ids(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids of a competition: two pairs of copies, in rows 0, 1 and 2, 3; two groups of two, 4 to 7.

    The current folder is the project's.
    """
    monkeypatch.chdir(root)
    made = clear_competition(COUNT)
    ids = made.votes.index.tolist()
    for row in (0, 2):
        made.images[ids[row + 1]] = made.images[ids[row]]
    made.write_zips(root / "input")
    groups = pd.DataFrame({"GalaxyID": ids[4:8], "group": ["a", "a", "b", "b"]})
    groups.to_csv(root / "input/groups.csv", index=False)
    return ids


def write_folds(ids: list[int], folds: np.ndarray, seed: int = 0) -> None:
    table = pd.DataFrame({"fold": folds, "note": "x", "GalaxyID": ids})
    table.sample(frac=1, random_state=seed).to_csv("team.csv", index=False)


def digest(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


# Rows 0 and 1, 4 and 5, 6 and 7 are in different folds, 2 and 3 in one.
DIVIDED = np.array([0, 1, 2, 2, 0, 1, 2, 3, *np.arange(COUNT - 8) % K])


def test_a_split_is_that_of_the_table_and_stays(ids, root, monkeypatch, capsys):
    write_folds(ids, DIVIDED + 1)
    run_command(monkeypatch, "prepare", "--folds-from", "team.csv")
    printed = capsys.readouterr().out
    (folder,) = (root / "folds").glob("kaggle*")
    catalog = load_catalog(folder.name)
    assert catalog.folds.tolist() == DIVIDED.tolist()
    assert catalog.about["n_folds"] == K
    assert catalog.about["folds_from"] == f"team.csv, sha256sum {digest('team.csv')}"
    assert catalog.about["folds_as_in_earlier_datasets"] == 0
    pairs = {"near-duplicate": (1, 0), "group": (2, 4)}
    for cause, (count, row) in pairs.items():
        example = f"GalaxyID {ids[row]} and {ids[row + 1]}\n"
        assert f"sets divided over folds ({cause}): {count}, such as {example}" in printed
    train = folder / "train.csv"
    closing = f"{train.relative_to(root)} (sha256sum {digest(train)[:16]}…)\n"
    assert closing in printed
    before = listing(folder)
    write_folds(ids, DIVIDED, seed=1)  # the same folds, another file
    for words in (["--folds-from", "team.csv"], [], ["--folds", str(K)]):
        run_command(monkeypatch, "prepare", *words)
    assert capsys.readouterr().out.count(closing) == 3
    write_folds(ids, np.roll(DIVIDED, 1))
    asked = {
        "--folds-from team.csv": "has other folds than --folds-from",
        "--folds 5": "n_folds 4, not 5",
    }
    for typed, problem in asked.items():
        line = one_line_refusal(run_command, monkeypatch, "prepare", *typed.split())
        assert problem in line
        assert "to split again" in line
    assert listing(folder) == before


def test_with_strict_no_group_is_divided(ids, root, monkeypatch):
    together = "belong together (near-duplicates, one group or position)"
    strict = ["prepare", "--folds-from", "team.csv", "--strict"]
    for rows in ([4, 5], [0, 1]):
        folds = np.arange(COUNT) // 2 % K
        folds[rows] = [0, 1]
        write_folds(ids, folds)
        line = one_line_refusal(run_command, monkeypatch, *strict)
        assert line.startswith(f"GalaxyID {ids[rows[0]]} and {ids[rows[1]]} {together}")
        assert line.endswith("leave out --strict")
        assert not listing(root / "folds")
    run_command(monkeypatch, *strict[:-1])  # which accepts it
    assert together in one_line_refusal(run_command, monkeypatch, *strict)
    for path in (root / "folds").glob("kaggle*/*"):
        path.unlink()
    write_folds(ids, np.arange(COUNT) // 2 % K)
    run_command(monkeypatch, *strict)


# Edits of a table `GalaxyID,fold`, and the end of the refusal.
FOLDS_WRONG = {
    "repeated": (lambda table: pd.concat([table, table[:1]]), "appears twice (repeated rows: 1)"),
    "no column": (lambda table: table.rename(columns={"fold": "kfold"}), "instead: 'kfold')"),
    "gap": (lambda table: table.replace({"fold": {2: 7}}), "without gaps, not 0, 1, 3, 7"),
    "from 2 on": (lambda table: table.assign(fold=table["fold"] + 2), "gaps, not 2, 3, 4, 5"),
    "negative": (lambda table: table.assign(fold=table["fold"] - 1), "gaps, not -1, 0, 1, 2"),
    "halves": (lambda table: table.assign(fold=table["fold"] / 2), "gaps, not 0, 0.5, 1, 1.5"),
    "text": (lambda table: table.replace({"fold": {1: "b"}}), "(such values: 6)"),
    "one fold": (
        lambda table: table.assign(fold=0),
        "has a single fold, 0: a split needs two or more",
    ),
    "other ids": (
        lambda table: table.replace({"GalaxyID": {table["GalaxyID"][5]: 7}}),
        "not in the dataset: [7]; such galaxies: 2)",
    ),
}


def test_a_table_that_is_no_split_is_refused(ids, root, monkeypatch):
    table = pd.DataFrame({"GalaxyID": ids, "fold": np.arange(COUNT) % K})
    before = listing(root / "folds")
    for name, (edit, end) in FOLDS_WRONG.items():
        edit(table).to_csv("team.csv", index=False)
        line = one_line_refusal(run_command, monkeypatch, "prepare", "--folds-from", "team.csv")
        assert line.endswith(end), name
        assert "team.csv" in line, name
    assert f"(missing: [{ids[5]}], not" in line
    assert listing(root / "folds") == before


def test_a_galaxy_has_one_fold_in_all_datasets(ids, monkeypatch):
    write_folds(ids, DIVIDED)
    train = pd.DataFrame({"fold": np.arange(COUNT) % K, "group": 0, "a": 1.0}, pd.Index(ids))
    save_catalog(Catalog("other", train, np.array([], int), {}))
    line = one_line_refusal(run_command, monkeypatch, "prepare", "--folds-from", "team.csv")
    assert line.startswith(f"GalaxyID {ids[3]} is in one fold of other and another one of another")


def test_new_labels_leave_the_folds_of_a_table(root, monkeypatch):
    """Of a table of labels, whose groups the folds divide."""
    monkeypatch.chdir(root)
    folder = write_labeled(root / "input/mine", 40)
    labels = pd.read_csv(folder / "train_labels.csv").assign(group=np.arange(40) // 20)
    labels.to_csv(folder / "labels.csv", index=False)
    (folder / "train_labels.csv").unlink()
    names = labels["GalaxyID"].astype(str)
    folds = pd.Series(np.arange(40) // 5 % 2, names)
    folds.to_csv("team.csv", index_label="id", header=["fold"])
    run_command(monkeypatch, "prepare", "--data", "mine", "--folds-from", "team.csv")
    before = load_catalog("mine")
    labels.loc[0, "class"] = labels["class"][1]
    labels.to_csv(folder / "labels.csv", index=False)
    after = prepare("mine", tasks={"mine"})
    assert after.fingerprint != before.fingerprint
    assert after.folds.tolist() == folds.sort_index().tolist()
    assert after.about["folds_from"] == before.about["folds_from"] != ""
