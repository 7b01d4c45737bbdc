"""Imported runs: checks of their tables, which of them join an ensemble, and their marks."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from galaxyzoo.core.manifest import write_sealed
from galaxyzoo.data.catalog import Catalog
from galaxyzoo.ensemble import members
from galaxyzoo.results.card import Digests, RunCard
from galaxyzoo.results.imported import TablePair, import_runs
from galaxyzoo.results.layout import PACKED, SCORES, RunFolder
from galaxyzoo.results.table import digest_table
from galaxyzoo.tasks.registry import TASKS
from support.refusals import listing, one_line_refusal
from support.small_models import small_config
from support.trained import read_card, run_here, save_project, save_theirs

TASK = TASKS["gz37"]
THEIRS = "gz37/theirs"
QUICK = ("--candidates", "mean,nnls")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Catalog]:
    """A project of two runs, which no test may change."""
    folder = tmp_path_factory.mktemp("saved")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GALAXYZOO_ROOT", str(folder))
        return folder, save_project(n=90)


@pytest.fixture
def catalog(saved, root):
    folder, catalog = saved
    shutil.copytree(folder, root, dirs_exist_ok=True)
    return catalog


def import_run(catalog: Catalog, pair: TablePair) -> RunCard:
    (card,) = import_runs(catalog, [pair])
    return card


def artifacts() -> dict[Path, bytes]:
    """Every file of the imported run."""
    folder = RunFolder("tiny", THEIRS)
    paths = folder.oof_csv, folder.test_csv, folder.card
    return {path: path.read_bytes() for path in paths if path.exists()}


def test_an_imported_run_joins_by_id_and_is_recognized(catalog, tmp_path, monkeypatch, capsys):
    given = "--import", "theirs={},{}".format(*save_theirs(catalog, tmp_path))
    run_here(monkeypatch, *given)
    assert re.search(r"gz37/theirs: RMSE 0\.0\d+ on 90 galaxies", capsys.readouterr().out)
    before = artifacts()
    assert len(before) == 3
    run_here(monkeypatch, *QUICK)
    card = read_card()
    assert list(card["runs"]) == ["gz37/run0", "gz37/run1", THEIRS]
    assert card["runs"][THEIRS] < 0.1  # rows in the wrong order would score 0.2
    assert (card["possible_leakage"], card["members"][THEIRS]) == ([], None)
    RunFolder("tiny", THEIRS).oof_csv.write_text("")  # as after a full disk
    for _ in range(2):
        run_here(monkeypatch, *given)
        assert artifacts() == before


def test_a_folder_of_pairs_is_imported_by_the_names_in_it(catalog, tmp_path, monkeypatch):
    (folder := tmp_path / "tables").mkdir()
    for name in ("a", "b.1"):
        for path in save_theirs(catalog, tmp_path):
            path.rename(folder / path.name.replace("their", name))
    run_here(monkeypatch, "--import", str(folder))
    assert members.find_runs(TASK, catalog, [])[0][:2] == ["gz37/a", "gz37/b.1"]
    for typed in ("x=one.csv", "a/b/c=one.csv,two.csv", str(tmp_path / "missing")):
        text = one_line_refusal(run_here, monkeypatch, "--import", typed)
        assert "use NAME=OOF.csv,TEST.csv, or a folder" in text


def test_nothing_is_imported_where_a_table_is_missing_or_a_name_is_another_runs(
    catalog, tmp_path, monkeypatch
):
    (folder := tmp_path / "tables").mkdir()
    oof, test = save_theirs(catalog, tmp_path)
    for name in ("a_oof.csv", "a_test.csv", "b_oof.csv"):
        shutil.copy(oof if "oof" in name else test, folder / name)
    good = f"a={oof},{test}"
    for typed, message in (
        ((str(folder),), r"tables/b_test\.csv is missing: --import gz37/b needs both tables"),
        ((good, f"x={oof},{tmp_path / 'nothere.csv'}"), r"nothere\.csv is missing"),
        ((good, f"x={tmp_path / 'nothere.csv'},{test}"), r"nothere\.csv is missing"),
        ((good, good), "names gz37/a twice"),
        ((good, f"run0_refit={oof},{test}"), "share files with gz37/run0: choose"),
        ((good, f"run0_holdout={oof},{test}"), "share files with gz37/run0: choose"),
    ):
        options = []
        for argument in typed:
            options += ["--import", argument]
        text = one_line_refusal(run_here, monkeypatch, *options)
        assert re.search(message, text)
        assert members.find_runs(TASK, catalog, [])[0] == ["gz37/run0", "gz37/run1"]
    (folder / "b_oof.csv").rename(folder / "b_test.csv")
    text = one_line_refusal(run_here, monkeypatch, "--import", str(folder))
    assert "b_oof.csv is missing" in text


def test_nothing_is_imported_where_a_later_pair_cannot_be_used(catalog, tmp_path, root):
    oof, test = save_theirs(catalog, tmp_path)
    bad = tmp_path / "bad.csv"
    pd.read_csv(oof).iloc[1:].to_csv(bad, index=False)
    pairs = [TablePair(THEIRS, oof, test), TablePair("gz37/bad", bad, test)]
    before = listing(root)
    assert "bad.csv: GalaxyID" in one_line_refusal(import_runs, catalog, pairs)
    assert listing(root) == before
    import_run(catalog, pairs[0])
    cards = import_runs(catalog, [pairs[0], TablePair("gz37/good", oof, test)])
    assert [card.run for card in cards] == [THEIRS, "gz37/good"]


def test_the_same_split_may_be_numbered_from_1(catalog, tmp_path):
    oof, test = save_theirs(catalog, tmp_path)
    frame = pd.read_csv(oof)
    card = import_run(catalog, TablePair(THEIRS, oof, test))
    before = artifacts()[RunFolder("tiny", THEIRS).oof_csv]
    from_1 = frame.assign(fold=frame["fold"] + 1)
    from_1.to_csv(oof, index=False)
    from_1.to_parquet(oof.with_suffix(".parquet"))
    for name, path in (("again", oof), ("parquet", oof.with_suffix(".parquet"))):
        again = import_run(catalog, TablePair(f"gz37/{name}", path, test))
        assert RunFolder("tiny", f"gz37/{name}").oof_csv.read_bytes() == before
        assert (again.score, again.possible_leakage) == (card.score, False)


def test_no_run_is_overwritten(catalog, tmp_path):
    tables = save_theirs(catalog, tmp_path)
    import_run(catalog, TablePair(THEIRS, *tables))
    before = artifacts()
    tables[1].write_text(tables[1].read_text().replace("0.25", "0.26"))
    text = one_line_refusal(import_run, catalog, TablePair(THEIRS, *tables))
    assert text.endswith("choose another name, or delete oof/tiny/gz37/theirs.json")
    assert artifacts() == before
    text = one_line_refusal(import_run, catalog, TablePair("gz37/run0", *tables))
    assert text.endswith("gz37/run0 already exists on tiny with other tables: choose another name")


@pytest.mark.parametrize("content", ["", "{", '{"format": 3, "run": "x"}', "<<<<<<< HEAD"])
def test_of_a_damaged_card_the_advice_leads_out(catalog, tmp_path, content):
    pair = TablePair(THEIRS, *save_theirs(catalog, tmp_path))
    import_run(catalog, pair)
    before = artifacts()
    card = RunFolder("tiny", THEIRS).card
    card.write_text(content)
    text = one_line_refusal(import_run, catalog, pair)
    assert text.endswith("delete oof/tiny/gz37/theirs.json to import the run again")
    card.unlink()
    import_run(catalog, pair)
    assert artifacts() == before


@pytest.mark.parametrize("places", [("oof", "test"), ("oof",), ("test",)])
def test_a_users_tables_are_not_replaced_by_the_run_that_they_become(catalog, tmp_path, places):
    oof, test = save_theirs(catalog, tmp_path)
    folder = RunFolder("tiny", THEIRS)
    if "oof" in places:
        oof = oof.rename(folder.oof_csv)
    if "test" in places:
        test = test.rename(folder.test_csv)
    before = [oof.read_bytes(), test.read_bytes()]
    text = one_line_refusal(import_run, catalog, TablePair(THEIRS, oof, test))
    place = "oof" if "oof" in places else "submissions"
    assert text.startswith(f"{place}/tiny/gz37/theirs.csv is where the imported run's table goes: ")
    assert text.endswith("move yours, or choose another name")
    assert [oof.read_bytes(), test.read_bytes()] == before
    import_run(catalog, TablePair("gz37/another", oof, test))


def test_a_table_without_folds_is_marked_and_joins_by_name(catalog, tmp_path, monkeypatch, capsys):
    oof, test = save_theirs(catalog, tmp_path)
    whole = pd.read_csv(oof)
    whole.drop(columns="fold").to_csv(oof, index=False)
    run_here(monkeypatch, "--import", f"theirs={oof},{test}")
    printed = capsys.readouterr().out
    assert "on these galaxies; ensembles use it only if named" in printed
    assert "next: python3 src/ensemble.py gz37/theirs --task gz37 --dataset tiny\n" in printed
    run_here(monkeypatch, *QUICK)
    assert list(read_card()["runs"]) == ["gz37/run0", "gz37/run1"]
    assert "gz37/theirs is skipped: it may have been trained on" in capsys.readouterr().out
    run_here(monkeypatch, "run0", "run1", "theirs", *QUICK)
    card = read_card()
    printed = capsys.readouterr().out
    assert list(card["runs"]) == ["gz37/run0", "gz37/run1", THEIRS]
    assert card["possible_leakage"] == [THEIRS]
    assert "gz37/theirs †" in printed
    assert "All scores of this ensemble are optimistic" in printed
    RunFolder("tiny", THEIRS).card.unlink()  # imported again, now with its folds
    whole.to_csv(oof, index=False)
    run_here(monkeypatch, "--import", f"theirs={oof},{test}")
    assert "next: python3 src/ensemble.py all --task gz37 " in capsys.readouterr().out
    run_here(monkeypatch, "run0", "run1", "theirs", *QUICK)
    assert read_card()["possible_leakage"] == []  # the same numbers, but not "up to date"


@pytest.mark.parametrize("share", [1.0, 0.6])
def test_a_fold_too_good_to_be_true_is_marked_and_joins_by_name(
    tmp_path, monkeypatch, capsys, root, share
):
    """The labels themselves, and mixed into predictions."""
    catalog = save_project(n=900, n_runs=2)
    tables = save_theirs(catalog, tmp_path)
    frame = pd.read_csv(tables[0], index_col="GalaxyID")
    votes = catalog.train.loc[frame.index[frame["fold"] == 1], list(TASK.columns)]
    honest = TASK.project(frame.loc[votes.index, votes.columns].to_numpy())
    frame.loc[votes.index, votes.columns] = share * votes + (1 - share) * honest
    frame.to_csv(tables[0])
    run_here(monkeypatch, "--import", "theirs={},{}".format(*tables))
    evidence = "300 of 900 rows equal the votes" if share == 1 else r"fold 1: RMSE 0\.0[0-4]\d+; "
    printed = " ".join(capsys.readouterr().out.split())
    assert re.search(f"gz37/theirs: possible label leakage: {evidence}", printed)
    card = RunCard.of("tiny", THEIRS)
    assert card.possible_leakage
    assert card.imported is not None
    assert re.match(evidence, card.imported.leakage)
    assert THEIRS not in members.find_runs(TASK, catalog, [])[0]
    assert members.find_runs(TASK, catalog, ["theirs"])[0] == [THEIRS]


def test_rows_of_other_galaxies_are_named_at_the_import_and_in_the_ensemble(
    catalog, tmp_path, monkeypatch, capsys
):
    oof, test = save_theirs(catalog, tmp_path)
    right = pd.read_csv(oof, index_col="GalaxyID").sort_index()
    columns = list(TASK.columns)
    every = right.copy()
    fold = right.copy()
    every[columns] = right.sample(frac=1, random_state=0)[columns].to_numpy()
    rows = right["fold"] == 2
    fold.loc[rows, columns] = right.loc[rows, columns].sample(frac=1, random_state=0).to_numpy()
    sentences = {
        "right": "",
        "every": "folds 0, 1, 2: no better than predicting the mean of the other folds; most "
        "likely its rows are of other galaxies",
        "fold": "fold 2: no better than predicting the mean of the other folds",
    }
    for name, table in (("right", right), ("every", every), ("fold", fold)):
        table.to_csv(oof)
        run_here(monkeypatch, "--import", f"{name}={oof},{test}")
        sentence = f"! gz37/{name}: {sentences[name]}" if sentences[name] else ""
        printed = " ".join(capsys.readouterr().out.split())
        assert sentence in printed
        assert ("no better than" in printed) == bool(sentence)
        run_here(monkeypatch, "run0", f"gz37/{name}", "--name", name, *QUICK)
        printed = " ".join(capsys.readouterr().out.split())
        assert sentence in printed
        assert (f"gz37/{name} !" in printed) == bool(sentence)


def test_a_test_table_of_other_columns_or_galaxies_is_named(root, tmp_path, monkeypatch, capsys):
    catalog = save_project(n=300, n_runs=1, n_test=300)
    oof, test = save_theirs(catalog, tmp_path)
    shown = r"! gz37/turned: the test table's mean of Class[\d.]+ is 0\.\d{3}, the out-of-fold"
    frame = pd.DataFrame(catalog.targets(TASKS["gz37"]), catalog.test_ids, TASK.columns)
    for name, columns in (("right", TASK.columns), ("turned", TASK.columns[::-1])):
        frame.set_axis(columns, axis=1).rename_axis("GalaxyID").to_csv(test)
        run_here(monkeypatch, "--import", f"{name}={oof},{test}")
        printed = " ".join(capsys.readouterr().out.split())
        assert bool(re.search(shown, printed)) == (name == "turned")
        run_here(monkeypatch, "run0", name, "--name", name, *QUICK)
        printed = " ".join(capsys.readouterr().out.split())
        assert bool(re.search(shown, printed)) == (name == "turned")


def test_changed_values_and_scores_better_than_all_runs_are_named(
    catalog, tmp_path, monkeypatch, capsys
):
    oof, test = save_theirs(catalog, tmp_path, noise=0.1)
    raw = pd.read_csv(oof, index_col="GalaxyID").loc[catalog.ids]
    before = TASK.score(raw[list(TASK.columns)].to_numpy(), catalog.targets(TASKS["gz37"]))
    run_here(monkeypatch, "--import", f"theirs={oof},{test}")
    printed = " ".join(capsys.readouterr().out.split())
    card = RunCard.of("tiny", THEIRS)
    assert f"adjusted to the decision tree's sums: RMSE {before:.5f} → {card.score:.5f}" in printed
    assert "gz37/theirs: test table adjusted to the decision tree's sums: values by" in printed
    assert re.search(
        r"better than every other run .* 5 standard errors \(gz37/run0: 0\.\d+", printed
    )
    assert not card.possible_leakage
    valid = RunFolder("tiny", THEIRS)
    run_here(monkeypatch, "--import", f"again={valid.oof_csv},{valid.test_csv}")
    assert "! gz37/again" not in capsys.readouterr().out


@pytest.mark.parametrize("best", ["a", "z"])
def test_pairs_are_compared_in_whatever_order_they_come(
    catalog, tmp_path, monkeypatch, capsys, best
):
    for number in range(2):  # they have no others
        RunFolder("tiny", f"gz37/run{number}").oof_csv.unlink()
    words = []
    for name, noise in ((best, 0.11), ("m", 0.14)):
        folder = tmp_path / name
        folder.mkdir()
        oof, test = save_theirs(catalog, folder, noise=noise)
        likely = pd.read_csv(oof)[list(TASK.columns)].head(len(catalog.test_ids))
        likely.set_axis(catalog.test_ids).to_csv(test, index_label="GalaxyID")
        words += ["--import", f"{name}={oof},{test}"]
    run_here(monkeypatch, *words)
    printed = " ".join(capsys.readouterr().out.split())
    assert f"gz37/{best}: better than every other run" in printed
    assert "gz37/m: better than every other run" not in printed


def test_a_run_with_a_fault_is_nothing_to_be_better_than(catalog, tmp_path, monkeypatch, capsys):
    for number in range(2):
        folder = RunFolder("tiny", f"gz37/run{number}")
        card = json.loads(folder.card.read_text())
        write_sealed(folder.card, card | {"no_better_than_mean": [1]})
    oof, test = save_theirs(catalog, tmp_path, noise=0.1)
    run_here(monkeypatch, "--import", f"theirs={oof},{test}")
    assert "better than every other run" not in capsys.readouterr().out


def other_fold(frame):
    """The table with its eighth row moved to another fold."""
    return frame.assign(fold=frame["fold"].where(frame.index != 7, (frame["fold"] + 1) % 3))


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        (0, lambda f: f.assign(fold=(f["fold"] + 1) % 3), r"split \(GalaxyID .*such rows: 90"),
        (0, other_fold, r"but \d in the catalog; such rows: 1.*: train the run on .*folds/tiny/"),
        (0, lambda f: f.iloc[1:], r"is missing \(1 missing, 0 extra\): predict these too$"),
        (1, lambda f: f.iloc[1:], r"is missing \(1 missing, 0 extra\): predict these too$"),
        (
            0,
            lambda f: f.assign(fold=f["fold"].where(f.index != 7)),
            r"fold of GalaxyID \d+ is empty",
        ),
        (0, lambda f: f.drop(columns="Class2.1"), "lacks column 'Class2.1'"),
        (0, lambda f: f.assign(**{"Class2.1": 30.0}), "30 is not a fraction between 0 and 1"),
        (1, lambda f: f.assign(**{"Class2.1": -5.0}), "-5 is not a fraction between 0 and 1"),
        (0, lambda f: pd.concat([f, f.iloc[:1].assign(GalaxyID=1)]), "GalaxyID 1 is not"),
    ],
)
def test_tables_of_other_galaxies_or_folds_are_refused(catalog, tmp_path, table, change, message):
    tables = save_theirs(catalog, tmp_path)
    change(pd.read_csv(tables[table])).to_csv(tables[table], index=False)
    text = one_line_refusal(import_run, catalog, TablePair(THEIRS, *tables))
    assert re.search(f"{tables[table].name}.*{message}", text)
    assert artifacts() == {}


def test_galaxies_that_the_task_leaves_out_are_counted_and_ignored(catalog, tmp_path):
    task = TASKS["elliptical_spiral"]
    whole = catalog.train[["fold"]].assign(**dict.fromkeys(task.columns, 0.5))
    kept = catalog.for_task(task).ids
    n_others = len(whole) - len(kept)
    assert n_others > 0
    paths = [tmp_path / name for name in ("kept.csv", "whole.csv", "test.csv")]
    whole.loc[kept].to_csv(paths[0], index_label="GalaxyID")
    whole = whole.astype(object)
    whole.loc[~whole.index.isin(kept), list(task.columns)] = ""  # nor are their cells read
    whole.to_csv(paths[1], index_label="GalaxyID")
    test = pd.DataFrame(0.5, catalog.test_ids, task.columns)
    test.to_csv(paths[2], index_label="GalaxyID")
    cards = []
    tables = []
    for path in paths[:2]:
        run = f"{task.name}/{path.stem}"
        cards.append(import_run(catalog, TablePair(run, path, paths[2])))
        tables.append(RunFolder("tiny", run).oof_csv.read_bytes())
    assert tables[0] == tables[1]
    remarks = [card.imported.remarks for card in cards if card.imported]
    line = f"rows of {n_others} galaxies in whole.csv are ignored: {task.name} leaves them out"
    assert remarks == [[], [line]]


def test_of_a_table_of_another_task_the_columns_are_missing(catalog, tmp_path):
    task = TASKS["elliptical_spiral"]
    kept = catalog.for_task(task).ids
    tables = save_theirs(catalog, tmp_path)
    few = pd.DataFrame(0.5, kept, task.columns)
    few.assign(fold=0).to_csv(tmp_path / "classes.csv", index_label="GalaxyID")
    for run, oof in (("gz37/x", tmp_path / "classes.csv"), (f"{task.name}/x", tables[0])):
        text = one_line_refusal(import_run, catalog, TablePair(run, oof, tables[1]))
        assert re.search(rf"{oof.name} lacks column '.*; found instead: ", text)


def test_exchanged_tables_are_named(catalog, tmp_path):
    oof, test = save_theirs(catalog, tmp_path)
    text = one_line_refusal(import_run, catalog, TablePair(THEIRS, test, oof))
    assert text.startswith(f"{test.name} has the test galaxies: are OOF and TEST exchanged?")
    assert artifacts() == {}


def test_packed_tables_are_compared_with_their_card_and_keep_its_marks(catalog, tmp_path):
    theirs = save_theirs(catalog, tmp_path)
    packed = [tmp_path / PACKED[key] for key in ("oof", "test")]
    for path, target in zip(theirs, packed, strict=True):
        pd.read_csv(path).to_csv(target, index=False)
    digests = Digests(oof=digest_table(packed[0]), test=digest_table(packed[1]))
    changes = {"tables": digests, "selected_on_validation": True, "diverged": [1]}
    RunCard.of("tiny", "gz37/run0").model_copy(update=changes).write(tmp_path / SCORES)
    card = import_run(catalog, TablePair(THEIRS, *packed))
    assert (card.run, card.selected_on_validation, card.diverged) == (THEIRS, True, [1])
    for path in packed:
        frame = pd.read_csv(path)
        before = path.read_bytes()
        frame.assign(**{"Class1.1": frame["Class1.1"] + 1e-5}).to_csv(path, index=False)
        text = one_line_refusal(import_run, catalog, TablePair("gz37/other", *packed))
        assert "do not match oof.json: copy all three again" in text
        path.write_bytes(before)


@pytest.mark.parametrize(
    ("model", "seen"),
    [
        ({"name": "hf_hub:mwalmsley/zoobot-encoder-convnext_nano"}, True),
        ({"name": "hf-hub:mwalmsley/Zoobot-encoder-resnet18"}, True),
        ({"name": "resnet18", "weights_file": "weights/zoobot_resnet18.safetensors"}, True),
        ({"name": "resnet18", "weights_file": "weights/resnet18.safetensors"}, False),
    ],
)
def test_zoobots_weights_are_known_by_name(model, seen):
    assert small_config(model=model).possible_leakage is seen


def test_zoobots_weights_are_known_however_far_back():
    stages: list[dict[str, object]] = [{"name": name} for name in ("one", "two", "three")]
    assert not small_config(stages=stages).possible_leakage
    stages[0]["model"] = {"name": "hf_hub:mwalmsley/zoobot-encoder-resnet18"}
    assert small_config(stages=stages).possible_leakage
