#!/usr/bin/env bash
# fastparquet 2026.9.0 (pyarrow 26.0.1, pandas 3.1.1, numpy 2.4.6): numbers in half precision in Parquet (Arrow's
# halffloat, alone or in lists) are read as byte strings, of which zero bytes at the end are cut off: 0.0 is b'', 2.0 is b'\x00@'.
# Their dtype is `object`, so nothing says that they are no numbers until one computes; and who tries to turn the bytes back
# finds strings of 0, 1 and 2 bytes. pyarrow, polars 2.1.0 and duckdb 2.0.1 read the numbers.
# Who meets it: whoever reads features (embeddings) of galaxies, kept in half precision to save half of the space.
#
# Output seen:
#   column: [b'', b'\x00<', b'\x00@'] for [0.0, 1.0, 2.0]
#   lists: [[b'', b'\x00<'], [b'\x00@', b'\x00B']] for [[0.0, 1.0], [2.0, 3.0]]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q fastparquet==2026.9.0 pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import fastparquet
import numpy as np
import pyarrow as pa
from pyarrow import parquet

half = pa.array(np.arange(4, dtype=np.float16), pa.float16())
parquet.write_table(pa.table({"value": half[:3]}), "column.parquet")
parquet.write_table(pa.table({"features": pa.FixedSizeListArray.from_arrays(half, 2)}), "lists.parquet")
column = [bytes(value) for value in fastparquet.ParquetFile("column.parquet").to_pandas()["value"]]
lists = fastparquet.ParquetFile("lists.parquet").to_pandas()["features"]
lists = [[bytes(value) for value in values] for values in lists]
print("column:", column, "for", half[:3].to_pylist())
print("lists:", lists, "for [[0.0, 1.0], [2.0, 3.0]]")
assert column == [b"", b"\x00<", b"\x00@"]
assert lists == [[b"", b"\x00<"], [b"\x00@", b"\x00B"]]
PYTHON
