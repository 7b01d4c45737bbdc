#!/usr/bin/env bash
# pyarrow 26.0.1 writes a column of type binary_view to Parquet, but not a struct with one when rows are cut into groups:
# ArrowNotImplementedError "Slicing not implemented for BinaryView". The same struct of binary is written.
# Who meets it: whoever builds Hugging Face's image columns (struct of bytes and path) from views; cast `bytes` to binary first.
#
# Output seen:
#   pyarrow 26.0.1
#   binary_view alone, groups of 2: written
#   struct of binary, groups of 2: written
#   struct of binary_view, one group: written
#   struct of binary_view, groups of 2: ArrowNotImplementedError: Slicing not implemented for BinaryView
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q pyarrow==26.0.1
venv/bin/python - <<'PYTHON'
import pyarrow as pa
from pyarrow import parquet

print("pyarrow", pa.__version__)
data = [b"a", b"bb", b"ccc"]


def write(column: pa.Array, rows: int) -> str:
    try:
        parquet.write_table(pa.table({"image": column}), "t.parquet", row_group_size=rows)
    except pa.ArrowNotImplementedError as error:
        return f"ArrowNotImplementedError: {error}"
    return "written"


def struct(kind: pa.DataType) -> pa.Array:
    return pa.StructArray.from_arrays([pa.array(data, kind)], ["bytes"])


found = {
    "binary_view alone, groups of 2": write(pa.array(data, pa.binary_view()), 2),
    "struct of binary, groups of 2": write(struct(pa.binary()), 2),
    "struct of binary_view, one group": write(struct(pa.binary_view()), 3),
    "struct of binary_view, groups of 2": write(struct(pa.binary_view()), 2),
}
for what, result in found.items():
    print(f"{what}: {result}")
*others, last = found.values()
assert others == ["written"] * 3
assert last == "ArrowNotImplementedError: Slicing not implemented for BinaryView"
PYTHON
