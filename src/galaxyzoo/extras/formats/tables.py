"""Images in tables: Parquet with the images in a column, and lists of their paths.

Ids are in a column of `IDS`; a list without one names images by their files. Parquet has `image`,
or one other column of bytes of JPEGs or PNGs, or of structs with them under `bytes` or at a `path`;
a list, CSV, Parquet or FITS table, has `path`, absolute or seen from its folder, and for FITS
cut-outs `petroR90_r`, in arcsec, and positions.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from galaxyzoo.core import launch
from galaxyzoo.core.errors import InputError, reason_of
from galaxyzoo.core.paths import shown
from galaxyzoo.data import decoding
from galaxyzoo.data.readers.side_tables import read_sky
from galaxyzoo.data.stores import base, opening
from galaxyzoo.data.stores.columns import (
    FILE,
    IDS,
    OF_MATCH,
    find_position,
    pick_columns,
    read_id_column,
    read_ids,
)
from galaxyzoo.data.stores.names import file_names
from galaxyzoo.extras.formats import FITS_SUFFIXES, arrays, fits, fits_file
from galaxyzoo.io.tables import NO_VALUE, read_table

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

IMAGE = "image"
PATHS = ("path", "file_loc", "file", "file_name")  # file_loc in Zoobot's catalogs
_MAX_GROUP_BYTES = 1_000_000_000  # bytes of images that are in memory at once


def _take_bytes(folder: Path, image: bytes | str | None) -> bytes:
    """An image of a column of bytes, or at a path there."""
    if isinstance(image, str):
        return opening.read_in(folder, image.replace("\\", "/"))
    if image is None:
        raise InputError("it is empty")
    if len(image) > base.MAX_IMAGE_BYTES:
        raise InputError("it is too large")
    return image


@dataclass
class _Column:
    """A column of bytes, of which the rows of a row group can be taken."""

    path: Path
    name: str
    starts: list[int]  # first row of each group

    def __getitem__(self, rows: slice) -> np.ndarray:
        import pyarrow as pa
        from pyarrow import parquet

        group = bisect_right(self.starts, rows.start) - 1
        file = parquet.ParquetFile(self.path, page_checksum_verification=True)
        column = file.read_row_group(group, columns=[self.name]).column(0)
        values = column.to_pylist()
        if pa.types.is_struct(column.type):
            values = [_of_struct(value) for value in values]
        return pd.Series(values, dtype=object).to_numpy()


def _of_struct(value: dict[str, Any] | None) -> bytes | str | None:
    """Bytes of an image, else its path; None where a row has neither."""
    if value is None:
        return None
    if value["bytes"] is None:
        return value.get("path")
    return value["bytes"]


def is_hats(names: Sequence[str]) -> bool:
    """Check whether the files of a folder are a HATS catalog's, whose FITS are maps of the sky."""
    return any(f"/{name}".endswith(("/properties", "/hats.properties")) for name in names)


def open_parquet(path: Path) -> base.Images:
    """The images of a Parquet file: in it, or at the paths that it lists.

    Raises:
        InputError: it is damaged, has neither images nor paths, or row groups above 1 GB.
    """
    launch.require(shown(path), "pyarrow")
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
        schema = file.schema_arrow
        columns = [field.name for field in schema if _holds_bytes(field.type)]
        if IMAGE not in schema.names and (len(columns) != 1 or _is_text(file, columns[0])):
            read = partial(_read_parquet, file)
            return _open_list(path, schema.names, read)
        column = IMAGE if IMAGE in schema.names else columns[0]
        if column not in columns:
            raise InputError(
                f"{shown(path)}: '{column}' is {schema.field(column).type}; expected bytes of JPEG "
                "or PNG images"
            )
        ids = read_ids(_read_ids(file, column), path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{shown(path)} is not a complete Parquet file ({reason_of(error)})"
        ) from None
    starts = []
    count = 0
    for k in range(file.num_row_groups):
        group = file.metadata.row_group(k)
        if group.total_byte_size > _MAX_GROUP_BYTES:
            raise InputError(f"{shown(path)} has row groups above 1 GB: write smaller row groups")
        starts.append(count)
        count += group.num_rows
    open_column = partial(_Column, path, column, starts)
    convert = partial(_take_bytes, path.parent)
    reader = arrays.PieceReader(path, open_column, starts, count, convert)
    return base.Images.of(path, ids, _stamp_images(file, path, column), reader)


def _is_text(file: "parquet.ParquetFile", column: str) -> bool:
    """Check whether a list's one column of bytes is text: astropy writes its bytes that way.

    A file without a column of paths is no list, whatever its bytes are.
    """
    if not pick_columns(file.schema_arrow.names, PATHS):
        return False
    for batch in file.iter_batches(64, columns=[column]):
        for value in batch.column(0).to_pylist():
            if isinstance(value, bytes):
                return not decoding.begins_as_picture(value)
    return False


def _stamp_images(file: "parquet.ParquetFile", path: Path, column: str) -> int | list[int]:
    """Stamps of images: that of the Parquet file, changed by those of the files that it names."""
    stamp = base.stamp_of(path.stat())
    leaves = [file.schema.column(number).path for number in range(len(file.schema.names))]
    if f"{column}.path" not in leaves or _is_full(file, leaves.index(f"{column}.bytes")):
        return stamp
    stamps = []
    for name in file.read([f"{column}.path"]).flatten().column(0).to_pylist():
        of_file = base.stamp_at(path.parent / name.replace("\\", "/")) if name else 0
        stamps.append(stamp ^ of_file)
    return stamps


def _is_full(file: "parquet.ParquetFile", leaf: int) -> bool:
    """Check whether a file says of a column that none of its values is missing."""
    for number in range(file.num_row_groups):
        statistics = file.metadata.row_group(number).column(leaf).statistics
        if statistics is None or not statistics.has_null_count or statistics.null_count:
            return False
    return True


def _read_ids(file: "parquet.ParquetFile", column: str) -> np.ndarray:
    """(image,) ids in a column of their own, else the paths in that of the images, else numbers."""
    import pyarrow as pa

    schema = file.schema_arrow
    id_columns = pick_columns(schema.names)
    if id_columns:
        return file.read(id_columns[:1]).column(0).to_numpy()
    kind = schema.field(column).type
    if pa.types.is_struct(kind) and kind.get_field_index("path") >= 0:
        paths = file.read([f"{column}.path"]).flatten().column(0).to_pandas()
        if not paths.isna().any():
            return paths.str.replace("\\", "/").to_numpy()
    return arrays.number_rows(file.metadata.num_rows)


def _read_parquet(file: "parquet.ParquetFile", columns: list[str]) -> pd.DataFrame:
    import pyarrow as pa

    table = file.read(columns)
    for number, field in enumerate(table.schema):
        if _holds_bytes(field.type) and pick_columns([field.name], PATHS):
            table = table.set_column(number, field.name, table.column(number).cast(pa.string()))
    return table.to_pandas(ignore_metadata=True, split_blocks=True, self_destruct=True)


def _holds_bytes(kind: "pa.DataType") -> bool:
    """Check whether a column is of bytes, or of structs with them under `bytes`."""
    import pyarrow as pa

    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind = kind.field("bytes").type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return str(kind) in ("binary", "large_binary", "binary_view")


def open_csv(path: Path) -> base.Images:
    """The images at the paths that a CSV file lists."""
    table = read_table(path, texts={*PATHS, *IDS})
    return _open_list(path, list(table), table.__getitem__)


def find_fits_list(path: Path) -> Callable[[Path], base.Images] | None:
    """Find how a FITS file is opened that is a list, not an image; None of others."""
    return _open_fits_list if fits_file.holds_table(path) else None


def _open_fits_list(path: Path) -> base.Images:
    table = fits_file.read_table(path)
    return _open_list(path, list(table), table.__getitem__)


def _open_list(
    path: Path, columns: Sequence[str], read: Callable[[list[str]], pd.DataFrame]
) -> base.Images:
    """The images at the paths of a table; files that are missing are errors of their images alone.

    Args:
        path: of the table.
        columns: of the table.
        read: reads some columns.
    Raises:
        InputError: it has no column of paths, an id is missing, or a radius is none.
    """
    path_columns = pick_columns(columns, PATHS)
    if not path_columns:
        raise InputError(
            f"{shown(path)} has neither a column '{PATHS[0]}' nor just one column of image bytes "
            f"(found {', '.join(columns[:9]) or 'only arrays: save it as fits-basic'})"
        )
    folder = path.parent.resolve().as_posix()
    places = read(path_columns[:1])[path_columns[0]].fillna("").astype(str)
    for pattern, shorter in (("\\\\", "/"), (f"^{re.escape(folder)}/+", "")):
        if places.str.contains(pattern).any():  # else without another copy of ten million paths
            places = places.str.replace(pattern, shorter, regex=True)
    id_columns = pick_columns(columns)
    if id_columns:
        ids = read_id_column(read(id_columns[:1])[id_columns[0]], path)
    else:
        ids = file_names(places)
    images = base.Images.of(path, ids, None, partial(opening.read_in, path.parent))
    listed = images.table.assign(**{FILE: places}, row=places)
    position = find_position(columns)
    radius = pick_columns(columns, [fits.RADIUS, fits.RADIUS + OF_MATCH])[:1]
    is_for_fits = position or radius  # other images use neither
    if is_for_fits and places.str.lower().str.endswith(FITS_SUFFIXES).any():
        if position:
            sky = read_sky(read(list(position)).astype(str), position, path)
            listed = listed.join(sky)
        for column in radius:
            listed[fits.RADIUS] = _read_radii(path, read([column])[column])
    return replace(images, table=listed, by_name=True)


def _read_radii(path: Path, column: pd.Series) -> np.ndarray:
    """(row,) radii in arcsec, 0 where one is missing or not above 0, as catalogs' -9999."""
    radii = pd.to_numeric(column, errors="coerce").to_numpy(float)
    texts = column[np.isnan(radii)].astype(object).fillna("").astype(str).str.strip()
    wrong = texts.index[~texts.str.lower().isin(NO_VALUE)]
    if len(wrong):
        raise InputError(
            f"{shown(path)}: '{column.name}' of data row {wrong[0] + 1} is not a radius in arcsec "
            f"(such rows: {len(wrong):,}): write a number, or leave the cell empty"
        )
    return np.where((radii > 0) & np.isfinite(radii), radii, 0.0)
