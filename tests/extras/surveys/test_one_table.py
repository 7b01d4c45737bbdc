"""A survey's parts as one table, read back by astropy and STILTS."""

import base64
import datetime
import io
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from astropy.io import fits, votable
from astropy.table import Table
from pyarrow import parquet

from galaxyzoo.core.errors import one_line
from galaxyzoo.extras.surveys import COLUMN_NAMES, TABLE_FORMATS, one_table, survey
from galaxyzoo.extras.surveys.columns import describe_columns, meaning, rename
from galaxyzoo.extras.surveys.one_table import write_one_table
from galaxyzoo.tasks.registry import get_task
from support.refusals import one_line_refusal
from support.surveys import draw_survey, make_job

VOTES = get_task("gz37")
SUFFIXES = ("", "_spread", "_lower", "_upper")
COLUMNS = [column + suffix for suffix in SUFFIXES for column in VOTES.columns]
WRITTEN = [name for name in COLUMNS if name.startswith(("Class1.", "Class6.", "Class8."))]


def make_parts(folder: Path, ids: Sequence[list[int] | list[str]]) -> list[Path]:
    """Parts as a survey writes them, with every kind of column."""
    paths = []
    for number, names in enumerate(ids):
        rng = np.random.default_rng(number)
        rows = len(names)
        features = rng.random((rows, 3), np.float32)
        kind = pa.string() if "a.jpg" in names else pa.int64()
        columns: dict[str, Any] = {"id": pa.array(names, kind)}
        for name in WRITTEN:
            columns[name] = rng.random(rows, np.float32)
        columns["hubble10"] = pa.array(["", "E_round", "SB"][:rows], pa.string())
        columns["features"] = pa.FixedSizeListArray.from_arrays(features.ravel(), 3)
        table = pa.table(columns)
        schema = describe_columns(table.schema, VOTES, "id", "gz37/cnn")
        paths.append(folder / f"part-{number:06d}.parquet")
        parquet.write_table(table.cast(schema), paths[-1])
    return paths


@pytest.mark.parametrize("names", COLUMN_NAMES)
@pytest.mark.parametrize("ending", TABLE_FORMATS)
def test_astropy_reads_all_parts_with_their_meaning(ending, names, tmp_path):
    parts = make_parts(tmp_path, [[587722981736579072, 5], [7, 8, 9], []])
    path = tmp_path / f"votes{ending}"
    write_one_table(path, parts, names)
    found = Table.read(path)
    expected = pa.concat_tables([parquet.read_table(part) for part in parts])
    assert found.colnames == [rename(name, names) for name in expected.column_names]
    assert found["id"].tolist() == expected["id"].to_pylist()
    classes = np.ma.filled(found["hubble10"], "")  # astropy masks "" of FITS and ECSV
    assert classes.tolist() == expected["hubble10"].to_pylist()
    for name in WRITTEN:
        np.testing.assert_array_equal(found[rename(name, names)], expected[name].to_numpy())
    features = np.array(found["features"].tolist(), np.float32)
    np.testing.assert_array_equal(features, expected["features"].to_pylist())
    if ending == ".parquet":
        assert parquet.read_schema(path).metadata[b"title"] == b"predictions of gz37"
    else:  # astropy 8.0.2 does not read what Parquet's fields carry
        odd = found[rename("Class6.1", names)]
        text = "predicted fraction of all volunteers who answer 'odd' to 'Is there anything odd?'"
        assert " ".join(odd.description.split()) == text  # VOTables break lines
        assert odd.meta["ucd"] == "stat.probability"


# A column that is kept -> the tables that would not hold it exactly
KEPT: dict[str, tuple[pa.Array, str]] = {
    "int64": (pa.array([1237648720693755918, 2]), ""),
    "int8": (pa.array([-5, 1], pa.int8()), ""),
    "uint16": (pa.array([65535, 1], pa.uint16()), ""),
    "uint64": (pa.array([2**64 - 1, 2], pa.uint64()), ".fits .vot .ecsv"),
    "float16": (pa.array(np.array([0.5, 1], "f2")), ""),
    "bool": (pa.array([True, False]), ""),
    "text": (pa.array(["001", "NA"]), ""),
    "greek": (pa.array(["α", ""]), ".fits"),
    "date": (pa.array([datetime.date(2026, 1, day) for day in (1, 2)]), ""),
    "time": (pa.array([datetime.datetime(2026, 1, 2, 3, 4)] * 2, pa.timestamp("ms")), ""),
    "night": (pa.array([datetime.datetime(2026, 1, day) for day in (1, 2)]), ""),
    "list": (pa.array([[1.5, 2.0], [3.0, 4.0]]), ""),
    "ragged": (pa.array([[1, 2, 3], [4]]), ".fits .vot .ecsv"),
    "two words": (pa.array([1, 2]), ".vot"),
    "two\nlines": (pa.array([1, 2]), ".fits .vot .ecsv"),
    "long" * 20: (pa.array([1, 2]), ".fits"),
    "missing uint64": (pa.array([2**64 - 1, None], pa.uint64()), ".fits .vot .ecsv"),
    "missing list": (pa.array([[1.5, 2.0], None]), ".fits .vot .ecsv"),
    "missing pair": (pa.array([[1, 2], None], pa.list_(pa.int64(), 2)), ".fits .vot .ecsv"),
}
ISO_8601 = {  # but in Parquet
    "date": ["2026-01-01", "2026-01-02"],
    "time": ["2026-01-02T03:04:00.000"] * 2,
    "night": ["2026-01-01T00:00:00.000000", "2026-01-02T00:00:00.000000"],
}


@pytest.mark.pinned  # older packages refuse timestamps in .ecsv
@pytest.mark.parametrize("ending", TABLE_FORMATS)
@pytest.mark.parametrize("name", KEPT)
def test_a_kept_column_is_written_exactly_or_refused_before(name, ending, tmp_path):
    (column, refused) = KEPT[name]
    path = tmp_path / f"t{ending}"
    part = tmp_path / "part"
    rows = pa.table({"id": ["a", "b"], name: column})
    if ending in refused.split():
        line = one_line_refusal(one_table.check_table, path, rows.select([name]), ["id"], "gz2")
        assert f"values of column '{one_line(name)}' (" in line
        assert line.endswith("exactly: use .parquet")
        return
    one_table.check_table(path, rows.select([name]), ["id"], "gz2")
    parquet.write_table(rows.cast(describe_columns(rows.schema, VOTES, "id", "")), part)
    write_one_table(path, [part], "gz2")
    columns = ["id", name, "Class1.1"]
    assert one_table.is_own_table(path, columns, ["id"], ["a", "b"])
    assert not one_table.is_own_table(path, columns, ["Class1.1"], ["a", "b"])
    written = {} if ending == ".parquet" else ISO_8601
    expected = repr(written.get(name, column.to_pylist()))
    assert repr(one_table.read_one_table(path)[name].to_pylist()) == expected
    assert ending != ".fits" or repr(fits.getdata(path)[name].tolist()) == expected


# Values of columns with missing ones, among them what astropy 8.0.2 takes as TNULL by itself (63,
# 16959 and 999999) and the ends of each type
MISSING = {
    "int8": pa.array([63, -128, 127], pa.int8()),
    "uint8": pa.array(range(256), pa.uint8()),
    "int16": pa.array([16959, 63, -(2**15), 2**15 - 1], pa.int16()),
    "uint16": pa.array([0, 63, 16959, 2**16 - 1], pa.uint16()),
    "int32": pa.array([999999, -(2**31), 2**31 - 1], pa.int32()),
    "uint32": pa.array([0, 999999, 2**32 - 1], pa.uint32()),
    "int64": pa.array([999999, -(2**63), 2 - 2**63, 2**63 - 1]),
    "uint64": pa.array([0, 999999, 2**63 - 1], pa.uint64()),
    "bool": pa.array([True, False]),
    "float16": pa.array(np.array([0.5, 2], "f2")),
    "float32": pa.array([0.7, 1e20, np.inf], pa.float32()),
    "float64": pa.array([0.7, 1e20, -np.inf]),
    "text": pa.array(["N/A", "-", "Mrk 1"]),
    "category": pa.array(["E", "S", "E"]).dictionary_encode(),
    "date": pa.array([datetime.date(2026, 1, 2)]),
    "nothing": pa.array([], pa.int32()),
}


@pytest.mark.parametrize("ending", TABLE_FORMATS)
def test_missing_values_are_null_masked_or_empty_and_no_value_becomes_missing(ending, tmp_path):
    """Missing are the first and the last rows, so that a value may not take their place."""
    path, part = tmp_path / f"t{ending}", tmp_path / "part"
    count = max(map(len, MISSING.values())) + 2
    rows = {}
    for name, values in MISSING.items():
        nulls = [pa.nulls(n, values.type) for n in (1, count - 1 - len(values))]
        rows[name] = pa.chunked_array([nulls[0], values, nulls[1]])
    table = pa.table({"id": range(count), **rows})
    one_table.check_table(path, table.select([*MISSING]), ["id"], "gz2")
    parquet.write_table(table.cast(describe_columns(table.schema, VOTES, "id", "")), part)
    write_one_table(path, [part], "gz2")
    if ending == ".parquet":
        written = parquet.read_table(path)
        assert written.schema.types == table.schema.types
        assert written.to_pydict() == table.to_pydict()
        return
    written = Table.read(path)
    for name in MISSING:
        expected = table[name].to_pylist()
        if name in ("text", "category", "date"):
            texts = np.ma.filled(written[name], "").astype(str).tolist()
            assert texts == ["" if value is None else str(value) for value in expected]
        else:
            assert written[name].tolist() == expected, name


def test_a_column_without_a_value_left_for_missing_ones_is_refused_in_fits(tmp_path):
    kept = pa.table({"x": pa.array([*range(-(2**15), 2**15), None], pa.int16())})
    line = one_line_refusal(one_table.check_table, tmp_path / "t.fits", kept, ["id"], "gz2")
    assert "cannot hold the name or the values of column 'x' (int16) exactly" in line
    one_table.check_table(tmp_path / "t.fits", kept.slice(1), ["id"], "gz2")


def test_features_can_be_left_out_of_the_table(tmp_path):
    parts = make_parts(tmp_path, [[5], [7, 8], []])
    path = tmp_path / "votes.fits"
    write_one_table(path, parts, "kaggle", has_features=False)
    assert fits.getdata(path).names == ["id", *WRITTEN, "hubble10"]
    assert fits.getdata(path)["Class1.1"].shape == (3,)


@pytest.mark.parametrize("ending", [".parquet", ".fits"])
@pytest.mark.parametrize("rows", [1, 4, 100])
@pytest.mark.parametrize("is_ranked", [False, True])
def test_a_table_written_in_blocks_has_every_row_once_in_order(
    tmp_path, monkeypatch, ending, rows, is_ranked
):
    monkeypatch.setattr(one_table, "_BLOCK_ROWS", rows)
    monkeypatch.setattr(one_table, "_RANKED_ROWS", rows)

    def score(part: pa.Table) -> np.ndarray:
        return part["Class1.1"].to_numpy().round(1)  # many are equal

    parts = make_parts(tmp_path, [[1, 2], [3, 4, 5], [], [6], [7, 8, 9]])
    path = tmp_path / f"votes{ending}"
    write_one_table(path, parts, "kaggle", score if is_ranked else None)
    expected = pa.concat_tables([parquet.read_table(part) for part in parts])
    if is_ranked:
        expected = expected.take(np.argsort(-score(expected), kind="stable"))
    found = one_table.read_one_table(path)
    for name in ("id", "Class1.1", "Class8.7_upper", "hubble10", "features"):
        assert found[name].to_pylist() == expected[name].to_pylist()
    if ending == ".parquet":
        assert found.schema.remove_metadata() == expected.schema.remove_metadata()


@pytest.mark.parametrize("ending", [ending for ending in TABLE_FORMATS if ending != ".parquet"])
def test_a_table_that_does_not_fit_into_memory_is_refused_before_the_job(
    tmp_path, monkeypatch, ending
):
    images = draw_survey(tmp_path / "survey", {f"{100 + number}.png": 9 for number in range(50)})
    job = make_job(tmp_path / "votes", images)
    table = tmp_path / f"votes{ending}"
    features = job.predictor.features(lambda image: np.zeros((1, 9, 9, 3), np.uint8)).size
    for has_features, numbers in ((False, 4), (True, 4 + features)):  # of two bytes; 50 rows
        memory = 13 * 50 * 2 * numbers
        monkeypatch.setattr(survey, "memory_bytes", lambda memory=memory: memory)
        job.check(table, has_features=has_features)
        monkeypatch.setattr(survey, "memory_bytes", lambda memory=memory: memory - 1)
        line = one_line_refusal(job.check, table, "gz2", "--table", has_features)
        assert "50 images takes about 0 GB" in line
    job.check(tmp_path / "votes.parquet")


def test_a_kept_column_is_not_named_as_a_renamed_prediction(tmp_path):
    kept = pa.table({"smooth_or_features_smooth": [1]})
    line = one_line_refusal(one_table.check_table, tmp_path / "t.fits", kept, ["Class1.1"], "words")
    assert "--names words has this column" in line


def test_an_id_that_fits_cannot_hold_is_named_before_the_job(tmp_path):
    images = draw_survey(tmp_path / "survey", {"a.png": 9, "gal\u00e1xia.png": 9})
    line = one_line_refusal(make_job(tmp_path / "votes", images).check, tmp_path / "votes.fits")
    assert "votes.fits: FITS text must be ASCII, not 'gal\u00e1xia" in line


BOOLEANS = {  # names of columns -> values, and the letters that the standard has for them
    "all": (pa.array([True, False, True]), "TFT"),
    "some": (pa.array([True, None, False]), "T?F"),
    "none": (pa.nulls(3, pa.bool_()), "???"),
    "pairs": (pa.array([[True, False]] * 3, pa.list_(pa.bool_(), 2)), ""),
}


@pytest.mark.parametrize("name", BOOLEANS)
def test_booleans_in_votables_are_those_of_the_standard(name, tmp_path):
    """VOTable 1.4, section 6; a `bit`, as astropy 8.0.2 writes, stops STILTS 3.4.7."""
    values, letters = BOOLEANS[name]
    path = tmp_path / "t.vot"
    one_table.save_table(path, described(pa.table({name: values})))
    (field,) = votable.parse_single_table(path).fields
    assert field.datatype == "boolean"
    assert one_table.read_one_table(path)[name].to_pylist() == values.to_pylist()
    stream = re.search(r"<STREAM[^>]*>(.*)</STREAM>", path.read_text(), re.DOTALL)
    assert stream
    content = base64.b64decode(stream[1])
    for row, letter in enumerate(letters):
        is_missing, cell = content[2 * row : 2 * row + 2]
        assert (is_missing == 0b10000000) == (letter == "?")
        assert is_missing or cell == ord(letter)
    if shutil.which("stilts"):
        words = ["stilts", "tpipe", f"in={path}", "ifmt=votable", "omode=out", "ofmt=csv"]
        printed = subprocess.check_output(words, text=True).splitlines()[1:]
        spelled = {"T": "true", "F": "false", "?": ""}
        assert not letters or printed == [spelled[letter] for letter in letters]


def described(table: pa.Table) -> pa.Table:
    """A table whose columns have a description, a unit and a UCD."""
    facts = meaning("less < more & 'odd'", "phys.mass", "solMass")
    return table.cast(pa.schema([field.with_metadata(facts) for field in table.schema], {}))


# Columns of a Parquet file -> VOTable's type and size of them
DESCRIBED = {
    "bool": (pa.array([True, None]), "boolean", None),
    "int8": (pa.array([1, 2], pa.int8()), "short", None),
    "uint8": (pa.array([1, 2], pa.uint8()), "unsignedByte", None),
    "uint32": (pa.array([1, 2], pa.uint32()), "long", None),
    "int64": (pa.array([1, 2]), "long", None),
    "float16": (pa.array(np.ones(2, "f2")), "float", None),
    "double": (pa.array([0.5, None]), "double", None),
    "features": (pa.array([[0.5] * 3] * 2, pa.list_(pa.float32(), 3)), "float", "3"),
    "list": (pa.array([[1, 2], [3]]), "long", "*"),
    "text": (pa.array(["E", "ring"]), "unicodeChar", "4*"),
    "large text": (pa.array(["E", "ring"], pa.large_string()), "unicodeChar", "4*"),
    "empty text": (pa.array(["", ""]), "unicodeChar", "*"),
    "missing text": (pa.nulls(2, pa.string()), "unicodeChar", "*"),
    "date": (pa.array([datetime.date(2026, 1, 2)] * 2), "unicodeChar", "*"),
    "uint64": (pa.array([2**64 - 1, 2], pa.uint64()), "unicodeChar", "*"),
    "category": (pa.array(["E", "S"]).dictionary_encode(), "unicodeChar", "*"),
    "struct": (pa.array([{"a": 1}] * 2), "unicodeChar", "*"),
    "two\n<words>": (pa.array([1, 2]), "long", None),
}


# astropy's warnings of VOTables end pytest-xdist 3.8.0, which cannot make them anew from their text
@pytest.mark.filterwarnings("ignore::astropy.io.votable.exceptions.VOWarning")
def test_parquet_describes_its_columns_to_the_virtual_observatory(tmp_path):
    """By VOParquet 1.0: a field for each column, in order, in a VOTable without data."""
    path = tmp_path / "t.parquet"
    columns = {name: column for name, (column, _, _) in DESCRIBED.items()}
    parquet.write_table(described(pa.table(columns)), tmp_path / "part")
    write_one_table(path, [tmp_path / "part"], "kaggle")
    footer = parquet.read_metadata(path).metadata
    assert footer[b"IVOA.VOTable-Parquet.version"] == b"1.0"
    content = footer[b"IVOA.VOTable-Parquet.content"]
    table = votable.parse(io.BytesIO(content), verify="exception").get_first_table()
    assert len(table.array) == 0
    found = [(field.name, field.datatype, field.arraysize) for field in table.fields]
    expected = [(one_line(name), *row[1:]) for name, row in DESCRIBED.items()]
    assert found == expected
    for field in table.fields:
        assert (field.description, field.ucd) == ("less < more & 'odd'", "phys.mass")
        assert field.unit.to_string() == "solMass"


def test_astropy_reads_votes_as_voparquet(tmp_path):
    parts = make_parts(tmp_path, [["a.jpg", "a much longer name.jpg"], ["a.jpg"]])
    path = tmp_path / "votes.parquet"
    write_one_table(path, parts, "words")
    table = Table.read(path, format="parquet.votable")
    plain = parquet.read_table(path)
    assert table.colnames == plain.column_names
    assert table["id"].tolist() == ["a.jpg", "a much longer name.jpg", "a.jpg"]
    assert table["odd_yes"].tolist() == plain["odd_yes"].to_pylist()
    assert table["odd_yes"].meta["ucd"] == "stat.probability"
    assert "'odd' to 'Is there anything odd?'" in table["odd_yes"].description
