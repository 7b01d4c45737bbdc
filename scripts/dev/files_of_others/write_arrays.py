# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "astropy==8.0.2", "h5py==3.16.0", "matplotlib==3.11.2", "numpy==2.4.6", "pillow==12.3.0",
#     "tables==3.11.1", "tifffile==2026.3.3",
# ]
# ///
"""Pictures, and arrays of them in HDF5."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from recording import IDS, NAMES, PICTURES, Galaxies, Written, add, write_all


def write_h5py(galaxies: Galaxies, folder: Path, kind: str, name: str, options: dict) -> Written:
    import h5py

    images = galaxies.pictures
    if np.dtype(kind).kind == "f":
        images = (images / 255).astype(kind)
    path = folder / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=images.astype(kind), **options)
        file["ids"] = NAMES
    return Written(path, {IDS: NAMES, PICTURES: galaxies.pictures})


def write_vlen(galaxies: Galaxies, folder: Path) -> Written:
    import h5py

    path = folder / "a.h5"
    with h5py.File(path, "w") as file:
        images = file.create_dataset("images", (6,), h5py.vlen_dtype("u1"))
        for row, png in enumerate(galaxies.pngs):
            images[row] = np.frombuffer(png, "u1")
    return Written(path)


def write_tables(galaxies: Galaxies, folder: Path, compression: str) -> Written:
    import tables

    path = folder / "a.h5"
    smooth = galaxies.pictures // 32 * 32  # what can be compressed
    filters = tables.Filters(5, compression)
    shape = (0, 64, 64, 3)
    with tables.open_file(path, "w") as file:
        images = file.create_earray("/", "images", tables.UInt8Atom(), shape, filters=filters)
        images.append(smooth)
        file.create_array("/", "ids", NAMES)
    with tables.open_file(path) as file:
        return Written(path, {IDS: NAMES, PICTURES: file.root.images[:]})


def write_table_rows(galaxies: Galaxies, folder: Path) -> Written:
    import tables

    kind = np.dtype([("id", "S4"), ("image", "u1", (64, 64, 3))])
    rows = np.zeros(6, kind)
    rows["image"] = galaxies.pictures
    with tables.open_file(folder / "a.h5", "w") as file:
        file.create_table("/", "images", rows)
    return Written(folder / "a.h5")


chunks = {"chunks": (4, 16, 64, 3), "compression": "gzip", "shuffle": True, "fletcher32": True}
add("h5py", "chunks in gzip", write_h5py, "u1", "images", chunks)
add("h5py", "LZF", write_h5py, "u1", "images", {"compression": "lzf"})
add("h5py", "float16", write_h5py, "f2", "images", {})
add("h5py", "big-endian floats", write_h5py, ">f4", "images", {})
add("h5py", "images in a group", write_h5py, "u1", "train/images", {})
add("h5py", "uint16", write_h5py, "u2", "images", {})
add("h5py", "encoded images", write_vlen)
add("tables", "`EArray` in zlib", write_tables, "zlib")
for compression in ("blosc", "blosc2", "bzip2"):
    add("tables", f"in {compression}", write_tables, compression)
add("tables", "`Table`", write_table_rows)


def write_imsave(galaxies: Galaxies, folder: Path) -> Written:
    import matplotlib.image

    matplotlib.image.imsave(folder / "a.png", galaxies.pictures[0])
    return Written(folder / "a.png", {IDS: ["a.png"], PICTURES: galaxies.pictures[:1]})


def write_pillow(galaxies: Galaxies, folder: Path, name: str) -> Written:
    from PIL import Image

    picture: Any = Image.fromarray(galaxies.pictures[0])
    if name == "palette.png":
        picture = picture.quantize(64)
    picture.save(folder / name)
    read = np.asarray(Image.open(folder / name).convert("RGB"))
    return Written(folder / name, {IDS: [name], PICTURES: read[None]})


def write_tiff(galaxies: Galaxies, folder: Path) -> Written:
    import tifffile

    tifffile.imwrite(folder / "a.tif", galaxies.pictures[0].astype("u2") * 257, photometric="rgb")
    return Written(folder / "a.tif")


def write_stiff(galaxies: Galaxies, folder: Path) -> Written:
    from astropy.io import fits

    if not shutil.which("stiff"):
        raise ImportError("stiff")
    fits.writeto(folder / "a.fits", galaxies.bands[1])
    subprocess.run(["stiff", "a.fits", "-OUTFILE_NAME", "a.tif"], cwd=folder, check=True)
    return Written(folder / "a.tif")


add("matplotlib", "`imsave`⁴, as astropy's `make_lupton_rgb`", write_imsave)
add("pillow", "JPEG", write_pillow, "a.jpg")
add("pillow", "PNG with a palette", write_pillow, "palette.png")
add("tifffile", "TIFF", write_tiff)
add("stiff", "TIFF", write_stiff)

if __name__ == "__main__":
    write_all()
