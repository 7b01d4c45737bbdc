"""Columns of lists and Parquet files, read a row group at a time."""

import numpy as np
import pyarrow as pa
import pytest
from astropy.table import Table
from pyarrow import parquet

from galaxyzoo.extras.formats.columns import open_columns

ROWS = 10


@pytest.mark.parametrize("group", [1, 3, ROWS])
def test_rows_of_row_groups_are_those_of_the_whole_table(tmp_path, group):
    path = tmp_path / "list.parquet"
    brightness = [float(row) if row % 4 else np.nan for row in range(ROWS)]
    kinds = pa.array(["star", None, "galaxy"] * 3 + ["star"]).dictionary_encode()
    whole = pa.table({"n": range(ROWS), "mag": brightness, "kind": kinds, "rest": [0] * ROWS})
    parquet.write_table(whole, path, row_group_size=group)
    columns = open_columns(path, {"kind": "kind", "brightness": "mag", "n": "n"})
    without_nan = pa.array(brightness, from_pandas=True)
    expected = pa.table({"kind": kinds, "brightness": without_nan, "n": range(ROWS)})
    assert pa.concat_tables(columns.pieces()).to_pylist() == expected.to_pylist()
    assert columns.schema == expected.schema
    for rows in ([], [0], [9, 0, 5], [2, 3, 4, 5], [7, 1, 6, 2, 7]):
        taken = columns.take(np.array(rows, np.int64))
        assert taken.to_pylist() == expected.take(pa.array(rows, pa.int64())).to_pylist()
        assert taken.schema == expected.schema


def test_booleans_without_a_value_in_fits_are_null(tmp_path):
    """A byte of zero, as TOPCAT writes for an empty cell (FITS standard 4.0, 7.3.3.1)."""
    path = tmp_path / "list.fits"
    Table({"path": ["a.png", "b.png", "c.png"], "flag": [True, True, False]}).write(path)
    data = path.read_bytes()
    assert data.count(b"b.pngT") == 1
    path.write_bytes(data.replace(b"b.pngT", b"b.png\0"))
    table = pa.concat_tables(open_columns(path, {"flag": "flag"}).pieces())
    assert table["flag"].to_pylist() == [True, None, False]
    assert table.schema.field("flag").type == pa.bool_()
