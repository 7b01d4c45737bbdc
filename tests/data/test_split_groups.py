"""Galaxies that a table puts together, or that datasets share: one fold in every table."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.catalog import Catalog, has_catalog, save_catalog
from galaxyzoo.data.folds import join_groups
from galaxyzoo.data.prepare import prepare
from galaxyzoo.data.readers import find
from support.datasets import Competition, clear_competition, draw_competition, write_labeled
from support.refusals import one_line_refusal

COUNT = 40


def class_table(root: Path, side: pd.DataFrame) -> None:
    path = write_labeled(root / "input" / "mine", COUNT) / "train_labels.csv"
    pd.concat([pd.read_csv(path), side], axis=1).to_csv(path, index=False)


def beside(root: Path, side: pd.DataFrame) -> None:
    folder = write_labeled(root / "input" / "mine", COUNT)
    side.assign(file=[f"images/{n + 1}.jpg" for n in side.index]).to_csv(folder / "groups.csv")


def own_labels(root: Path, side: pd.DataFrame) -> None:
    class_table(root, side)
    folder = root / "input" / "mine"
    shutil.move(folder / "train_labels.csv", folder / "labels.csv")


def competition(root: Path, side: pd.DataFrame) -> None:
    made = clear_competition(COUNT)
    made.write_zips(root / "input" / "mine")
    ids = made.votes.index.rename("GalaxyID")
    side.set_index(ids).to_csv(root / "input" / "mine" / "groups.csv")


def class_folders(root: Path, side: pd.DataFrame) -> None:
    """Folders of the classes a and b, where every name is in both."""
    beside(root, side)
    folder = root / "input" / "mine"
    names = []
    for number in range(COUNT):
        names.append(f"{'ab'[number % 2]}/{number // 2 * 2 + 1}.jpg")
        (folder / names[-1]).parent.mkdir(exist_ok=True)
        (folder / f"images/{number + 1}.jpg").rename(folder / names[-1])
    shutil.rmtree(folder / "images")
    (folder / "test_ids.csv").unlink()
    (folder / "train_labels.csv").rename(folder / "catalog.csv")  # is of no use, and does not harm
    side.assign(File=names).to_csv(folder / "groups.csv")


PLACES: dict[str, Callable[[Path, pd.DataFrame], None]] = {
    "class table": class_table,
    "side table": beside,
    "own labels": own_labels,
    "competition": competition,
    "class folders": class_folders,
}
# of galaxies by number: in pairs and one of its own; in pairs shifted by one, beyond rounding
PLATES = pd.DataFrame({"group": [f"p{n // 2}" for n in range(COUNT)]})
PLATES.loc[7, "group"] = ""
SKY = pd.DataFrame({"ra": [n // 2 + n % 2 * 1e-7 for n in range(COUNT)], "dec": 5.0})


@pytest.mark.parametrize("side", [PLATES, SKY], ids=["group", "position"])
@pytest.mark.parametrize("place", PLACES)
def test_what_a_table_puts_together_is_in_one_fold(root, place, side):
    PLACES[place](root, side)
    task = "gz37" if place == "competition" else "zoo5"
    data = prepare("mine", n_folds=4, tasks={task})
    catalog = data
    numbers = [int(Path(name).stem) for name in data.raw.train_images.names[catalog.ids]]
    folds = catalog.folds[np.argsort(numbers)].reshape(-1, 2)
    pairs = folds[:, 0] == folds[:, 1]
    assert np.delete(pairs, 3).all()
    name = "position"
    count = COUNT
    if "group" in side:
        name = "group"
        count = COUNT - 2
    assert catalog.about["galaxies_that_share"] == {name: count}
    written = pd.read_csv(root / "folds" / catalog.dataset / "groups.csv")
    assert written.groupby(name).size().tolist() == [2] * (count // 2)
    if place == "own labels" and "group" in side:
        path = root / "input/mine/labels.csv"
        for other in range(1, 9):  # they cannot all have been in one fold
            path.write_text(path.read_text().replace(f",p{other}\n", ",p0\n"))
        line = one_line_refusal(prepare, "mine", tasks={"zoo5"})
        assert line.startswith("id ")
        assert "(near-duplicates, one group or position), but folds/mine put them into" in line
        assert line.endswith("different folds: delete folds/mine to split again")


def regroup(root: Path, names: list[str]) -> None:
    path = root / "input/mine/train_labels.csv"
    pd.read_csv(path).assign(group=names).to_csv(path, index=False)


def copies(root: Path, side: pd.DataFrame) -> None:
    folder = write_labeled(root / "input" / "mine", COUNT) / "images"
    for number in range(2, COUNT + 1):
        shutil.copy(folder / "1.jpg", folder / f"{number}.jpg")


@pytest.mark.parametrize(
    ("write", "cause"),
    [
        (class_table, "group of train_labels.csv"),
        (beside, "group of groups.csv"),
        (copies, "near-duplicate images"),
    ],
)
def test_galaxies_of_a_single_group_are_refused_with_what_joins_them(root, write, cause):
    write(root, pd.DataFrame({"group": ["p"] * COUNT}))
    line = one_line_refusal(prepare, "mine", tasks={"zoo5"})
    assert line.startswith(f"mine: all 40 galaxies are one group ({cause}): to split them")
    assert not has_catalog("mine")


def test_groups_may_be_spelled_otherwise_but_not_put_others_together(root):
    class_table(root, PLATES)
    catalog = prepare("mine", n_folds=4, tasks={"zoo5"})
    names = [f"{n // 2}{'.0 ' * (n % 2)}" for n in range(COUNT)]
    names[7] = "NaN"
    regroup(root, names)
    assert prepare("mine", tasks={"zoo5"}).fingerprint == catalog.fingerprint
    regroup(root, [str(n // 2) for n in range(COUNT)])
    problem = one_line_refusal(prepare, "mine", tasks={"zoo5"})
    if catalog.folds[6] == catalog.folds[7]:
        assert "has changed since folds/mine was made" in problem
    else:
        assert "delete folds/mine" in problem


def test_a_split_of_before_is_read_unless_it_divides_a_group(root):
    class_table(root, PLATES)
    catalog = prepare("mine", n_folds=4, tasks={"zoo5"})
    about = {**catalog.about, "groups": "0123456789abcdef"}
    del about["known_groups"], about["shared_by"]
    save_catalog(replace(catalog, about=about))
    assert prepare("mine", tasks={"zoo5"}).fingerprint == catalog.fingerprint
    regroup(root, ["g"] * COUNT)
    problem = one_line_refusal(prepare, "mine", tasks={"zoo5"})
    assert problem.endswith("different folds: delete folds/mine to split again")


def test_groups_that_share_a_galaxy_are_one():
    numbers = join_groups([np.array([-1, 0, 0, -1, 1, 1]), np.array([3, -1, 3, -1, -1, 2])])
    assert numbers.tolist() == [0, 0, 0, 1, 2, 2]


def test_a_class_that_is_one_group_is_said(root, capsys):
    groups = np.arange(COUNT)
    groups[2::5] = 2
    class_table(root, pd.DataFrame({"group": [f"p{group}" for group in groups]}))
    prepare("mine", n_folds=4, tasks={"gz37", "zoo5"})
    assert "form one group and share a fold" in capsys.readouterr().out


@pytest.fixture(scope="module")
def both_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `votes` and `labels`, of which 20 galaxies are in both."""
    inputs = tmp_path_factory.mktemp("input")
    whole = draw_competition(n_train=40, n_test=4, seed=2)
    votes = whole.votes.copy()
    images = dict(whole.images)
    ids = np.arange(21, 61)  # the labeled set has 1 to 40
    for old, new in zip(whole.votes.index, ids, strict=True):
        images[int(new)] = images[int(old)]
    votes.index = ids
    folder = write_labeled(inputs / "labels")
    for galaxy_id in range(21, 41):
        images[galaxy_id] = (folder / "images" / f"{galaxy_id}.jpg").read_bytes()
    Competition(votes, whole.test_ids, images).write_zips(inputs / "votes")
    return inputs


@pytest.fixture
def both(both_folders: Path, root: Path) -> tuple[str, str, np.ndarray]:
    """The names of these folders, and the 20 ids that are in both."""
    shutil.copytree(both_folders, root / "input", dirs_exist_ok=True)
    return "votes", "labels", np.arange(21, 41)


@pytest.mark.parametrize("turn", [1, -1])
def test_shared_galaxies_are_in_the_same_folds(both, turn):
    *names, shared = both
    names = names[::turn]
    first = prepare(names[0], n_folds=4)
    second = prepare(names[1], n_folds=4)
    folds = first.train.loc[shared, "fold"].tolist()
    assert second.train.loc[shared, "fold"].tolist() == folds
    assert second.about["folds_as_in_earlier_datasets"] == 20
    assert first.about["folds_as_in_earlier_datasets"] == 0
    others = second.train.drop(index=shared)["fold"]
    assert others.value_counts().max() - others.value_counts().min() <= 1


def test_another_number_of_folds_takes_no_part(both):
    prepare("votes", n_folds=4)
    assert prepare("labels", n_folds=3).about["folds_as_in_earlier_datasets"] == 0


def test_a_set_whose_ids_mean_other_galaxies_takes_nothing_over(both, monkeypatch):
    prepare("votes", n_folds=4)
    own = replace(find.open_input("labels", {"zoo5"}), galaxy_ids=False)
    monkeypatch.setattr(find, "open_input", lambda *_: own)
    about = prepare("labels", n_folds=4).about
    assert about["folds_as_in_earlier_datasets"] == 0
    assert not about["galaxy_ids"]


@pytest.mark.parametrize("text", ["[]", "{}", "{"])
def test_a_damaged_description_of_another_dataset_is_one_line(root, both, text):
    name = prepare("votes", n_folds=4).dataset
    (root / "folds" / name / "dataset.json").write_text(text)
    line = one_line_refusal(prepare, "labels", 4)
    assert f"folds/{name}/dataset.json " in line
    assert f"restore it, or delete folds/{name} to split and train again" in line


def test_earlier_datasets_that_disagree_are_named_unless_their_ids_mean_other_galaxies(both):
    first = prepare("votes", n_folds=4)
    shared = both[2]
    train = first.train.assign(fold=(first.folds + 1) % 4)
    save_catalog(Catalog("wrong", train, first.test_ids, {}))
    with pytest.raises(InputError, match="GalaxyID 21 is in one fold of wrong and another"):
        prepare("labels", n_folds=4)
    assert not has_catalog("labels")
    save_catalog(Catalog("wrong", train, first.test_ids, {"galaxy_ids": False}))
    second = prepare("labels", n_folds=4)
    assert second.about["folds_as_in_earlier_datasets"] == 20
    assert second.train.loc[shared, "fold"].tolist() == first.train.loc[shared, "fold"].tolist()
