"""Defects of the competition's files: each is refused in a line that names it."""

from pathlib import Path

import numpy as np
import pytest

from galaxyzoo.data.readers.kaggle import find_folder, open_dataset_files
from support.datasets import SOLUTIONS, TEST_IMAGES, TRAIN_IMAGES, Competition, csv_bytes
from support.pictures import write_zip
from support.refusals import listing, one_line_refusal


def refusal(root: Path) -> str:
    """The message with which the input is refused; nothing may have been written."""
    before = listing(root)
    message = one_line_refusal(lambda: open_dataset_files(find_folder()))
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


def test_an_id_in_train_and_test_is_named(competition, root):
    shared = int(competition.votes.index[4])
    test_ids = np.append(competition.test_ids, shared)
    Competition(competition.votes, test_ids, competition.images).write_zips(root / "input")
    assert f"GalaxyID {shared} is both a training and a test galaxy" in refusal(root)
