#!/usr/bin/env bash
# Cutana 0.4.0 and images_to_zarr 0.3.5, the library that it writes by, put `images` into one kind of archive with other axes:
# images_to_zarr (image, channel, height, width) for a folder of PNGs, Cutana's writer (image, height, width, channel).
# Neither archive names its axes, and the ids are called `filename` by the one and `source_id` by the other. Cutana's README
# (0.4.0, "Zarr") lists a column `idx_in_zarr` in the metadata; no code of either package writes it.
# A reader has to tell the axes by which of them is 1 or 3 long, and take row i as image i.
#
#   bash scripts/dev/upstream/cutana_zarr_axes.sh     (two minutes; fails if the behaviour changes)
#
# Output seen:
#   cutana 0.4.0 images-to-zarr 0.3.5
#   images_to_zarr: shape (4, 3, 24, 32) uint8 dimension_names None columns filename, original_filename, dtype, …
#   cutana: shape (4, 24, 32, 3) float32 dimension_names None columns source_id, ra, dec
#   files with idx_in_zarr in their code: 0
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip -q install cutana==0.4.0 images_to_zarr==0.3.5 zarr==3.1.6
venv/bin/python - 2>log <<'PYTHON'
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import cutana
import images_to_zarr
import numpy as np
import pandas as pd
import zarr
from cutana.cutout_writer_zarr import create_process_zarr_archive_initial
from images_to_zarr import convert
from PIL import Image

print("cutana", version("cutana"), "images-to-zarr", version("images_to_zarr"))
pixels = np.random.default_rng(0).integers(0, 256, (4, 24, 32, 3), np.uint8)
Path("pngs").mkdir()
for number, image in enumerate(pixels):
    Image.fromarray(image).save(f"pngs/{number}.png")
convert("by_library", ["pngs"])
about = [{"source_id": f"s{k}", "ra": 10.0, "dec": 20.0} for k in range(4)]
batch = {"cutouts": pixels.astype(np.float32) / 255, "metadata": about}
create_process_zarr_archive_initial(batch, "by_cutana/images.zarr", SimpleNamespace())
shapes = {}
for name, folder in (("images_to_zarr", "by_library"), ("cutana", "by_cutana")):
    images = zarr.open_group(f"{folder}/images.zarr", mode="r")["images"]
    columns = list(pd.read_parquet(f"{folder}/images_metadata.parquet").columns)
    shapes[name] = images.shape
    listed = ", ".join(columns[:3]) + (", …" if len(columns) > 3 else "")
    names = images.metadata.dimension_names
    print(f"{name}: shape {images.shape} {images.dtype} dimension_names {names} columns {listed}")
    assert names is None
    assert "idx_in_zarr" not in columns
assert shapes == {"images_to_zarr": (4, 3, 24, 32), "cutana": (4, 24, 32, 3)}
code = [p for package in (cutana, images_to_zarr) for p in Path(package.__file__).parent.rglob("*.py")]
writers = sum("idx_in_zarr" in path.read_text(encoding="utf-8") for path in code)
print("files with idx_in_zarr in their code:", writers)
assert writers == 0
PYTHON
