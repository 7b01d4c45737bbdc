"""Galaxies with classes of a user's own, in `labels.csv`."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from galaxyzoo.commands import train
from galaxyzoo.commands.train import describe_labels
from galaxyzoo.config.loading import load_config, load_run_config, runs_of
from galaxyzoo.config.schema import Config
from galaxyzoo.core import manifest
from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import find_task, load_catalog, load_task
from galaxyzoo.data.prepare import open_dataset, prepare
from galaxyzoo.data.readers.find import open_input
from galaxyzoo.data.readers.labeled import text_ids
from galaxyzoo.data.readers.side_tables import sky_positions
from galaxyzoo.extras.explain.galaxy import find_galaxy
from galaxyzoo.results.table import PredictionTable
from galaxyzoo.tasks.registry import TASKS
from galaxyzoo.training.plan import prepare_all
from galaxyzoo.training.run import Run
from support.datasets import ZOO5, write_labeled
from support.forms import write_folder
from support.kills import killed_before
from support.pictures import draw_images, encode
from support.refusals import damage, listing, one_line_refusal

NAMES = ["ring", 'merger, "late"', "naïve <b>"]


@pytest.fixture
def folder(root: Path) -> Path:
    """24 images `g_<number>.png` in a subfolder; all but the first two have a class."""
    folder = root / "input" / "mine"
    ids = [f"g_{n}" for n in range(24)]
    classes = [NAMES[n % 3] for n in range(24)]
    classes[:2] = ["", ""]
    draw(folder, ids)
    write(folder, id=ids, classes=classes)
    return folder


def draw(folder: Path, ids: list[str]) -> None:
    folder.mkdir(parents=True)
    write_folder(folder / "pictures", list(draw_images(len(ids))), ids)


def write(folder: Path, classes: list[str], **columns: list) -> None:
    table = pd.DataFrame({**columns, "class": classes})
    table.sample(frac=1, random_state=0).to_csv(folder / "labels.csv", index=False)


def write_five(folder: Path, yaml: str = "", **columns: list) -> Path:
    """Six images; a table without a row of the last."""
    draw(folder, [f"g{n}" for n in range(6)])
    table = pd.DataFrame({"id": [f"g{n}" for n in range(5)], **columns})
    table.to_csv(folder / "labels.csv", index=False)
    if yaml:
        (folder / "task.yaml").write_text(yaml)
    return folder


def test_galaxies_have_the_users_ids_their_classes_and_images(folder):
    raw = open_input("mine", {"mine"})
    assert (raw.dataset, raw.galaxy_ids) == ("mine", False)
    assert list(raw.targets.columns) == sorted(NAMES)
    assert raw.targets.index.tolist() == sorted(f"g_{number}" for number in range(2, 24))
    for number in range(2, 24):
        assert raw.targets.loc[f"g_{number}"].idxmax() == NAMES[number % 3]
        assert raw.train_images.names[f"g_{number}"] == f"pictures/g_{number}.png"
    assert raw.test_ids.tolist() == ["g_0", "g_1"]  # in whatever order the table has them


@pytest.mark.parametrize("name", ["catalog.fits", "catalog.fit.gz"])
def test_a_catalog_beside_the_images_is_not_taken_for_them(folder, name):
    Table({"objid": np.arange(3), "mag": np.arange(3.0)}).write(folder / name, format="fits")
    assert len(open_input("mine", {"mine"}).train_images) == 24


def test_a_galaxy_has_the_position_of_its_row(folder):
    numbers = range(24)
    classes = [NAMES[n % 3] for n in range(24)]
    assert sky_positions(open_input("mine", {"mine"})) == {}
    sky = {"RA": [1.5 * n + 1 for n in numbers], "Dec": [-1.0 * n for n in numbers]}
    write(folder, id=[f"g_{n}" for n in numbers], classes=classes, **sky)
    raw = open_input("mine", {"mine"})
    assert sky_positions(raw) == {f"g_{n}": (1.5 * n + 1, -n) for n in numbers}


def test_the_folder_is_a_task_of_its_name_with_its_recipes(root, folder):
    for data in ("mine", str(folder)):
        task = open_input(data, {"gz37"}).task
        assert task is not None
        assert (task.name, task.columns) == ("mine", tuple(sorted(NAMES)))
    catalog = prepare("mine", n_folds=3, tasks={"mine"})
    task = load_task("mine")
    assert load_catalog("mine").targets(task).sum(axis=0).tolist() == [7, 8, 7]
    assert runs_of("mine", task) == ["mine/finetune", "mine/head"]
    config = load_config("mine/head", own_task=task)
    assert (config.task, config.labels) == ("mine", {"columns": sorted(NAMES), "balanced": False})
    counts = catalog.for_task(load_task("mine")).train.groupby("fold")[NAMES].sum()
    assert counts.to_numpy().min() >= 2  # stratified


def test_a_galaxy_to_explain_is_named_by_the_users_own_id(folder):
    prepared = prepare("mine", n_folds=3, tasks={"mine"})
    galaxy = find_galaxy("g_10", load_task("mine"), prepared)
    assert (galaxy.name, Path(galaxy.source).name) == ("id g_10", "g_10.png")
    assert galaxy.truth is not None
    assert load_task("mine").columns[galaxy.truth.argmax()] == NAMES[10 % 3]
    with pytest.raises(InputError, match="id 10 is not in dataset 'mine'"):
        find_galaxy("10", load_task("mine"), prepared)


def test_galaxy_ids_stay_galaxy_ids(root):
    folder = write_labeled(root / "input" / "mine", n=8, n_test=0, first=123456)
    (folder / "train_labels.csv").unlink()
    write(folder, list("abababab"), GalaxyID=list(range(123456, 123464)))
    data = prepare("mine", n_folds=2, tasks={"mine"})
    assert (data.raw.galaxy_ids, data.ids.tolist()) == (True, [*range(123456, 123464)])
    assert "; images of 48 × 48 px" in describe_labels(data, load_task("mine"))


def test_all_classes_of_a_known_task_are_that_task(root):
    folder = write_labeled(root / "input" / "mine", n=10, n_test=0)
    shutil.move(folder / "train_labels.csv", folder / "labels.csv")
    assert open_input("mine", {"gz37"}).task == TASKS["zoo5"]
    assert list(open_input("mine", {"zoo5"}).targets.columns) == list(ZOO5)


def test_words_that_pandas_takes_for_no_value_are_classes_and_ids(root):
    words = ["None", "NA", "n/a", "#N/A", "null", "nan", "NaN", "<NA>", "1.#IND", "NULL"]
    folder = root / "input" / "mine"
    ids = [word.replace("/", "") for word in words]
    ids += [f"g{n}" for n in range(10)]
    draw(folder, ids)
    write(folder, words * 2, id=ids)
    task = prepare("mine", n_folds=2, tasks={"mine"}).raw.task
    assert load_task("mine") == task
    classes = load_catalog("mine").train[sorted(words)].idxmax(axis=1)
    assert classes.to_dict() == dict(zip(ids, words * 2, strict=True))


@pytest.mark.parametrize(
    ("columns", "yaml", "line"),
    [
        ({"class": ["a"] * 5}, "", "only class 'a': label another class"),
        ({"class": ["", " ", "", "", ""]}, "", "column 'class' is empty"),
        ({"class": ["a", "=1+1", "a", "=1+1", "a"]}, "", "'=1+1' cannot name a class"),
        *(({"class": [*"abab", x]}, "", f"'{x}' cannot name") for x in ("fold", "id", "score")),
        ({"class": [*"ababa"]}, "classes: [a, c]", "`classes:` lacks 'b' of labels"),
        ({"class": [*"ababa"]}, "clases: [a, b]", "unknown key 'clases'"),
        ({"class": [*"ababa"], "File": ["g1", "g0", "g2", "g3", "g4"]}, "", "'File' name diff"),
        (
            {"class": [*"ababa"], "id": ["g0", "g1", "x", "g2", "g3"]},
            "",
            "no image is named 'x' (such rows: 1): restore the images",
        ),
        ({"who": [1] * 5, "shape": [*"abbab"], "s": range(5)}, "", "yaml: `label: shape`"),
        ({"data.a": [3, 0, 1, 1, 2], "subject_id": range(5)}, "", "is a table of Zooniverse"),
        ({"subject_data": ["{}"] * 5, "subject_ids": range(5)}, "", "is a table of Zooniverse"),
        ({"a": [*"YNYNN"], "b": [*"NYYYN"]}, "", "'g2' has 'a' and 'b' (such rows: 1): keep one"),
        (
            {"a": [*"YYNNN"], "b": [*"NNYY?"], "n": [1, 1, 2, 1, 1]},
            "",
            "'g4' has '?' in column 'b'",
        ),
        ({"class": ["a", "b", "['a']", "[a b]", "{"]}, "", "'g3' has 'a' and 'b' (such"),
        ({"class": ["[]", "{}", "", "['']", "[]"]}, "", "labels.csv has no class: label"),
        ({"class": [*"abab", "a"], "id": ["g0"] * 2 + ["g1"] * 2 + ["g0"]}, "", "only class 'a'"),
        ({"a": ["87 %"] * 5, "b": [13] * 5}, "", "no column 'class', only numeric ones (found"),
    ],
)
def test_a_mistake_is_one_line(root, columns, yaml, line):
    write_five(root / "input" / "mine", yaml, **columns)
    assert line in one_line_refusal(open_input, "mine", {"mine"})


def test_two_groups_called_0_and_1_are_no_class(root):
    folder = root / "input" / "mine"
    write_five(folder, a=[*"YNYNY"], b=[*"NYNYN"], Group=[0, 1, 1, 0, 1])
    assert open_input("mine", {"mine"}).targets["a"].tolist() == [1, 0, 1, 0, 1]


def test_tables_have_the_ids_that_the_user_wrote(root):
    written = "pictures\\J{}.png"
    numbers = [1042 + n * 7 % 12 for n in range(12)]
    folder = root / "input/mine"
    draw(folder, [f"J{n}" for n in numbers])
    write(folder, [*"abb"] * 4, id=[written.format(n) for n in numbers])
    catalog = prepare("mine", n_folds=2, tasks={"mine"})
    task = load_task("mine")
    values = catalog.targets(task)
    path = root / "oof.csv"
    PredictionTable(task, catalog.ids, values, catalog.folds).write(path)
    table = pd.read_csv(path, index_col="id")
    expected = dict(zip([written.format(n) for n in numbers], "abb" * 4, strict=True))
    assert table[["a", "b"]].idxmax(axis=1).to_dict() == expected
    read = PredictionTable.read(path, task, catalog.ids, catalog.folds)
    assert (read.values == values).all()
    path.write_text(path.read_text().replace("J1042", "J1"))
    line = one_line_refusal(PredictionTable.read, path, task, catalog.ids)
    assert f"id {written.format(1042)} is missing (1 missing, 1 extra)" in line


def test_an_image_without_a_majority_is_to_be_predicted(root):
    columns = {"class": [*"abab", "b"], "id": ["g0", "g1", "g2", "g2", "g3"]}
    write_five(root / "input" / "mine", "", **columns)
    raw = open_input("mine", {"mine"})
    assert raw.test_ids.tolist() == ["g2"]
    assert raw.targets.sum().to_dict() == {"a": 1, "b": 2}


def relabel(folder: Path, changes: dict[str, str | None]) -> None:
    """Change classes in a table by id; None: without that row."""
    table = pd.read_csv(folder / "labels.csv", index_col="id", keep_default_na=False)["class"]
    table = pd.concat([table, pd.Series(changes)]).groupby(level=0, sort=False).last()
    table = table[[name for name in table.index if changes.get(name, "") is not None]]
    table.rename("class").rename_axis("id").to_csv(folder / "labels.csv")


def begin_run(root: Path) -> Path:
    """A run of the task, no more than a file of its own."""
    run = root / "folds/mine/mine/head"
    run.mkdir(parents=True)
    (run / "config.yaml").touch()
    return run


def test_known_galaxies_keep_their_folds_where_labels_change(root, folder, capsys):
    first = prepare("mine", n_folds=3, tasks={"mine"})
    run = begin_run(root)
    relabel(folder, {"g_0": "ring", "g_1": "ring", "g_2": "ring", "g_3": None})
    line = (
        "input/mine has changed (labels) since folds/mine was made: to update it and its runs, "
        "type `bash scripts/train_folds.sh --data mine`"
    )
    assert line in one_line_refusal(open_dataset, None, "mine", "mine")
    assert line in one_line_refusal(prepare, "mine", None, None, {"mine"})
    capsys.readouterr()
    second = prepare("mine", tasks={"mine"}, update=True)
    line = "2 added, 1 changed, 1 removed; galaxies keep their folds; runs will be retrained"
    assert line in capsys.readouterr().out
    assert second.ids.tolist() == sorted(f"g_{number}" for number in range(24) if number != 3)
    assert second.train.loc["g_2", "ring"] == 1
    assert not len(second.test_ids)
    kept = first.train["fold"].drop("g_3")
    assert second.train["fold"].drop(["g_0", "g_1"]).to_dict() == kept.to_dict()
    sizes = np.bincount(second.folds)
    assert sizes.max() - sizes.min() <= 1
    assert run.exists()
    assert prepare("mine", tasks={"mine"}).fingerprint == second.fingerprint
    assert "labels:" not in capsys.readouterr().out


def join_last_two(folder: Path) -> None:
    """Put the last galaxy into a group with the one of its class that shares its fold."""
    folds = load_catalog("mine").train["fold"]
    mates = folds.index[folds == folds["g_23"]].drop("g_23")
    ids = ["g_23", mates[0]]
    pd.DataFrame({"id": ids, "group": "plate"}).to_csv(folder / "groups.csv", index=False)


def judge_by_balanced_accuracy(folder: Path) -> None:
    (folder / "task.yaml").write_text("metric: balanced accuracy\n")


def reverse_the_classes(folder: Path) -> None:
    (folder / "task.yaml").write_text(json.dumps({"classes": sorted(NAMES, reverse=True)}))


def add_a_galaxy_to_predict(folder: Path) -> None:
    write_folder(folder / "more", [*draw_images(2)[1:]], ["g_24"])
    relabel(folder, {"g_24": ""})


@pytest.mark.parametrize(
    ("change", "name", "outcome"),
    [
        (add_a_galaxy_to_predict, "galaxies to predict", "runs will be retrained"),
        (reverse_the_classes, "order of classes", "runs will be retrained"),
        (judge_by_balanced_accuracy, "metric", "trained runs stay valid"),
        (join_last_two, "groups", "runs will be retrained"),
    ],
)
def test_a_change_besides_the_labels_is_named(root, folder, capsys, change, name, outcome):
    first = prepare("mine", n_folds=3, tasks={"mine"})
    begin_run(root)
    change(folder)
    line = one_line_refusal(prepare, "mine", None, None, {"mine"})
    assert f"input/mine has changed ({name}) since folds/mine was made" in line
    capsys.readouterr()
    second = prepare("mine", tasks={"mine"}, update=True)
    line = f"changed: {name}; labels: 0 added, 0 changed, 0 removed; galaxies keep their folds; "
    line += outcome
    assert line in capsys.readouterr().out
    assert (second.train["fold"] == first.train["fold"]).all()
    assert prepare("mine", tasks={"mine"}).fingerprint == second.fingerprint


@pytest.mark.parametrize("alone", [True, False])
def test_a_new_class_in_few_of_the_kept_folds_is_pointed_out(root, folder, capsys, alone):
    folds = prepare("mine", n_folds=3, tasks={"mine"}).train["fold"]
    lenses = [*folds.index[folds == 0][:4], *folds.index[folds == 1][: not alone]]
    relabel(folder, dict.fromkeys(lenses, "lens"))
    if alone:
        line = one_line_refusal(prepare, "mine", None, None, {"mine"})
        assert "all galaxies of class 'lens' are in one fold" in line
        assert "label more, or delete folds/mine and other datasets in folds/ with these" in line
    else:
        prepare("mine", tasks={"mine"})
        printed = capsys.readouterr().out
        assert "class 'lens' is in only 2 of 3 folds, as its galaxies keep theirs" in printed
        assert "to split again, delete folds/mine" in printed


def test_an_update_that_was_killed_is_made_again(root, folder):
    first = prepare("mine", n_folds=3, tasks={"mine"})
    # The old tables are left, the new ones, one of each.
    for name, galaxy in (("train.csv", "g_4"), ("test.csv", "g_4"), ("test.csv", "g_0")):
        relabel(folder, {galaxy: "ring"})
        with killed_before(name):
            prepare("mine", tasks={"mine"})
        load_catalog("mine")  # as other commands do meanwhile
    second = prepare("mine", tasks={"mine"})
    assert second.train["fold"].drop("g_0").to_dict() == first.train["fold"].to_dict()


def test_the_task_of_a_dataset_is_sealed_with_its_catalog(root, folder):
    task = prepare("mine", n_folds=3, tasks={"mine"}).raw.task
    assert load_task("mine") == load_catalog("mine").task == task
    path = root / "folds/mine/dataset.json"
    for changed in damage(path.read_text(), '"balanced": false', '"balanced": true'):
        path.write_text(changed)
        for use in (load_task, load_catalog, lambda name: prepare(name, tasks={name})):
            message = one_line_refusal(use, "mine")
            assert "folds/mine/dataset.json " in message
            assert "restore it, or delete folds/mine to split and train again" in message
        assert path.read_text() == changed


@pytest.mark.parametrize("name", ["", ".", "..", "x" * 300, "/", "kaggle-mini"])
def test_a_word_that_is_no_dataset_is_no_task(root, name):
    assert find_task(name) is None


def test_classes_come_and_go_and_a_metric_changes(root, folder):
    first = prepare("mine", n_folds=3, tasks={"mine"})
    relabel(folder, {f"g_{n}": "lens" for n in range(3, 24, 3)})  # all rings
    second = prepare("mine", tasks={"mine"})
    assert second.label_columns == sorted(["lens", *NAMES[1:]])
    assert second.train["fold"].to_dict() == first.train["fold"].to_dict()
    config = load_config("mine/head", own_task=second.task)
    assert config.labels == {"columns": sorted(["lens", *NAMES[1:]]), "balanced": False}
    relabel(folder, {f"g_{n}": "ring" for n in range(3, 15, 3)})  # beside three lenses
    third = prepare("mine", tasks={"mine"})
    assert third.targets(load_task("mine")).sum(axis=0).tolist() == [3, 7, 8, 4]
    (folder / "task.yaml").write_text("metric: balanced accuracy\n")
    fourth = prepare("mine", tasks={"mine"})
    assert fourth.fingerprint == third.fingerprint
    assert load_config("mine/head", own_task=fourth.task).labels["balanced"]  # type: ignore[index]


def test_a_new_class_of_too_few_galaxies_leaves_all_as_it_was(root, folder):
    pd.DataFrame({"id": ["g_0", "g_1"], "group": "plate"}).to_csv(folder / "groups.csv")
    first = prepare("mine", n_folds=3, tasks={"mine"})
    begin_run(root)
    before = listing(root / "folds")
    relabel(folder, {"g_0": "lens", "g_1": "lens"})
    write_folder(folder / "more", [*draw_images(2)[1:]], ["g_24"])
    line = one_line_refusal(prepare, "mine", None, None, {"mine"}, False, True)
    assert "class 'lens' has too few galaxies (2) for 3 folds" in line
    assert listing(root / "folds") == before
    shutil.rmtree(folder / "more")
    relabel(folder, {"g_0": "", "g_1": ""})
    second = prepare("mine", tasks={"mine"})
    assert second.train.equals(first.train)


def test_images_that_are_added_leave_the_others_their_folds(root, folder):
    first = prepare("mine", n_folds=3, tasks={"mine"})
    write_folder(folder / "more", list(draw_images(2)), ["a", "b"])  # in order before all others
    relabel(folder, {"a": "ring"})
    second = prepare("mine", tasks={"mine"})
    assert dict(second.raw.train_images.names) == first.raw.train_images.names.to_dict() | {
        "a": "more/a.png"
    }
    folds = second.train["fold"]
    assert folds.drop("a").to_dict() == first.train["fold"].to_dict()


@pytest.mark.parametrize("name", ["names.csv", "task.json"])
def test_a_split_of_format_2_is_named_with_what_deleting_costs(root, folder, name):
    """As the last version left it: galaxies numbered, their ids or their task in a file beside."""
    prepare("mine", n_folds=3, tasks={"mine"})
    place = root / "folds/mine"
    begin_run(root)
    about = json.loads((place / "dataset.json").read_text())
    about = {key: about[key] for key in about if key not in ("digest", "key", "galaxy_ids", "task")}
    about |= {"own_ids": True, "format": 2}
    text = json.dumps(about | {"digest": manifest.digest_json(about)})
    (place / "dataset.json").write_text(text)
    (place / name).write_text("")
    line = one_line_refusal(prepare, "mine", None, None, {"mine"})
    assert "folds/mine was split by an earlier version (format 2, not 3)" in line
    assert line.endswith("delete folds/mine to split again; this deletes 1 run")
    write_labeled(root / "input/others")
    assert prepare("others", tasks={"zoo5"}).n_folds == 5  # which it does not concern


def test_galaxies_whose_ids_become_text_are_new(root):
    """One image without a GalaxyID, and none of the set has one."""
    folder = write_labeled(root / "input" / "mine", n=8, n_test=0, first=123456)
    (folder / "train_labels.csv").unlink()
    ids = [*range(123456, 123464)]
    write(folder, list("abababab"), GalaxyID=ids)
    assert prepare("mine", n_folds=2, tasks={"mine"}).key == "GalaxyID"
    (folder / "images/new.png").write_bytes(encode(draw_images(1)[0], end=".png"))
    write(folder, list("ababababa"), id=[*map(str, ids), "new"])
    catalog = prepare("mine", tasks={"mine"})
    assert catalog.ids.tolist() == [*map(str, ids), "new"]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["-5", "=A1", "+05.25"], ["'=A1", "+05.25", "-5"]),
        ([" a", "b ", "ü"], ["a", "b", "ü"]),
        (["007", "7.50", "1e5"], ["007", "1e5", "7.50"]),
    ],
    ids=["formulas", "blanks", "numbers"],
)
def test_ids_are_read_back_as_tables_write_them(root, ids, expected):
    folder = root / "input/mine"
    draw(folder, [*map(str.strip, ids), "g1", "g2", "g3"])
    write(folder, [*"ababab"], id=[*ids, "g1", "g2", "g3"])
    catalog = prepare("mine", n_folds=2, tasks={"mine"})
    assert catalog.ids.tolist() == sorted([*expected, "g1", "g2", "g3"])
    assert load_catalog("mine").fingerprint == catalog.fingerprint
    path = root / "oof.csv"
    task = load_task("mine")
    values = catalog.targets(task)
    PredictionTable(task, catalog.ids, values, catalog.folds).write(path)
    back = PredictionTable.read(path, task, catalog.ids, catalog.folds)
    np.testing.assert_array_equal(back.values, values)


def test_two_names_that_tables_write_alike_are_refused(tmp_path):
    line = one_line_refusal(text_ids, ["a", "=b", "'=b "], tmp_path)
    assert line.endswith(" has id '=b twice")


def test_a_run_learns_the_classes_as_they_are_now(root, folder):
    prepare("mine", n_folds=3, tasks={"mine"})
    relabel(folder, {f"g_{n}": "lens" for n in range(3, 24, 3)})  # all rings
    asked: list[Config] = []
    for words in (["mine/head"], ["mine"], []):
        plan = train.resolve(train.TrainOptions(runs=tuple(words), data="mine"))
        prepare_all(plan)
        asked += plan.asked
    tasks = [config.predicted_task for config in asked]
    assert tasks == [load_catalog("mine").task] * 4  # `mine` has two runs
    assert tasks[0].columns == tuple(sorted(["lens", *NAMES[1:]]))


def test_a_metric_that_changes_reaches_the_saved_config(root, folder):
    for metric, balanced in (("accuracy", False), ("balanced accuracy", True)):
        (folder / "task.yaml").write_text(f"metric: {metric}\n")
        data = prepare("mine", n_folds=3, tasks={"mine"}, update=True)
        run = Run(load_config("mine/head", dataset="mine", own_task=data.task), data)
        run.begin()
        saved = load_run_config(run.folder.path).config
        assert saved.predicted_task == data.task
        assert saved.labels["balanced"] == balanced  # type: ignore[index]
        assert saved == run.config


def test_the_images_of_a_table_of_labels_are_no_other_dataset(root, capsys):
    folder = root / "input" / "mine"
    folder.mkdir(parents=True)
    np.savez(folder / "pictures.npz", images=np.stack(list(draw_images(6))), ids=np.arange(6))
    write(folder, id=[*range(6)], classes=["ring", "arc"] * 3)
    assert open_input("mine", {"mine"}).own_task
    assert "skipped" not in capsys.readouterr().out
