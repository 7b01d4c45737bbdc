"""Finding and reading the competition's files: every form gives the same, every defect is named."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from kaggle_fixtures import (
    COLUMNS,
    PARTS,
    SAMPLE,
    SOLUTIONS,
    TEST_IMAGES,
    TRAIN_IMAGES,
    WHOLE,
    Competition,
    csv_bytes,
    damage,
    draw_competition,
    listing,
    write_zip,
)

from galaxyzoo import kaggle
from galaxyzoo.errors import InputError
from galaxyzoo.kaggle import dataset_name, find_source, read_source
from galaxyzoo.paths import CODE_ROOT
from galaxyzoo.sources import Source

MINI = CODE_ROOT.parent / "shared" / "data" / "kaggle-mini"


@pytest.fixture(scope="module")
def competition() -> Competition:
    return draw_competition()


@pytest.fixture
def zips(competition: Competition, root: Path) -> Path:
    """input/ with the four zips."""
    return competition.write_zips(root / "input")


def read() -> Source:
    return read_source(find_source())


def refusal(root: Path) -> str:
    """The message with which the input is refused; nothing may have been written."""
    before = listing(root)
    with pytest.raises(InputError) as caught:
        read()
    assert listing(root) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- forms of the input


def zips_in_input(competition: Competition, root: Path) -> None:
    competition.write_zips(root / "input")


def zips_in_a_subfolder(competition: Competition, root: Path) -> None:
    competition.write_zips(root / "input" / "galaxies")


def unpacked(competition: Competition, root: Path) -> None:
    competition.write_unpacked(root / "input")


def unpacked_twice_over(competition: Competition, root: Path) -> None:
    """Each zip unpacked by a file manager into a folder of its own name."""
    for part in PARTS:
        write_zip(root / "tmp.zip", competition.members(part))
        shutil.unpack_archive(root / "tmp.zip", root / "input" / part)
    (root / "tmp.zip").unlink()


def images_zipped_and_tables_not(competition: Competition, root: Path) -> None:
    zips_in_input(competition, root)
    for part in (SOLUTIONS, SAMPLE):
        shutil.unpack_archive(root / "input" / f"{part}.zip", root / "input")
        (root / "input" / f"{part}.zip").unlink()


def whole_zip(competition: Competition, root: Path) -> None:
    competition.write_whole_zip(root / "input")


def whole_zip_in_a_subfolder(competition: Competition, root: Path) -> None:
    competition.write_whole_zip(root / "input" / "galaxies")


def links_to_zips(competition: Competition, root: Path) -> None:
    for path in competition.write_zips(root / "elsewhere").iterdir():
        (root / "input" / path.name).symlink_to(path)


def link_to_a_folder(competition: Competition, root: Path) -> None:
    competition.write_zips(root / "elsewhere")
    (root / "input" / "galaxies").symlink_to(root / "elsewhere")


def with_what_macos_adds(competition: Competition, root: Path) -> None:
    for part in PARTS:
        members = competition.members(part)
        extra = {f"__MACOSX/{Path(n).parent}/._{Path(n).name}": b"\0\5\26\7" for n in members}
        write_zip(root / "input" / f"{part}.zip", members | extra)


def another_sample_submission(competition: Competition, root: Path) -> None:
    zips_in_input(competition, root)
    (root / "input" / f"{SAMPLE}.zip").unlink()
    sample = competition.members(SAMPLE)[f"{SAMPLE}.csv"]
    write_zip(
        root / "input" / "central_pixel_benchmark.zip", {"central_pixel_benchmark.csv": sample}
    )


FORMS = (
    zips_in_input,
    zips_in_a_subfolder,
    unpacked,
    unpacked_twice_over,
    images_zipped_and_tables_not,
    whole_zip,
    whole_zip_in_a_subfolder,
    links_to_zips,
    link_to_a_folder,
    with_what_macos_adds,
    another_sample_submission,
)


@pytest.mark.parametrize("lay_out", FORMS, ids=lambda f: f.__name__)
def test_every_form_of_the_input_reads_the_same(competition, root, lay_out):
    lay_out(competition, root)
    source = read()
    pd.testing.assert_frame_equal(source.targets, competition.votes)
    assert source.test_ids.tolist() == competition.test_ids.tolist()
    for store, ids in (
        (source.train_images, competition.votes.index),
        (source.test_images, competition.test_ids),
    ):
        assert store.ids.tolist() == ids.tolist()
        assert {int(i): store.read(int(i)) for i in ids} == {
            int(i): competition.images[int(i)] for i in ids
        }
    assert source.dataset.startswith("kaggle-")


def test_the_whole_zip_is_unpacked_once(competition, root, monkeypatch):
    whole_zip(competition, root)
    first = read()
    monkeypatch.setattr(shutil, "copyfileobj", lambda *_: pytest.fail("unpacked again"))
    assert read().folder == first.folder


def test_nothing_in_input_means_the_demo_set(root, monkeypatch, capsys):
    written: list[Path] = []
    monkeypatch.setattr(kaggle.demo, "write_demo", written.append)
    assert find_source() == root / "input" / "demo"
    assert "built-in demo set" in capsys.readouterr().out
    assert find_source("demo") == root / "input" / "demo"
    assert written == [root / "input" / "demo"] * 2


def test_the_demo_set_and_the_cache_are_not_taken_for_input(competition, root):
    competition.write_zips(root / "input" / "demo")
    competition.write_zips(root / "input" / "cache")
    competition.write_zips(root / "input" / "mine")
    assert find_source() == root / "input" / "mine"


def test_of_several_datasets_one_must_be_named(competition, root, monkeypatch):
    for name in ("one", "two"):
        competition.write_zips(root / "input" / name)
    with pytest.raises(InputError, match="--data with one of one, two"):
        find_source()
    assert find_source("two") == root / "input" / "two"
    assert find_source(str(root / "input" / "one")) == root / "input" / "one"
    (root / "two").mkdir()  # an empty folder of that name where the user stands
    monkeypatch.chdir(root)
    assert find_source("two") == root / "input" / "two"


@pytest.mark.parametrize("data", ["nowhere", "empty"])
def test_a_named_folder_without_the_files_is_refused(root, data):
    (root / "input" / "empty").mkdir()
    with pytest.raises(InputError, match=f"--data {data}"):
        find_source(data)


# -- tables


def with_a_mark(votes: pd.DataFrame) -> bytes:
    return b"\xef\xbb\xbf" + csv_bytes(votes)


def with_crlf(votes: pd.DataFrame) -> bytes:
    return csv_bytes(votes).replace(b"\n", b"\r\n")


def with_spaces(votes: pd.DataFrame) -> bytes:
    return csv_bytes(votes).replace(b",", b" , ")


def rows_shuffled(votes: pd.DataFrame) -> bytes:
    return csv_bytes(votes.sample(frac=1, random_state=1))


def columns_shuffled(votes: pd.DataFrame) -> bytes:
    return csv_bytes(votes.sample(frac=1, random_state=1, axis=1))


def with_a_column_more(votes: pd.DataFrame) -> bytes:
    return csv_bytes(votes.assign(note="x"))


@pytest.mark.parametrize(
    "write",
    [with_a_mark, with_crlf, with_spaces, rows_shuffled, columns_shuffled, with_a_column_more],
    ids=lambda f: f.__name__,
)
def test_other_spellings_of_the_solutions_read_the_same(competition, root, zips, write):
    competition.write_solutions(zips, write(competition.votes))
    source = read()
    pd.testing.assert_frame_equal(source.targets, competition.votes)


def test_rounding_just_outside_the_range_is_cut_off(competition, root, zips):
    votes = competition.votes.copy()
    votes.iloc[0, :3] = [1.000004, -0.000004, 0.0]  # the rest of the tree follows
    votes.iloc[0, 3:13] = 0.0
    votes.iloc[0, 15:18] = [1.0, 0.0, 0.0]
    votes.iloc[0, 25:] = 0.0
    competition.write_solutions(zips, csv_bytes(votes))
    targets = read().targets
    assert targets.iloc[0, :2].tolist() == [1.0, 0.0]


def edited(competition: Competition, column: str, value: object, row: int = 3) -> bytes:
    votes = competition.votes.astype(object)
    votes.loc[votes.index[row], column] = value
    return csv_bytes(votes)


@pytest.mark.parametrize("value", ["", "nan", "inf", "-inf", "many", "0.5.1"])
def test_a_value_that_is_no_number_is_named(competition, root, zips, value):
    competition.write_solutions(zips, edited(competition, "Class4.2", value))
    message = refusal(root)
    assert f"GalaxyID {competition.votes.index[3]}, column 'Class4.2'" in message
    assert f"{SOLUTIONS}.zip" in message


@pytest.mark.parametrize("value", [-0.1, 1.1, 100])
def test_a_value_outside_zero_to_one_is_named(competition, root, zips, value):
    competition.write_solutions(zips, edited(competition, "Class6.1", value))
    message = refusal(root)
    assert f"GalaxyID {competition.votes.index[3]}, column 'Class6.1'" in message
    assert "outside [0, 1] (1 such" in message
    assert message.count("GalaxyID") == 1


@pytest.mark.parametrize(
    ("question", "column"), [(1, "Class1.3"), (6, "Class6.2"), (11, "Class11.4")]
)
@pytest.mark.parametrize("change", [3e-5, 0.2])
def test_sums_that_do_not_add_up_are_named(competition, root, zips, question, column, change):
    value = competition.votes[column].iloc[3]
    value += change if value < 0.5 else -change
    competition.write_solutions(zips, edited(competition, column, value))
    message = refusal(root)
    assert f"GalaxyID {competition.votes.index[3]}: the answers of question {question} " in message
    assert "(galaxies that do not add up: 1 of 12)" in message
    assert message.count("GalaxyID") == 1


@pytest.mark.parametrize(
    ("rename", "named"),
    [
        ({"Class7.2": "Class7_2"}, "'Class7.2' (1 of 37 missing; found instead: 'Class7_2')"),
        ({"Class7.2": "class7.2", "Class1.1": "x"}, "'Class1.1' (2 of 37 missing"),
    ],
)
def test_a_misspelt_column_is_named(competition, root, zips, rename, named):
    competition.write_solutions(zips, csv_bytes(competition.votes.rename(columns=rename)))
    assert named in refusal(root)


def test_a_missing_column_is_named(competition, root, zips):
    competition.write_solutions(zips, csv_bytes(competition.votes.drop(columns="Class11.6")))
    assert "lacks column 'Class11.6' (1 of 37 missing)" in refusal(root)


def test_a_table_without_ids_is_named(competition, root, zips):
    competition.write_solutions(zips, competition.votes.to_csv(index_label="id"))
    message = refusal(root)
    assert f"{SOLUTIONS}.csv has no column 'GalaxyID'" in message


def test_a_repeated_id_is_named(competition, root, zips):
    votes = competition.votes
    competition.write_solutions(zips, csv_bytes(pd.concat([votes, votes.iloc[[2]]])))
    assert f"GalaxyID {votes.index[2]} stands there twice" in refusal(root)


def test_a_table_without_rows_is_named(competition, root, zips):
    competition.write_solutions(zips, csv_bytes(competition.votes.iloc[:0]))
    assert f"{SOLUTIONS}.zip holds no galaxy" in refusal(root)


def test_a_table_cut_off_in_the_middle_of_a_row_is_named(competition, root, zips):
    text = csv_bytes(competition.votes)
    competition.write_solutions(zips, text[: len(text) - 120])
    assert f"ends in the middle of line 13 ('{competition.votes.index[-1]}," in refusal(root)


def test_a_repeated_test_id_is_named(competition, root, zips):
    ids = np.append(competition.test_ids, competition.test_ids[1])
    sample = csv_bytes(pd.DataFrame(0, index=ids, columns=COLUMNS))
    write_zip(zips / f"{SAMPLE}.zip", {f"{SAMPLE}.csv": sample})
    message = refusal(root)
    assert SAMPLE in message
    assert f"GalaxyID {competition.test_ids[1]} stands there twice" in message


# -- files


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_zip_is_named(competition, root, zips, part):
    (zips / f"{part}.zip").unlink()
    message = refusal(root)
    assert f"{part}.zip" in message
    assert message.startswith("input/ lacks")


def test_one_part_alone_is_not_taken_for_an_empty_input(competition, root, zips):
    for part in (TRAIN_IMAGES, SOLUTIONS, SAMPLE):
        (zips / f"{part}.zip").unlink()
    assert f"{SOLUTIONS}.zip" in refusal(root)


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("part", PARTS)
def test_a_truncated_zip_is_named(root, zips, part, keep):
    path = zips / f"{part}.zip"
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    message = refusal(root)
    assert f"input/{part}.zip is not a whole zip file ({path.stat().st_size:,} bytes" in message


@pytest.mark.parametrize("part", [SOLUTIONS, SAMPLE])
def test_a_damaged_table_in_a_zip_is_named(root, zips, part):
    damage(zips / f"{part}.zip", f"{part}.csv")
    message = refusal(root)
    assert f"{part}.zip" in message


def test_a_web_page_saved_as_a_zip_is_named(root, zips):
    (zips / f"{TEST_IMAGES}.zip").write_text("<html>Please log in</html>")
    assert f"input/{TEST_IMAGES}.zip is not a whole zip file" in refusal(root)


@pytest.mark.parametrize("members", [{}, {"a.csv": b"x", "b.csv": b"x"}], ids=["none", "two"])
def test_a_zip_that_does_not_hold_one_table_is_named(root, zips, members):
    write_zip(zips / f"{SOLUTIONS}.zip", members)
    assert f"{SOLUTIONS}.zip should hold one CSV file; it holds {len(members)}" in refusal(root)


def test_a_zip_without_images_is_named(root, zips):
    write_zip(zips / f"{TRAIN_IMAGES}.zip", {"readme.txt": b"x"})
    assert f"{TRAIN_IMAGES}.zip holds no image" in refusal(root)


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_whole_zip_is_named(competition, root, keep):
    """Cut off after one of its inner zips, it even opens: as that one."""
    whole_zip(competition, root)
    path = root / "input" / f"{WHOLE}.zip"
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    assert f"input/{WHOLE}.zip" in refusal(root)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_whole_zip_is_named_and_nothing_is_left_half_unpacked(
    competition, root, compression
):
    path = root / "input" / f"{WHOLE}.zip"
    inner = competition.members(SAMPLE)[f"{SAMPLE}.csv"]  # no zip, but it can be compressed
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr(f"{TRAIN_IMAGES}.zip", inner)
    damage(path, f"{TRAIN_IMAGES}.zip")
    assert f"input/{WHOLE}.zip is damaged" in refusal(root)


# -- tables and images together


@pytest.mark.parametrize("part", [TRAIN_IMAGES, TEST_IMAGES])
def test_a_row_without_an_image_is_named(competition, root, zips, part):
    members = competition.members(part)
    name = sorted(members)[2]
    del members[name]
    write_zip(zips / f"{part}.zip", members)
    assert f"input/{part}.zip has no image of GalaxyID {Path(name).stem}" in refusal(root)


@pytest.mark.parametrize("part", [TRAIN_IMAGES, TEST_IMAGES])
def test_an_image_without_a_row_is_named(competition, root, zips, part):
    members = competition.members(part)
    write_zip(zips / f"{part}.zip", members | {f"{part}/42.jpg": next(iter(members.values()))})
    assert f"input/{part}.zip holds an image of GalaxyID 42" in refusal(root)


def test_an_image_that_is_there_twice_is_named(competition, root, zips):
    members = competition.members(TRAIN_IMAGES)
    name = next(iter(members))
    write_zip(zips / f"{TRAIN_IMAGES}.zip", members | {f"copy/{Path(name).name}": members[name]})
    message = refusal(root)
    assert f"GalaxyID {Path(name).stem} twice" in message
    assert f"'copy/{Path(name).name}'" in message


def test_an_image_not_named_by_an_id_is_named(competition, root, zips):
    members = competition.members(TRAIN_IMAGES)
    write_zip(zips / f"{TRAIN_IMAGES}.zip", members | {"thumbnail.png": b"x"})
    assert "'thumbnail.png'" in refusal(root)


def test_an_id_in_train_and_test_is_named(competition, root):
    shared = int(competition.votes.index[4])
    test_ids = np.append(competition.test_ids, shared)
    Competition(competition.votes, test_ids, competition.images).write_zips(root / "input")
    assert f"GalaxyID {shared} is both a training and a test galaxy" in refusal(root)


# -- the dataset's name


def test_the_name_follows_from_the_ids_alone(root):
    train, test = np.array([3, 1, 2]), np.array([9, 8])
    name = dataset_name(train, test, root)
    assert name == dataset_name(np.sort(train), np.sort(test), root / "elsewhere")
    others = [
        (np.array([1, 2, 4]), test),
        (train, np.array([9, 7])),
        (np.append(train, 9), test[1:]),
    ]
    assert len({name, *(dataset_name(*ids, root) for ids in others)}) == 4


def test_the_demo_folder_is_the_demo_set_however_it_is_spelt(root, monkeypatch):
    (root / "input" / "demo").mkdir()
    (root / "link").symlink_to(root / "input" / "demo")
    ids = np.array([1]), np.array([2])
    assert dataset_name(*ids, root / "link") == "demo"
    assert dataset_name(*ids, root / "input" / "mine") != "demo"


def test_a_known_subset_and_the_whole_are_recognised(root, tmp_path, monkeypatch):
    monkeypatch.setattr(kaggle, "CONFIGS", tmp_path / "configs")
    monkeypatch.setattr(kaggle, "COMPETITION_SIZE", (4, 2))
    lists = tmp_path / "configs" / "subsets" / "few"
    lists.mkdir(parents=True)
    (lists.parent / ".DS_Store").write_bytes(b"\0")  # other things in that folder do no harm
    (lists / "train_ids.txt").write_text("1\n2\n5\n")
    assert dataset_name(np.array([5, 1, 2]), np.array([9]), root) == "few"
    assert dataset_name(np.array([5, 1, 3]), np.array([9]), root).startswith("kaggle-")
    assert dataset_name(np.array([5, 1, 3, 4]), np.array([9, 8]), root) == "kaggle"


@pytest.mark.skipif(not MINI.exists(), reason=f"no real competition files in {MINI}")
def test_the_real_files_are_read_and_recognised(root):
    source = read_source(MINI)
    assert (source.dataset, len(source.targets), len(source.test_ids)) == (
        "kaggle-mini",
        6000,
        1500,
    )
    assert source.targets["Class1.1"].mean() == pytest.approx(0.46, abs=0.01)
