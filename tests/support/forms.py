"""Images written in every form that is read."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
from astropy.io import fits
from pyarrow import parquet

from support.pictures import encode, write_zip

Pixels = list[Any]  # (H, W, 3) each; for files also their bytes


def to_png(pixels: Any) -> Any:
    """A PNG of the pixels; bytes, or None, as they are."""
    return encode(pixels, end=".png") if isinstance(pixels, np.ndarray) else pixels


def write_folder(path: Path, pixels: Pixels, ids: list[Any]) -> Path:
    path.mkdir()
    for name, image in zip(ids, pixels, strict=True):
        (path / f"{name}.png").write_bytes(to_png(image))
    return path


def write_image_zip(path: Path, pixels: Pixels, ids: list[Any]) -> Path:
    images = zip(ids, map(to_png, pixels), strict=True)
    write_zip(path.with_suffix(".zip"), {f"{name}.png": image for name, image in images})
    return path.with_suffix(".zip")


def write_list(path: Path, pixels: Pixels, ids: list[Any]) -> Path:
    folder = write_folder(path, pixels, [str(k) for k in range(len(pixels))])
    table = pd.DataFrame({"id": ids, "path": [f"{k}.png" for k in range(len(pixels))]})
    table.to_csv(folder / "list.csv", index=False)
    return folder / "list.csv"


def write_fits(path: Path, pixels: Pixels, ids: list[Any]) -> Path:
    path.mkdir()
    for name, image in zip(ids, pixels, strict=True):
        planes = image
        if image.ndim == 3 and len(image) != 3:
            planes = np.moveaxis(image, 2, 0)
        fits.PrimaryHDU(planes[..., ::-1, :]).writeto(path / f"{name}.fits")
    return path


def write_parquet(path: Path, pixels: Pixels, ids: list[Any]) -> Path:
    table = pa.table({"id": pa.array(ids), "image": [to_png(image) for image in pixels]})
    parquet.write_table(table, path.with_suffix(".parquet"))
    return path.with_suffix(".parquet")


def write_hdf5(path: Path, pixels: Pixels, ids: list[Any], rows: int | None = 1) -> Path:
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        chunks = (rows, *pixels[0].shape) if rows else None
        file.create_dataset("images", data=np.stack(pixels), chunks=chunks)
        file["ids"] = ids
    return path.with_suffix(".h5")


def write_npz(path: Path, pixels: Pixels, ids: list[Any]) -> Path:
    np.savez(path.with_suffix(".npz"), images=np.stack(pixels), ids=np.array(ids))
    return path.with_suffix(".npz")


FORMS: dict[str, Callable[[Path, Pixels, list[Any]], Path]] = {
    "folder": write_folder,
    "`.zip`": write_image_zip,
    "list": write_list,
    "`.parquet`": write_parquet,
    "FITS": write_fits,
    "`.h5`": write_hdf5,
    "`.npz`": write_npz,
}


def write_beside(folder: Path, form: str, pixels: Pixels, ids: list[Any], stem: str) -> Path:
    """Write images in a form beside other files of a folder, as a list has them; their file."""
    path = FORMS[form](folder / stem, pixels, ids)
    if form != "list":
        return path
    shutil.copytree(path.parent, folder, dirs_exist_ok=True)
    shutil.rmtree(path.parent)
    return (folder / "list.csv").rename(folder / "images.csv")
