"""Tables keyed by GalaxyID: what is accepted, what is refused; and writing is all or nothing."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core import files
from galaxyzoo.core.errors import InputError
from galaxyzoo.io.tables import read_csv, read_predictions, select_numbers, write_predictions

PLAIN = "GalaxyID,a,b\n5,0.5,1\n3,0.25,0\n"

SPELLINGS = {
    "plain": PLAIN.encode(),
    "byte-order mark": b"\xef\xbb\xbf" + PLAIN.encode(),
    "CRLF": PLAIN.replace("\n", "\r\n").encode(),
    "spaces": b" GalaxyID , a ,b \n 5, 0.5 , 1\n3 ,0.25, 0 \n",
    "quotes": PLAIN.replace("GalaxyID", '"GalaxyID"').replace("0.5", '"0.5"').encode(),
    "spaces before quotes": PLAIN.replace("5,0.5", '5, "0.5"').encode(),
    "no newline at the end": PLAIN.rstrip().encode(),
    "empty line": (PLAIN + "\n").encode(),
    "a tab before the first name": b"\t" + PLAIN.encode(),
    "columns in another order": b"b,GalaxyID,a\n1,5,0.5\n0,3,0.25\n",
    "ids with a decimal point": PLAIN.replace("5,", "5.0,", 1).encode(),
}

BROKEN = {
    "no id column": ("galaxy,a\n5,1\n", "GalaxyID"),
    "empty": ("", "columns"),
    "id is a word": ("GalaxyID,a\n5,1\nfive,1\n", "five"),
    "id is missing": ("GalaxyID,a\n5,1\n,1\n", "data row 2"),
    "id is no whole number": ("GalaxyID,a\n5.5,1\n", "5.5"),
    "id is negative": ("GalaxyID,a\n-5,1\n", "-5"),
    "id beyond 64 bits": ("GalaxyID,a\n99999999999999999999,1\n", "99999999999999999999"),
    "id is infinite": ("GalaxyID,a\ninf,1\n", "inf"),
    "repeated id": ("GalaxyID,a\n5,1\n6,1\n5,2\n", "GalaxyID 5"),
    "ragged rows": ("GalaxyID,a\n5,1\n6,1,2,3\n", "line 3"),
    "not UTF-8": (b"GalaxyID,a\n5,\xff\xfe\n", "utf-8"),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def write_half(file: Path) -> None:
    with files.writing(file) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError


def numbers(file: Path, ids: list[int] | None = None) -> pd.DataFrame:
    return read_predictions(file, ["a", "b"], np.array(ids or [3, 5]))


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling_gives_the_same_table(file, spelling):
    file.write_bytes(spelling)
    frame = select_numbers(read_csv(file), ["a", "b"], file)
    assert frame.index.tolist() == [5, 3]
    assert frame.index.name == "GalaxyID"
    assert frame.to_numpy().tolist() == [[0.5, 1.0], [0.25, 0.0]]


@pytest.mark.parametrize(("content", "named"), BROKEN.values(), ids=BROKEN)
def test_a_broken_table_is_one_line_that_names_file_and_place(file, content, named):
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        read_csv(file)
    assert "table.csv" in str(caught.value)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_table_and_a_folder_in_its_place_are_named(file):
    with pytest.raises(InputError, match=r"table\.csv is missing"):
        read_csv(file)
    file.mkdir()
    with pytest.raises(InputError, match=r"table\.csv cannot be read"):
        read_csv(file)


def test_ids_of_eighteen_digits_are_kept_to_the_last():
    text = io.BytesIO(b"GalaxyID,a\n587722981736120347,1\n587722981736120348,1\n")
    frame = read_csv(Path("x.csv"), text)
    assert frame.index.tolist() == [587722981736120347, 587722981736120348]


@pytest.mark.parametrize("value", ["nan", "", "inf", "-inf", "1e999", "half", "0,5"])
def test_a_value_that_is_no_finite_number_is_named_by_id_and_column(file, value):
    file.write_text(f'GalaxyID,a,b\n5,0.5,1\n3,0.25,"{value}"\n')
    with pytest.raises(InputError, match="GalaxyID 3, column 'b'"):
        select_numbers(read_csv(file), ["a", "b"], file)


def test_a_misspelt_column_is_named_with_what_was_found(file):
    file.write_text("GalaxyID,a,B\n5,0.5,1\n")
    with pytest.raises(InputError, match=r"table\.csv lacks column 'b' \(1 of 2.*'B'"):
        select_numbers(read_csv(file), ["a", "b"], file)


def test_two_columns_of_one_name_are_refused(file):
    file.write_text("GalaxyID,a ,a\n5,0.5,1\n")
    with pytest.raises(InputError, match=r"has column 'a' twice"):
        read_csv(file)


def test_predictions_come_in_the_order_asked_for(file):
    file.write_text("GalaxyID,b,a,fold\n5,1,0.5,0\n3,0,0.25,1\n4,2,0.75,0\n")
    frame = numbers(file, [4, 5, 3])
    assert frame.index.tolist() == [4, 5, 3]
    assert frame.columns.tolist() == ["a", "b", "fold"]
    assert frame["a"].tolist() == [0.75, 0.5, 0.25]
    assert frame["fold"].tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ("5,0.5,1\n", "lacks GalaxyID 3"),
        ("5,0.5,1\n3,0,0\n7,0,0\n", "GalaxyID 7"),
        ("5,0.5,1\n3,0,0\n3,0,0\n", "GalaxyID 3"),
    ],
    ids=["missing", "extra", "repeated"],
)
def test_a_missing_extra_or_repeated_id_is_named(file, rows, named):
    file.write_text("GalaxyID,a,b\n" + rows)
    with pytest.raises(InputError, match=named):
        numbers(file)


def test_what_is_written_reads_back_to_nine_decimals(file):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.random((20, 2)), index=rng.permutation(20), columns=["a", "b"])
    write_predictions(file, frame)
    assert b"\r" not in file.read_bytes()
    back = read_predictions(file, ["a", "b"], frame.index)
    assert back.index.tolist() == frame.index.tolist()
    np.testing.assert_allclose(back, frame, rtol=0, atol=5.1e-10)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_never_written(file, value):
    with pytest.raises(ValueError, match="finite"):
        write_predictions(file, pd.DataFrame({"a": [0.5, value]}))
    with pytest.raises(ValueError, match="distinct"):
        write_predictions(file, pd.DataFrame({"a": [0.5, 0.5]}, index=[1, 1]))
    assert not list(file.parent.iterdir())


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(file):
    file.write_text("old")
    with pytest.raises(ZeroDivisionError):
        write_half(file)
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(file, {"score": float("nan")})
    assert file.read_text() == "old"
    assert list(file.parent.iterdir()) == [file]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file, no folder")
    with pytest.raises(InputError, match=r"cannot write .*taken/table\.csv"):
        files.write_text(tmp_path / "taken" / "table.csv", "x")


def test_json_that_is_missing_or_broken_is_named(tmp_path):
    with pytest.raises(InputError, match=r"card\.json is missing"):
        files.read_json(tmp_path / "card.json")
    (tmp_path / "folder.json").mkdir()
    for name, text in (("card", '{"score": 0.1'), ("deep", "[" * 100_000), ("folder", "")):
        path = tmp_path / f"{name}.json"
        if text:
            path.write_text(text)
        with pytest.raises(InputError, match=rf"{name}\.json is not readable JSON"):
            files.read_json(path)
