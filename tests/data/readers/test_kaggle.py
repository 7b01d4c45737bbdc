"""Finding and reading the competition's files: every form gives the same."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.data.readers import kaggle
from galaxyzoo.data.readers.dataset_files import DatasetFiles
from galaxyzoo.data.readers.kaggle import dataset_name, find_folder, open_dataset_files
from support.datasets import PARTS, SAMPLE, TRAIN_IMAGES, Competition, csv_bytes, draw_competition
from support.pictures import write_zip
from support.real_data import MINI, needs_data
from support.refusals import one_line_refusal


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
    sample, other = competition.members(SAMPLE)[f"{SAMPLE}.csv"], "central_pixel_benchmark"
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
    train, test = np.array([3, 1, 2]), np.array([9, 8])
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


@needs_data(MINI)
def test_the_real_files_are_read_and_recognized(root):
    raw = open_dataset_files(MINI)
    assert (raw.dataset, len(raw.targets), len(raw.test_ids)) == ("kaggle-mini", 6000, 1500)
    assert raw.targets["Class1.1"].mean() == pytest.approx(0.46, abs=0.01)
