#!/usr/bin/env bash
# fitsio 1.4.2 (CFITSIO inside, numpy 2.4.6): `where("objid == 1237648720693755918")` on a FITS table gives that galaxy and its
# neighbors, without a warning: CFITSIO compares whole numbers as floats, also two columns. With `>`, neighbors are left out.
# Numbers below 2^53 (16 digits) and the column that is read are exact.
# Who meets it: whoever looks up an SDSS or Gaia id in a FITS table with fitsio's `where` or CFITSIO's `table.fits[1][objid == …]`.
# Read the column and compare in numpy.
#
# Output seen:
#   ids of 16 digits: where 1, numpy 1
#   ids of 19 digits: where 4, numpy 1
#   two columns of different ids: equal in 1 of 1 rows
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q fitsio==1.4.2 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import fitsio
import numpy as np

rows = {}
for first in (1237648720693755, 1237648720693755918):
    ids = first + np.arange(4)
    fitsio.write(f"{first}.fits", np.array(list(zip(ids)), [("objid", "i8")]))
    with fitsio.FITS(f"{first}.fits") as file:
        by_where = file[1].where(f"objid == {first}")
        by_numpy = np.flatnonzero(file[1]["objid"][:] == first)
    digits = len(str(first))
    print(f"ids of {digits} digits: where {len(by_where)}, numpy {len(by_numpy)}")
    rows[digits] = len(by_where), len(by_numpy)
fitsio.write("pair.fits", np.array([(1237648720693755918, 1237648720693755919)], [("a", "i8"), ("b", "i8")]))
with fitsio.FITS("pair.fits") as file:
    equal = len(file[1].where("a == b"))
print(f"two columns of different ids: equal in {equal} of 1 rows")
assert equal == 1
assert rows == {16: (1, 1), 19: (4, 1)}
PYTHON
