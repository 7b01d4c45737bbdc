#!/usr/bin/env bash
# pandas 3.1.1 with fastparquet 2026.9.0 (pyarrow 26.0.1, numpy 2.4.6): ids of 18 digits in a column with one missing value
# come back as floats from `pandas.read_parquet(…, engine="fastparquet")`, so that neighbors become one number.
# fastparquet alone gives Int64 and keeps them; pandas asks it not to. The warning is about the engine's age, not the numbers.
# Who meets it: whoever reads SDSS ids that a crossmatch left empty for some galaxies.
#
# Output seen:
#   fastparquet: Int64, 3 different ids
#   pandas with engine="fastparquet": float64, 1 different ids
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q fastparquet==2026.9.0 pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6
venv/bin/python -W ignore - <<'PYTHON'
import fastparquet
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

ids = [587722981742084096, 587722981742084097, 587722981742084098]
parquet.write_table(pa.table({"objid": pa.array([*ids, None], pa.int64())}), "ids.parquet")
alone = fastparquet.ParquetFile("ids.parquet").to_pandas()["objid"]
by_pandas = pd.read_parquet("ids.parquet", engine="fastparquet")["objid"]
print(f"fastparquet: {alone.dtype}, {alone.nunique()} different ids")
print(f'pandas with engine="fastparquet": {by_pandas.dtype}, {by_pandas.nunique()} different ids')
assert (str(alone.dtype), alone.nunique()) == ("Int64", 3)
assert (str(by_pandas.dtype), by_pandas.nunique()) == ("float64", 1)
PYTHON
