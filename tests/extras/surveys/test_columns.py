"""Meaning and names of a survey's columns."""

import pyarrow as pa
import pytest
from astropy.io.votable.ucd import check_ucd

from galaxyzoo.extras.surveys import COLUMN_NAMES
from galaxyzoo.extras.surveys.columns import describe_columns, rename
from galaxyzoo.tasks.decision_tree import PUBLISHED_NAMES
from galaxyzoo.tasks.registry import TASKS, get_task

VOTES = get_task("gz37")
SUFFIXES = ("", "_spread", "_lower", "_upper")
COLUMNS = [column + suffix for suffix in SUFFIXES for column in VOTES.columns]


@pytest.mark.parametrize("task", TASKS)
def test_every_column_has_a_meaning_in_the_words_of_the_virtual_observatory(task):
    names = ["GalaxyID", *(c + end for end in SUFFIXES for c in TASKS[task].columns), "hubble10"]
    fields = pa.schema([(name, pa.float32()) for name in names])
    meanings = [each.metadata for each in describe_columns(fields, TASKS[task], "GalaxyID", "")]
    assert len({meaning[b"description"] for meaning in meanings}) == len(names)
    for meaning in meanings:
        assert check_ucd(meaning[b"ucd"].decode(), check_controlled_vocabulary=True)


@pytest.mark.parametrize("name", ["ra", "dec"])
@pytest.mark.parametrize(
    ("kind", "unit"),
    [
        (pa.float64(), b"deg"),
        (pa.float32(), b"deg"),
        (pa.int64(), b"deg"),
        (pa.string(), b""),
        (pa.large_string(), b""),
        (pa.dictionary(pa.int32(), pa.string()), b""),
    ],
)
def test_positions_have_a_unit_only_as_numbers(name, kind, unit):
    [field] = describe_columns(pa.schema([(name, kind)]), VOTES, "id", "")
    assert field.metadata[b"unit"] == unit
    assert (b"pos.eq" in field.metadata[b"ucd"]) == bool(unit)


@pytest.mark.parametrize("names", COLUMN_NAMES[1:])
def test_other_names_are_plain_words_and_unique(names):
    renamed = [rename(name, names) for name in COLUMNS]
    assert len(set(renamed)) == len(COLUMNS)
    assert all(name.isidentifier() for name in renamed)
    assert rename("Class8.7_spread", "gz2") == "t08_odd_feature_a38_dust_lane_spread"
    assert rename("Class8.7_spread", "words") == "odd_feature_dust_lane_spread"
    assert rename("hubble10", names) == "hubble10"
    assert [rename(name, "gz2") for name in VOTES.columns] == list(PUBLISHED_NAMES)
