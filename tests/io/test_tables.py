"""Tables keyed by id: what is accepted, and what is refused."""

import bz2
import gzip
import io
import lzma
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.core.errors import InputError
from galaxyzoo.io import csv_bytes
from galaxyzoo.io.tables import read_csv, read_table, select_numbers
from galaxyzoo.results.table import select_predictions
from support.refusals import one_line_refusal

PLAIN = "GalaxyID,a,b\n5,0.5,1\n3,0.25,0\n"

SPELLINGS = {
    "plain": PLAIN.encode(),
    "byte-order mark": b"\xef\xbb\xbf" + PLAIN.encode(),
    "CRLF": PLAIN.replace("\n", "\r\n").encode(),
    "spaces": b" GalaxyID , a ,b \n 5, 0.5 , 1\n3 ,0.25, 0 \n",
    "numbers in other ways": b"GalaxyID,a,b\n5,+5e-1,1.\n3,00.25,-0.0\n",
    "quotes": PLAIN.replace("GalaxyID", '"GalaxyID"').replace("0.5", '"0.5"').encode(),
    "no newline at the end": PLAIN.rstrip().encode(),
    "empty line": (PLAIN + "\n").encode(),
    "ids with a decimal point": PLAIN.replace("5,", "5.0,", 1).encode(),
    "ends of lines of old Macs": PLAIN.replace("\n", "\r").encode(),
    "no label and no newline at the end": b"GalaxyID,a,b,Label\n5,0.5,1,x\n3,0.25,0,",
    "a comma more in each line": b"GalaxyID,a,b\n5,0.5,1,\n3,0.25,0,",
}


def zipped(text: str | bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("table.csv", text)
    return buffer.getvalue()


def with_value(value: str) -> str:
    return PLAIN.replace("0.25", value)


def with_id(value: str) -> str:
    return PLAIN.replace("3,", f"{value},")


NO_ID = "data row 2: '{}' is not a complete GalaxyID"
SEMICOLONS = PLAIN.replace(",", ";")
NO_COMMAS = "has columns separated by ';': save it with commas"
PAGE = "\n<!DOCTYPE html>\n<html><body>Log in, please</body></html>\n"
BROKEN = {
    "no id column": ("galaxy,a\n5,1\n", "has no column 'GalaxyID'"),
    "empty": ("", "is empty"),
    "rows of different lengths": ("GalaxyID,a\n5,1\n6,1,2,3\n", "line 3"),
    "NUL bytes at the end": (PLAIN.encode() + bytes(4096), "is damaged: it contains NUL bytes"),
    "UTF-16": (PLAIN.encode("utf-16"), "is UTF-16 text: save it as CSV in UTF-8"),
    "Latin-1": (with_value("é").encode("latin-1"), "is not UTF-8 (perhaps cp1252"),
    "semicolons and a comma": (SEMICOLONS.replace("\n", ';"a, b"\n'), NO_COMMAS),
    "semicolons behind a hint": ("sep=;\n" + SEMICOLONS, NO_COMMAS),
    "a web page": (PAGE, "is a web page"),
    "a zip named .csv": (zipped(PLAIN), "is an archive or a spreadsheet: unpack it"),
    "rows longer than the first line": ("GalaxyID,a\n5,0.5,7\n3,0.25,7\n", "rows with more c"),
    "a quote that is not closed": (with_value('"0.25'), "read: EOF inside string"),
    "an id that is no whole number": (with_id("5.5"), NO_ID.format("5.5")),
    "an id with an exponent": (with_id("1e5"), NO_ID.format("1e5")),
    "an id to which 2^53 + 1 is rounded": (with_id(f"{2**53}.0"), NO_ID.format(f"{2**53}.0")),
    "an id that is missing": (with_id(""), NO_ID.format("nan")),
    "a repeated id, spelled otherwise": (PLAIN + "5.0,0,0\n", "GalaxyID 5.0 appears twice"),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def numbers(file: Path, ids: list[int] | None = None) -> pd.DataFrame:
    return select_predictions(read_csv(file), ["a", "b"], np.array(ids or [3, 5]), file)


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
    message = one_line_refusal(lambda: select_numbers(read_csv(file), ["a", "b"], file))
    assert message.startswith(f"{file}")
    assert named in message


def test_a_missing_table_and_a_folder_in_its_place_are_named(file):
    with pytest.raises(InputError, match=r"table\.csv is missing"):
        read_csv(file)
    file.mkdir()
    assert one_line_refusal(read_csv, file) == f"{file} cannot be read: Is a directory"


def test_numbers_are_read_to_their_last_bit(file):
    numbers = np.random.default_rng(0).random(1000)
    file.write_text("a\n" + "\n".join(map(repr, numbers.tolist())) + "\n")
    assert (read_table(file)["a"] == numbers).all()


@pytest.mark.parametrize("value", ["nan", "", "NA"])
def test_an_empty_cell_is_named_by_id_and_column(file, value):
    file.write_text(f"GalaxyID,a,b\n5,0.5,1\n3,0.25,{value}\n")
    message = one_line_refusal(lambda: select_numbers(read_csv(file), ["a", "b"], file))
    assert message == f"{file}: b of GalaxyID 3 is empty or NaN (such values: 1)"


@pytest.mark.parametrize("value", ["inf", "1e999", "half", "0,5", "25%", "−0.25"])
def test_a_value_that_is_no_finite_number_is_named_by_id_and_column(file, value):
    file.write_text(f'GalaxyID,a,b\n5,0.5,1\n3,0.25,"{value}"\n')
    message = one_line_refusal(lambda: select_numbers(read_csv(file), ["a", "b"], file))
    shown = {"1e999": "(inf|1e999)"}.get(value, value)  # pandas 2 leaves it as it is
    assert re.match(f"{file}: GalaxyID 3, column 'b': '{shown}' is not a finite number", message)


def test_predictions_come_in_the_order_asked_for(file):
    file.write_text("GalaxyID,b,a,fold\n5,1,0.5,0\n3,0,0.25,1\n4,2,0.75,0\n")
    frame = numbers(file, [4, 5, 3])
    assert frame.index.tolist() == [4, 5, 3]
    assert frame.columns.tolist() == ["a", "b", "fold"]
    assert frame["a"].tolist() == [0.75, 0.5, 0.25]
    assert frame["fold"].tolist() == [0, 0, 1]


def test_a_missing_extra_or_repeated_id_is_named(file):
    repeated = ("3,0,0\n" * 2, "3 appears twice")
    extra = ("3,0,0\n7,0,0\n", "7 is not in the dataset (0 missing, 1 extra): leave these out")
    missing = ("", "3 is missing (1 missing, 0 extra): predict these too")
    for rows, named in (missing, extra, repeated):
        file.write_text(f"GalaxyID,a,b\n5,0.5,1\n{rows}")
        assert f"GalaxyID {named}" in one_line_refusal(numbers, file)


def test_a_bug_is_not_taken_for_a_broken_table(file):
    file.write_text(PLAIN)
    with pytest.raises(ValueError, match="bug"):
        read_table(file, wanted=lambda name: bool(int("bug")))


def test_long_mixed_columns_are_named_without_a_warning(tmp_path):
    """Pandas reads it in pieces; ids stay exact although those of one piece have points."""
    ids = 587_722_981_736_120_347 + np.arange(150_000)
    rows = [f"{galaxy_id},0.5" for galaxy_id in ids] + [f"{i}.0,0.5" for i in range(150_000)]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["GalaxyID,a", *rows, "7000000,half"]) + "\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = read_csv(path)
    assert (frame.index[: len(ids)] == ids).all()
    message = one_line_refusal(select_numbers, frame, ["a"], path)
    assert "GalaxyID 7000000, column 'a': 'half' is not a finite number" in message


def test_a_table_of_too_many_bytes(file, monkeypatch):
    file.write_text(PLAIN)
    monkeypatch.setattr(csv_bytes, "MAX_BYTES", 20)
    assert "table.csv has more than 20 bytes" in one_line_refusal(read_csv, file)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zip": zipped,
}


@pytest.mark.parametrize("ending", PACKERS)
def test_a_compressed_table_is_read_as_it_is(tmp_path, ending):
    for name in (f"t.csv{ending}", f"t{ending.upper()}"):
        path = tmp_path / name
        path.write_bytes(PACKERS[ending](PLAIN.encode()))
        assert read_csv(path).to_numpy().tolist() == [[0.5, 1.0], [0.25, 0.0]]


NOT_PACKED = {
    ".gz": "Not a gzipped file",
    ".bz2": "Invalid data stream",
    ".xz": "Input format not supported",
    ".zip": "File is not a zip file",
}


@pytest.mark.parametrize("ending", PACKERS)
def test_a_damaged_compressed_table_is_refused_in_a_line(tmp_path, monkeypatch, ending):
    pack = PACKERS[ending]
    plain = PLAIN.encode()
    cut_off = NOT_PACKED[".zip"] if ending == ".zip" else "Compressed file ended before"
    path = tmp_path / f"t.csv{ending}"
    for content, problem in (
        (pack(plain)[:-12], f"cannot be read: {cut_off}"),
        (plain, f"cannot be read: {NOT_PACKED[ending]}"),
        (pack(plain[:-6]), "ends in the middle of line 3 ('3,0…', 2 of 3 cells"),
        (pack(plain + b"0" * 10**6), "ends in the middle of line 4"),  # read, as it is no bomb
    ):
        path.write_bytes(content)
        assert one_line_refusal(read_csv, path).startswith(f"{path} {problem}")
    monkeypatch.setattr(csv_bytes, "ALWAYS_ACCEPTED_BYTES", 1000)
    path.write_bytes(pack(plain + b"0" * 10**6))
    assert one_line_refusal(read_csv, path).startswith(f"{path} has more than ")


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_columns_are_chosen_by_their_names_without_spaces_in_any_form(tmp_path, ending):
    table = pd.DataFrame({" id ": ["a", "b"], "group ": ["1", "2"], "notes": ["", "x"]})
    path = tmp_path / f"t.{ending}"
    write = {"csv": table.to_csv, "parquet": table.to_parquet}.get(ending)
    if write:
        write(path, index=False)
    else:
        table.to_json(path, orient="records", lines=True)
    read = read_table(path, wanted=["id", "group"].__contains__, texts=None)
    assert read.to_dict("list") == {"id": ["a", "b"], "group": ["1", "2"]}


def test_archives_that_hold_no_single_table_are_refused_in_a_line(tmp_path):
    two = io.BytesIO()
    with zipfile.ZipFile(two, "w") as archive:
        archive.writestr("a.csv", PLAIN)
        archive.writestr("b.csv", PLAIN)
    seven = b"7z\xbc\xaf\x27\x1c" + bytes(30)
    for name, content, named in (
        ("t.zip", two.getvalue(), "cannot be read: Multiple files found in ZIP file"),
        ("t.csv.7z", seven, "is an archive or a spreadsheet: unpack it"),
        ("t.csv", bz2.compress(PLAIN.encode()), "is an archive or a spreadsheet: unpack it"),
        ("t.csv", lzma.compress(PLAIN.encode()), "is an archive or a spreadsheet: unpack it"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        assert one_line_refusal(read_csv, path).startswith(f"{path} {named}")
