"""The competition's files: every form gives the same, and each defect is one line that names it.

A known subset cut out of the whole has the same bytes each time.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.data.readers import kaggle
from galaxyzoo.data.readers.dataset_files import DatasetFiles
from galaxyzoo.data.readers.kaggle import (
    dataset_name,
    find_folder,
    open_dataset_files,
    write_subset,
)
from support.datasets import (
    PARTS,
    SAMPLE,
    SOLUTIONS,
    TEST_IMAGES,
    TRAIN_IMAGES,
    Competition,
    csv_bytes,
    draw_competition,
)
from support.pictures import damage, write_zip
from support.real_data import MINI, needs_data
from support.refusals import listing, one_line_refusal


def read() -> DatasetFiles:
    return open_dataset_files(find_folder())


def unpacked_twice_over(competition: Competition, folder: Path) -> None:
    """Each zip unpacked by a file manager into a folder of its own name."""
    for part in PARTS:
        write_zip(folder.parent / "tmp.zip", competition.members(part))
        shutil.unpack_archive(folder.parent / "tmp.zip", folder / part)


def with_what_macos_adds(competition: Competition, folder: Path) -> None:
    for part in PARTS:
        members = competition.members(part)
        extra = {f"__MACOSX/{Path(n).parent}/._{Path(n).name}": b"\0\5\26\7" for n in members}
        write_zip(folder / f"{part}.zip", members | extra)


def another_sample_submission(competition: Competition, folder: Path) -> None:
    competition.write_zips(folder)
    (folder / f"{SAMPLE}.zip").unlink()
    sample = competition.members(SAMPLE)[f"{SAMPLE}.csv"]
    other = "central_pixel_benchmark"
    write_zip(folder / f"{other}.zip", {f"{other}.csv": sample})


FORMS = (Competition.write_zips, Competition.write_unpacked, Competition.write_whole_zip)
OTHERS = (unpacked_twice_over, with_what_macos_adds, another_sample_submission)


@pytest.mark.parametrize("lay_out", [*FORMS, *OTHERS], ids=lambda form: form.__name__)
def test_every_form_of_the_input_reads_the_same(competition, root, lay_out):
    lay_out(competition, root / "input")
    raw = read()
    pd.testing.assert_frame_equal(raw.targets, competition.votes)
    assert raw.test_ids.tolist() == competition.test_ids.tolist()
    given = (raw.train_images, competition.votes.index), (raw.test_images, competition.test_ids)
    for store, ids in given:
        assert store.ids.tolist() == ids.tolist()
        assert [*map(store.read, ids)] == [*map(competition.images.get, ids)]
    assert raw.dataset.startswith("kaggle-")


def test_the_whole_zip_is_unpacked_once(competition, root, monkeypatch):
    competition.write_whole_zip(root / "input")
    first = read()
    monkeypatch.setattr(shutil, "copyfileobj", lambda *_: pytest.fail("unpacked again"))
    assert read().folder == first.folder


def test_demos_the_cache_and_what_a_kill_left_are_not_taken_for_input(competition, root):
    for name in ("demo", "demo-full", "cache"):
        competition.write_zips(root / "input" / name)
    half = root / "input" / ".few-x" / f"{TRAIN_IMAGES}.zip"  # of a subset that was being written
    write_zip(half, competition.members(TRAIN_IMAGES))
    competition.write_zips(root / "input" / "mine")
    assert find_folder() == root / "input" / "mine"


def test_of_several_datasets_one_must_be_named(competition, root, monkeypatch):
    for name in ("one", "two"):
        competition.write_zips(root / "input" / name)
    assert "--data with one of one, two" in one_line_refusal(find_folder)
    assert find_folder("two") == root / "input" / "two"
    assert find_folder(str(root / "input" / "one")) == root / "input" / "one"
    (root / "two").mkdir()  # an empty folder of that name where the user stands
    monkeypatch.chdir(root)
    assert find_folder("two") == root / "input" / "two"


def test_solutions_in_another_order_read_the_same(competition, root, zips):
    expected = read().targets
    assert expected.index.is_monotonic_increasing
    competition.write_solutions(zips, csv_bytes(competition.votes.sample(frac=1, random_state=3)))
    pd.testing.assert_frame_equal(read().targets, expected)


def test_rounding_just_outside_the_range_is_cut_off(competition, root, zips):
    votes = competition.votes.copy()
    votes.iloc[0, :3] = [1.000004, -0.000004, 0.0]  # the rest of the tree follows
    votes.iloc[0, 3:13] = 0.0
    votes.iloc[0, 15:18] = [1.0, 0.0, 0.0]
    votes.iloc[0, 25:] = 0.0
    competition.write_solutions(zips, csv_bytes(votes))
    assert read().targets.iloc[0, :2].tolist() == [1.0, 0.0]


def test_the_name_follows_from_the_ids_alone(root):
    train = np.array([3, 1, 2])
    test = np.array([9, 8])
    name = dataset_name(train, test, root)
    assert name == dataset_name(np.sort(train), np.sort(test), root / "elsewhere")
    others = (np.array([1, 2, 4]), test), (train, np.array([9, 7])), (np.append(train, 9), test[1:])
    assert len({name, *(dataset_name(*ids, root) for ids in others)}) == 4


def test_a_known_subset_and_the_whole_are_recognized(root, tmp_path, monkeypatch):
    monkeypatch.setenv("GALAXYZOO_CONFIGS", str(tmp_path / "configs"))
    monkeypatch.setattr(kaggle, "COMPETITION_SIZE", (4, 2))
    lists = tmp_path / "configs" / "subsets" / "few"
    lists.mkdir(parents=True)
    (lists.parent / ".DS_Store").write_bytes(b"\0")  # other things in that folder do no harm
    (lists / "train_ids.txt").write_text("1\n2\n5\n")
    assert dataset_name(np.array([5, 1, 2]), np.array([9]), root) == "few"
    assert dataset_name(np.array([5, 1, 3]), np.array([9]), root).startswith("kaggle-")
    assert dataset_name(np.array([5, 1, 3, 4]), np.array([9, 8]), root) == "kaggle"


def test_a_dataset_goes_by_its_name_in_input_itself_and_in_a_folder_so_called(root):
    top = root / "input"
    draw_competition(6, 3, seed=0).write_zips(top)
    name = open_dataset_files(top).dataset
    assert kaggle.find_folder(name) == top
    assert "not found here" in one_line_refusal(kaggle.find_folder, name + "0")
    zips = [*top.glob("*.zip")]
    (top / name).mkdir()
    for path in zips:
        path.rename(top / name / path.name)
    assert kaggle.find_folder(name) == top / name


def refusal(root: Path) -> str:
    """The message with which the input is refused; nothing may have been written."""
    before = listing(root)
    message = one_line_refusal(read)
    assert listing(root) == before
    return message


def edited(competition: Competition, column: str, value: object, row: int = 3) -> bytes:
    votes = competition.votes.astype(object)
    votes.loc[votes.index[row], column] = value
    return csv_bytes(votes)


NO_FRACTIONS = [("87 %", "not a finite number such as 0.25 (such"), (87, "87 is outside [0, 1] (")]


@pytest.mark.parametrize(("value", "reason"), NO_FRACTIONS)
def test_a_value_that_is_no_fraction_is_named(competition, root, zips, value, reason):
    competition.write_solutions(zips, edited(competition, "Class6.1", value))
    message = refusal(root)
    assert f"{SOLUTIONS}.zip" in message
    assert f"GalaxyID {competition.votes.index[3]}, column 'Class6.1'" in message
    assert reason in message


SUMS = [(1, "Class1.3"), (6, "Class6.2"), (11, "Class11.4")]


@pytest.mark.parametrize(("question", "column"), SUMS)
@pytest.mark.parametrize("change", [3e-5, 0.2])
def test_sums_that_do_not_add_up_are_named(competition, root, zips, question, column, change):
    value = competition.votes[column].iloc[3]
    value += change if value < 0.5 else -change
    competition.write_solutions(zips, edited(competition, column, value))
    message = refusal(root)
    assert f"GalaxyID {competition.votes.index[3]}: the vote fractions of question" in message
    assert f" {question} have the wrong sum" in message


WRONG_TABLES = {
    "misspelled": (lambda v: csv_bytes(v.rename(columns={"Class7.2": "A"})), "found instead: 'A')"),
    "no column": (lambda v: csv_bytes(v.drop(columns="Class11.6")), "'Class11.6' (1 of 37 missing"),
    "no ids": (lambda v: v.to_csv(index_label="id"), f"{SOLUTIONS}.csv has no column 'GalaxyID'"),
    "no rows": (lambda v: csv_bytes(v.iloc[:0]), f"{SOLUTIONS}.zip has no galaxies"),
}


@pytest.mark.parametrize(("write", "named"), WRONG_TABLES.values(), ids=WRONG_TABLES)
def test_a_table_that_is_not_the_solutions_is_named(competition, root, zips, write, named):
    competition.write_solutions(zips, write(competition.votes))
    assert named in refusal(root)


@pytest.mark.parametrize("part", [TRAIN_IMAGES, TEST_IMAGES])
def test_a_row_without_an_image_and_an_image_without_a_row_are_named(competition, root, zips, part):
    members = competition.members(part)
    write_zip(zips / f"{part}.zip", members | {f"{part}/42.jpg": next(iter(members.values()))})
    assert f"input/{part}.zip has an image of GalaxyID 42" in refusal(root)
    name = sorted(members)[2]
    del members[name]
    write_zip(zips / f"{part}.zip", members)
    assert f"input/{part}.zip has no image of GalaxyID {Path(name).stem}" in refusal(root)


@pytest.fixture
def whole(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Competition:
    """The whole competition in input/, and a subset 'few': test ids from both of its halves."""
    whole = draw_competition(n_train=12, n_test=6)
    whole.write_zips(root / "input")
    monkeypatch.setenv("GALAXYZOO_CONFIGS", str(tmp_path / "configs"))
    write_lists(tmp_path, whole.votes.index[:5], [*whole.test_ids[[4, 1]], whole.votes.index[7]])
    return whole


def write_lists(root: Path, train_ids: Iterable[int], test_ids: Iterable[int]) -> None:
    folder = root / "configs" / "subsets" / "few"
    folder.mkdir(parents=True, exist_ok=True)
    for name, ids in (("train", train_ids), ("test", test_ids)):
        np.savetxt(folder / f"{name}_ids.txt", np.array(list(ids)), fmt="%d")


def test_a_subset_of_a_competition_that_is_not_there_is_refused(root, monkeypatch):
    folder = root / "configs" / "subsets" / "few"
    folder.mkdir(parents=True)
    for name in ("train_ids.txt", "test_ids.txt"):
        (folder / name).write_text("1\n")
    monkeypatch.setenv("GALAXYZOO_CONFIGS", str(folder.parents[1]))
    line = one_line_refusal(write_subset, "few", None)
    assert line.startswith("no competition data in input/, to which the galaxies of few belong: `")
    assert line.endswith("all_zeros_benchmark.zip there")
    assert not (root / "input" / "demo").exists()


def test_a_subset_is_a_competition_of_its_own_with_the_same_image_bytes(whole, root):
    folder = write_subset("few", None)
    assert folder == root / "input" / "few"
    assert sorted(p.name for p in folder.iterdir()) == sorted(f"{part}.zip" for part in PARTS)
    raw = open_dataset_files(find_folder("few"))
    assert int(whole.votes.index[7]) not in raw.targets.index
    assert raw.dataset == "few"
    pd.testing.assert_frame_equal(raw.targets, whole.votes.iloc[:5])
    assert raw.test_ids.tolist() == [*whole.test_ids[[4, 1]], whole.votes.index[7]]
    for store in (raw.train_images, raw.test_images):
        for galaxy_id in map(int, store.ids):
            assert store.read(galaxy_id) == whole.images[galaxy_id]


@pytest.mark.parametrize("kind", ["folder", "dead link"])
def test_what_is_there_already_is_left_alone(whole, root, tmp_path, kind):
    theirs, target = tmp_path / "theirs", root / "input" / "few"
    if kind == "folder":
        target.mkdir()
    else:
        target.symlink_to(theirs)
    before = listing(root, tmp_path)
    with pytest.raises(InputError, match="few already exists"):
        write_subset("few", None)
    assert listing(root, tmp_path) == before


def subset_refusal(root: Path) -> str:
    before = listing(root)
    with pytest.raises(InputError) as caught:
        write_subset("few", None)
    assert listing(root) == before
    assert not (root / "input" / "few").exists()
    assert not list((root / "input").glob(".*"))
    return str(caught.value)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_galaxy_that_the_input_lacks_is_named_and_nothing_is_written(whole, root, tmp_path, part):
    ids = {"train": list(whole.votes.index[:3]), "test": list(whole.test_ids)}
    ids[part].append(77)
    write_lists(tmp_path, ids["train"], ids["test"])
    assert "GalaxyID 77" in subset_refusal(root)


@pytest.mark.parametrize("part", [TRAIN_IMAGES, TEST_IMAGES])
def test_a_damaged_image_is_named_and_nothing_is_written(whole, root, part):
    ids = whole.votes.index[:5] if part == TRAIN_IMAGES else whole.test_ids[[4, 1]]
    name = f"{part}/{ids[1]}.jpg"
    damage(root / "input" / f"{part}.zip", name)
    assert name in subset_refusal(root)


@needs_data(MINI)
def test_the_real_files_are_read_and_recognized(root):
    raw = open_dataset_files(MINI)
    assert (raw.dataset, len(raw.targets), len(raw.test_ids)) == ("kaggle-mini", 6000, 1500)
    assert raw.targets["Class1.1"].mean() == pytest.approx(0.46, abs=0.01)
