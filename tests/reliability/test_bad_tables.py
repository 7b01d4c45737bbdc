"""Long tables, packed ones that are cut off, and those made to harm.

Small defects are in `tests/io/test_tables.py` and `tests/data/readers`.
"""

import gzip
import warnings

import numpy as np

from galaxyzoo.io import archives
from galaxyzoo.io.tables import read_csv, read_csv_bytes, select_numbers
from support.refusals import one_line_refusal

PLAIN = "GalaxyID,a,b\n5,0.5,1\n3,0.25,0\n"


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
        (archives.ALWAYS_ACCEPTED_BYTES, "table.csv.gz has more than "),
        (archives.ALWAYS_ACCEPTED_BYTES // 10, "ends in the middle of line 2"),
    ):
        path.write_bytes(gzip.compress(b"GalaxyID,a\n" + b"0" * zeros, compresslevel=1))
        assert message in one_line_refusal(read_csv, path)


def test_a_table_of_too_many_bytes(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(PLAIN)
    assert "table.csv has more than 20 bytes" in one_line_refusal(
        read_csv_bytes, path, max_bytes=20
    )
