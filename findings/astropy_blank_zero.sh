#!/usr/bin/env bash
# astropy 8.0.2: in FITS images of whole numbers, the header's BLANK names the value of pixels without data (FITS standard 4.0,
# 4.4.2.4), which astropy reads as NaN. Of BLANK = 0 it makes floats, as if there were some to come, but leaves the zeros zeros;
# of any other value it makes NaN. In unsigned 16-bit images (BZERO = 32768) BLANK has no effect at all by default.
# Who meets it: whoever reads cut-outs that were padded with BLANK = 0 at a tile's edge: they look like black sky. To get NaN there,
# compare the raw values (do_not_scale_image_data=True) with BLANK.
#
# Output seen:
#   astropy 8.0.2
#   int16 BLANK 1: float32 [0.0, nan, 2.0]
#   int16 BLANK 0: float32 [0.0, 1.0, 2.0]
#   int32 BLANK 0: float64 [0.0, 1.0, 2.0]
#   uint8 BLANK 0: float32 [0.0, 1.0, 2.0]
#   uint16 BLANK -32767, raw value of 1: uint16 [0, 1, 2]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q astropy==8.0.2
venv/bin/python - <<'PYTHON'
import io

import astropy
import numpy as np
from astropy.io import fits

print("astropy", astropy.__version__)


def read(kind: str, blank: int) -> np.ndarray:
    image = fits.PrimaryHDU(np.array([[0, 1, 2]], kind))
    image.header["BLANK"] = blank
    file = io.BytesIO()
    image.writeto(file)
    file.seek(0)
    with fits.open(file) as parts:
        return parts[0].data.copy()


for kind, blank, expected in (
    ("int16", 1, [0, np.nan, 2]),
    ("int16", 0, [0, 1, 2]),
    ("int32", 0, [0, 1, 2]),
    ("uint8", 0, [0, 1, 2]),
    ("uint16", -32767, [0, 1, 2]),
):
    values = read(kind, blank)
    more = ", raw value of 1" if kind == "uint16" else ""
    print(f"{kind} BLANK {blank}{more}: {values.dtype} {values[0].tolist()}")
    np.testing.assert_array_equal(values[0], expected)
    assert (values.dtype.kind == "f") == (kind != "uint16")
PYTHON
