"""A survey as one table of FITS, VOTable, ECSV or Parquet, with the meaning of its columns."""

import tempfile
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from galaxyzoo.core import files, paths, versions
from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.extras.formats.columns import TableInPieces, first_rows
from galaxyzoo.extras.pages.templates import render
from galaxyzoo.extras.surveys import COLUMN_NAMES, table_format
from galaxyzoo.extras.surveys.columns import COPIED, decoded, rename, without_features

if TYPE_CHECKING:
    from astropy.table import Column, Table

Score = Callable[[pa.Table], np.ndarray]  # (row,), of rows of a part
_BLOCK_ROWS = 100_000  # at least, of a row group
_RANKED_ROWS = 1_000_000  # of a row group in order of rank, for which all parts are read again
# What FITS or VOTable would read otherwise or not at all.
_WIDER = {"int8": "int16", "uint16": "int32", "uint32": "int64", "float16": "float32"}


def check_table(path: Path, carried: pa.Table, columns: Sequence[str], style: str) -> None:
    """Refuse a table that could not hold the columns exactly, by writing them and reading back.

    Args:
        path: ends with one of `TABLE_FORMATS`.
        carried: columns of the input's own table.
        columns: of the predictions.
        style: of their names, one of `COLUMN_NAMES`.
    Raises:
        InputError: names the first column that the format changes, or that there are two of.
    """
    predictions = [rename(column, style) for column in columns]
    for name in carried.column_names:
        if name in predictions:
            raise InputError(f"--keep {name}: --names {style} has this column, too")
    tables = [pa.table({name: [0.0]}) for name in predictions]
    tables += [carried.select([name]) for name in carried.column_names]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scratch = Path(folder) / f"table{path.suffix}"
        for rows in tables:
            if not _is_written_exactly(rows, scratch):
                field = rows.schema.field(0)
                raise InputError(
                    f"--table {paths.shown(path)} cannot hold the name or the values of column "
                    f"'{one_line(field.name)}' ({field.type}) exactly: use .parquet"
                )


def _is_written_exactly(rows: pa.Table, scratch: Path) -> bool:
    """Write a table of one column and check that it is read as it was."""
    field = rows.schema.field(0)
    described = pa.schema([field.with_metadata(COPIED)], {})
    try:
        save_table(scratch, rows.cast(described))
        values = read_one_table(scratch)[field.name].to_pylist()
        return repr(values) == repr(_written_values(rows[field.name], scratch))  # NaN is not NaN
    except ModuleNotFoundError:
        raise
    except Exception:  # noqa: BLE001 they raise anything for types they do not know
        return False


def _written_values(column: pa.ChunkedArray, path: Path) -> list[Any]:
    """List the values of a column as the table at that path holds them, None where missing."""
    form = table_format(path)
    if form == "parquet":
        return column.to_pylist()
    return _to_column(column, form).tolist()


def is_own_table(
    path: Path, columns: Sequence[str], needed: Collection[str], ids: Iterable[str]
) -> bool:
    """Check whether a table has a survey's columns and ids, and no others.

    Args:
        path: of the table.
        columns: that the survey may write, that of the ids first.
        needed: those of them that it always writes; without them a table is the user's own.
        ids: of its images.
    """
    try:
        table = read_one_table(path)
        labels = {str(label) for label in table[columns[0]].to_pylist()}
    except (InputError, LookupError, OSError, ValueError):
        return False
    if not labels.issubset(ids):
        return False
    for style in COLUMN_NAMES:
        named = {column: rename(column, style) for column in columns}
        always = {named[column] for column in needed}
        if always <= set(table.column_names) <= set(named.values()):
            return True
    return False


def read_one_table(path: Path) -> pa.Table:
    """Read a table of one of `TABLE_FORMATS`."""
    if table_format(path) == "parquet":
        return parquet.read_table(path)
    from astropy.table import Table  # here: half a second

    table = Table.read(path, format=table_format(path))
    table.convert_bytestring_to_unicode()
    return pa.table([_plain_values(column) for column in table.values()], table.colnames)


def _plain_values(column: "Column") -> list[Any]:
    """List the values of a column that astropy read, None where a number is missing."""
    if column.dtype.kind == "U":
        return np.ma.filled(column, "").tolist()  # "" comes masked
    if column.ndim > 1:
        return np.asarray(column).tolist()  # NaN comes masked
    return column.tolist()


def write_one_table(
    path: Path,
    parts: Sequence[Path],
    style: str,
    score: Score | None = None,
    has_features: bool = True,
) -> None:
    """Write all parts of a survey as one table, with the meaning of its columns.

    Parquet is written a block of rows at a time; of other formats the whole table is in memory.

    Args:
        path: ends with one of `TABLE_FORMATS`.
        parts: Parquet files as a `Survey` writes them.
        style: of the columns' names, one of `COLUMN_NAMES`.
        score: of each row of a part; the highest come first. Default: the order of the parts.
        has_features: whether to write the features, if the parts have any.
    """
    described = parquet.read_schema(parts[0])
    if not has_features:
        described = pa.schema(
            [described.field(name) for name in without_features(described.names)],
            described.metadata,
        )
    table = _open_parts(parts, described)
    metadata = {
        **described.metadata,
        "version": versions.code_version(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    fields = [field.with_name(rename(field.name, style)) for field in described]
    if table_format(path) != "parquet":
        whole = pa.concat_tables(_blocks(table, score)).cast(described)
        save_table(path, pa.table(whole.columns, pa.schema(fields, metadata)))
        return
    metadata["IVOA.VOTable-Parquet.version"] = "1.0"
    metadata["IVOA.VOTable-Parquet.content"] = _votable_without_data(fields, table)
    schema = pa.schema(fields, metadata)
    with (
        files.writing(path) as temporary,
        parquet.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for block in _blocks(table, score):
            writer.write_table(pa.table(block.columns, schema))


def _open_parts(parts: Sequence[Path], schema: pa.Schema) -> TableInPieces:
    counts = [parquet.read_metadata(part).num_rows for part in parts]

    def read(number: int) -> pa.Table:
        return parquet.read_table(parts[number], columns=schema.names)

    return TableInPieces(schema, first_rows(counts), read)


def _blocks(table: TableInPieces, score: Score | None) -> Iterator[pa.Table]:
    """Read all rows, many at a time: in the order of the parts, or the highest scores first."""
    if score:
        scores = np.concatenate([score(piece) for piece in table.pieces()])
        order = np.argsort(-scores, kind="stable")
        for start in range(0, len(order), _RANKED_ROWS):
            yield table.take(order[start : start + _RANKED_ROWS])
        return
    block = table.schema.empty_table()
    for piece in table.pieces():
        block = pa.concat_tables([block, piece])
        if len(block) >= _BLOCK_ROWS:
            yield block
            block = table.schema.empty_table()
    yield block


def save_table(path: Path, table: pa.Table) -> None:
    """Write a table in the one of `TABLE_FORMATS` that the path ends with."""
    form = table_format(path)
    with files.writing(path) as temporary:
        if form == "parquet":
            parquet.write_table(table, temporary, compression="zstd")
            return
        written = _to_astropy(table, form)
        if form == "fits":
            _write_fits(temporary, written)
        elif form == "votable":
            _write_votable(temporary, written)
        else:
            written.write(temporary, format=form, overwrite=True)


def _votable_without_data(fields: Sequence[pa.Field], table: TableInPieces) -> str:
    """Describe columns by a VOTable as the footer of a Parquet file holds it.

    Source: VOParquet 1.0, an IVOA note of 2025-01-16, which TOPCAT, STILTS and astropy follow.

    Args:
        fields: of the columns of the file.
        table: rows of these columns, by which the longest text is found.
    """
    longest: dict[int, int] = {}  # text of a column
    for piece in table.pieces():
        for number, field in enumerate(fields):
            if field.type in (pa.string(), pa.large_string()):
                length = pc.max(pc.utf8_length(piece.column(number))).as_py()
                longest[number] = max(length or 0, longest.get(number, 0))
    columns = []
    for number, field in enumerate(fields):
        facts = {"name": one_line(field.name), "type": field.type, "longest": longest.get(number)}
        columns.append({**facts, **decoded(field.metadata)})
    return render("voparquet.xml.j2", columns=columns)


def _to_astropy(table: pa.Table, form: str) -> "Table":
    """Convert to astropy's table, in which each column has its meaning."""
    from astropy.table import Table  # here: half a second

    result = Table(meta=decoded(table.schema.metadata))
    for field, values in zip(table.schema, table.columns, strict=True):
        result[field.name] = _to_column(values, form)
        column = result[field.name]
        meaning = decoded(field.metadata)
        column.description = meaning["description"]
        column.unit = meaning["unit"] or None
        if meaning["ucd"]:
            column.meta["ucd"] = meaning["ucd"]
    return result


def _to_column(column: pa.ChunkedArray, form: str) -> np.ndarray:
    """(row,) or (row, number) values for a table in a format of astropy's."""
    if form != "fits":
        return _to_numpy(column.combine_chunks())
    if column.null_count and pa.types.is_boolean(column.type):
        column = column.cast(pa.int16())  # astropy 8.0.2 reads a missing boolean as False
    values = _to_numpy(column.combine_chunks())
    if np.ma.isMaskedArray(values) and values.dtype.kind == "i":
        values.fill_value = _unused_number(values)  # becomes TNULL
    return values


def _to_numpy(column: pa.Array) -> np.ndarray:
    """(row,) values, masked where missing, or (row, number) of lists of one length.

    Times are ISO 8601. Missing texts are empty: astropy 8.0.2 drops the mask of texts in VOTables.
    """
    kind = column.type
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        column = pc.replace_substring(column.cast(pa.string()), " ", "T")
    if column.null_count:
        return _to_masked(column)
    if isinstance(column, pa.FixedSizeListArray):
        numbers = np.ma.filled(_to_numpy(column.flatten()), np.nan)
        return numbers.reshape(len(column), -1)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return np.array(column.to_pylist(), _to_numpy(column.flatten()).dtype)
    values = column.to_numpy(zero_copy_only=False)
    if values.dtype == object and not pa.types.is_struct(kind):
        return values.astype(str)
    return values.astype(_WIDER.get(values.dtype.name, values.dtype))


def _to_masked(column: pa.Array) -> np.ndarray:
    """(row,) values of a column with nulls, as of `_to_numpy`."""
    if pa.types.is_uint8(column.type):
        column = column.cast(pa.int16())  # may have no value left for TNULL
    elif pa.types.is_uint64(column.type):
        column = column.cast(pa.int64())  # FITS and VOTable have none with nulls
    if pa.types.is_boolean(column.type):
        filled = column.fill_null(False)
    elif pa.types.is_integer(column.type):
        filled = column.fill_null(0)
    elif pa.types.is_floating(column.type):
        filled = pa.array(column.to_numpy(zero_copy_only=False))  # NaN below the mask
    else:
        return _to_numpy(column.cast(pa.string()).fill_null(""))
    missing = column.is_null().to_numpy(zero_copy_only=False)
    return np.ma.masked_array(_to_numpy(filled), missing)


def _unused_number(values: np.ma.MaskedArray) -> int:
    """Find a whole number of the type of the values that none of them is."""
    limits = np.iinfo(values.dtype)
    stop = min(int(limits.min) + len(values), int(limits.max) + 1)
    candidates = np.arange(limits.min, stop, dtype=values.dtype)
    return np.setdiff1d(candidates, values.compressed())[0]


def _write_votable(temporary: Path, table: "Table") -> None:
    """Write a VOTable; STILTS 3.4.7 cannot read the bits that astropy 8.0.2 makes of booleans."""
    from astropy.io.votable import from_table

    document = from_table(table)
    for field in document.get_first_table().fields:
        if field.datatype == "bit":
            field.datatype = "boolean"
    document.to_xml(str(temporary), tabledata_format="binary2")


def _write_fits(temporary: Path, table: "Table") -> None:
    """Write a FITS table; `TCOMMn` and `TUCDn` are how TOPCAT reads descriptions and UCDs."""
    from astropy.io import fits

    table.write(temporary, format="fits", overwrite=True)
    with fits.open(temporary, mode="update") as hdus:
        header = hdus[1].header
        for number, column in enumerate(table.itercols(), 1):
            header[f"TCOMM{number}"] = column.description
            if "ucd" in column.meta:
                header[f"TUCD{number}"] = column.meta["ucd"]
