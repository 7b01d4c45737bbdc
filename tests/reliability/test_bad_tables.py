"""Tables as they arrive: cut off, packed, written in another order, made to harm.

Small defects are in `tests/io/test_tables.py` and `tests/data/readers`; here are those of whole
files, and of a long table.
"""

import gzip
import io
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxyzoo.data.readers.kaggle import open_raw_dataset
from galaxyzoo.io import archives
from galaxyzoo.io.csv_bytes import read_csv_bytes
from galaxyzoo.io.tables import read_csv, select_numbers
from support.kaggle_fixtures import (
    COLUMNS,
    SAMPLE,
    SOLUTIONS,
    TEST_IMAGES,
    TRAIN_IMAGES,
    csv_bytes,
    draw_competition,
    draw_votes,
    write_zip,
)
from support.refusals import one_line_refusal

GALAXIES = 6_000
PLAIN = "GalaxyID,a,b\n5,0.5,1\n3,0.25,0\n"


@pytest.fixture(scope="module")
def table() -> bytes:
    """Solutions of 1.5 MB, six decimals."""
    rng = np.random.default_rng(0)
    votes = draw_votes(rng, np.sort(rng.choice(900_000, GALAXIES, replace=False)) + 100_000)
    return votes.to_csv(index_label="GalaxyID", float_format="%.6f", lineterminator="\n").encode()


@pytest.fixture(scope="module")
def images(table: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The competition's other files; its images have no content, which nobody looks at here."""
    folder = tmp_path_factory.mktemp("whole")
    ids = [line.split(b",", 1)[0].decode() for line in table.splitlines()[1:]]
    with zipfile.ZipFile(folder / f"{TRAIN_IMAGES}.zip", "w") as archive:
        for galaxy_id in ids:
            archive.writestr(f"{galaxy_id}.jpg", b"")
    write_zip(folder / f"{TEST_IMAGES}.zip", {"7.jpg": b""})
    sample = csv_bytes(pd.DataFrame(0, index=[7], columns=COLUMNS))
    write_zip(folder / f"{SAMPLE}.zip", {f"{SAMPLE}.csv": sample})
    return folder


@pytest.fixture
def folder(images: Path, tmp_path: Path) -> Path:
    for path in images.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def middle(table: bytes) -> int:
    """Where a line in the middle of the table starts, one whose last number is not zero."""
    place = len(table) // 2
    while True:
        start = table.index(b"\n", place) + 1
        place = table.index(b"\n", start)
        if float(table[start:place].rsplit(b",", 1)[1]) > 0.1:
            return start


CUTS = {  # how many bytes stay, and what is said
    "in the names of the columns": (
        lambda t: 200,
        "ends in the middle of line 1 ('GalaxyID,Class1",
    ),
    "after the names of the columns": (lambda t: t.index(b"\n") + 1, "holds no galaxy"),
    "in an id": (lambda t: middle(t) + 3, "ends in the middle of line {line} ('"),
    "in the middle of a row": (lambda t: middle(t) + 170, "ends in the middle of line {line} ('"),
    "in a number": (lambda t: middle(t) + 12, "ends in the middle of line {line} ('"),
    "after a comma": (lambda t: t.rindex(b",", 0, t.index(b"\n", middle(t))) + 1, "ends in the m"),
    "in a row's last number": (
        lambda t: t.index(b"\n", middle(t)) - 5,
        "GalaxyID {id}: the answers of question 11 miss their parent's value by ",
    ),
    "at the end of a row": (middle, "lacks"),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "zipped"])
@pytest.mark.parametrize(("cut", "named"), CUTS.values(), ids=CUTS)
def test_a_table_that_is_cut_off(table, folder, cut, named, packed):
    kept = table[: cut(table)]
    if packed:
        write_zip(folder / f"{SOLUTIONS}.zip", {f"{SOLUTIONS}.csv": kept})
    else:
        (folder / f"{SOLUTIONS}.csv").write_bytes(kept)
    message = one_line_refusal(open_raw_dataset, folder)
    lines = kept.count(b"\n")
    if "lacks" in named:
        lost = GALAXIES - (lines - 1)
        first = table.splitlines()[lines].split(b",")[0].decode()
        assert f"holds an image of GalaxyID {first}, which {SOLUTIONS}.csv lacks" in message
        assert f"({lost:,} such images)" in message
    else:
        last_id = kept.splitlines()[-1].split(b",")[0].decode()
        assert named.format(line=f"{lines + 1:,}", id=last_id) in message
        assert f"{SOLUTIONS}." in message


@pytest.fixture
def votes(table: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(table), index_col="GalaxyID")


def test_the_worst_galaxies_are_named_and_all_are_counted(votes, folder):
    rows = [40, 10, 30, 20]
    for row, change in zip(rows, (0.2, 0.15, 0.1, 0.05), strict=True):
        value = votes["Class6.2"].iloc[row]
        votes.loc[votes.index[row], "Class6.2"] = value + (change if value < 0.5 else -change)
    (folder / f"{SOLUTIONS}.csv").write_bytes(csv_bytes(votes))
    message = one_line_refusal(open_raw_dataset, folder)
    texts = [f"GalaxyID {votes.index[row]}: the answers of question 6 miss" for row in rows]
    places = [message.index(text) for text in texts[:3]]
    assert places == sorted(places)
    assert texts[3] not in message
    assert message.endswith(f"by 0.1 (galaxies that do not add up: 4 of {GALAXIES:,})")


def test_all_that_is_accepted_at_once_reads_the_same(tmp_path):
    """Byte-order mark, CRLF, quotes, spaces, rows and columns in another order, another column."""
    competition = draw_competition()
    plain, other = tmp_path / "plain", tmp_path / "other"
    competition.write_zips(plain)
    competition.write_zips(other)
    frame = competition.votes.reset_index().astype(str).assign(note="a, b")
    frame = frame.sample(frac=1, random_state=1)[["note", *COLUMNS[::-1], "GalaxyID"]]
    quoted = frame.to_csv(index=False, quoting=1, lineterminator="\r\n").replace('",', '", ')
    competition.write_solutions(other, b"\xef\xbb\xbf" + quoted.encode())
    pd.testing.assert_frame_equal(open_raw_dataset(plain).targets, open_raw_dataset(other).targets)


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


def test_a_packed_table_that_is_cut_off(tmp_path):
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(PLAIN.encode())[:-12])
    message = one_line_refusal(read_csv, path)
    assert "table.csv.gz cannot be read: Compressed file ended before" in message
    path.write_bytes(b"no gzip")
    assert "cannot be read: Not a gzipped file" in one_line_refusal(read_csv, path)
    path.write_bytes(gzip.compress(PLAIN.encode()[:-6]))
    assert "ends in the middle of line 3 ('3,0…', 2 of 3 cells" in one_line_refusal(
        lambda: read_csv(path)
    )


def test_a_packed_table_that_would_fill_the_memory(tmp_path):
    path = tmp_path / "table.csv.gz"
    for zeros, message in (
        (archives.ALWAYS_ACCEPTED_BYTES, "table.csv.gz holds more than "),
        (archives.ALWAYS_ACCEPTED_BYTES // 10, "ends in the middle of line 2"),
    ):
        path.write_bytes(gzip.compress(b"GalaxyID,a\n" + b"0" * zeros, compresslevel=1))
        assert message in one_line_refusal(read_csv, path)


def test_a_table_of_too_many_bytes(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(PLAIN)
    assert "table.csv holds more than 20 bytes" in one_line_refusal(
        read_csv_bytes, path, max_bytes=20
    )
