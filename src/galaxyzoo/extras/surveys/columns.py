"""Meaning of a survey's columns, in its parts and in one table of FITS, VOTable, ECSV or Parquet.

Each field of a part carries `description`, `unit` and `ucd`. Units are VOUnits, UCDs are the IVOA's
UCD1+ words, by which TOPCAT and pyvo know columns.
"""

import re
import tempfile
import warnings
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from galaxyzoo.core import files, manifest, paths
from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.extras.surveys import COLUMN_NAMES, FEATURES, TABLE_FORMATS
from galaxyzoo.tasks import decision_tree, kinds, registry

if TYPE_CHECKING:
    from astropy.table import Column, Table

Order = Callable[[pa.Table], np.ndarray]
_PROBABILITY = "stat.probability"
_KEPT = {"description": "column copied from the input table", "unit": "", "ucd": ""}
_POSITIONS = {
    "ra": {"description": "right ascension", "unit": "deg", "ucd": "pos.eq.ra;meta.main"},
    "dec": {"description": "declination", "unit": "deg", "ucd": "pos.eq.dec;meta.main"},
}
_SUFFIXES = {  # of a prediction's column -> what it is, UCD
    "_spread": ("standard deviation between the folds' networks", "stat.stdev;stat.probability"),
    "_lower": ("lower bound of the 90 % interval", "stat.probability;stat.min"),
    "_upper": ("upper bound of the 90 % interval", "stat.probability;stat.max"),
}
# What FITS or VOTable would read otherwise or not at all.
_WIDER = {"int8": "int16", "uint16": "int32", "uint32": "int64", "float16": "float32"}
_GALAXY_ZOO_2 = {
    column + suffix: published + suffix
    for column, published in zip(
        decision_tree.GALAXY_ZOO_2.columns, decision_tree.PUBLISHED_NAMES, strict=True
    )
    for suffix in ("", *_SUFFIXES)
}


def features_of(rows: pa.Table) -> np.ndarray:
    """(row, feature) float32 features of rows of a part."""
    return _to_numpy(rows[FEATURES].combine_chunks()).astype(np.float32)


def prediction_columns(schema: pa.Schema) -> list[str]:
    """Columns of the predictions themselves in the schema of a part."""
    return [field.name for field in schema if _texts(field.metadata).get("ucd") == _PROBABILITY]


def describe_columns(schema: pa.Schema, task: kinds.Task, label: str, networks: str) -> pa.Schema:
    """Add a title, and descriptions, units and UCDs to the fields of a part.

    Args:
        task: of the predictions.
        label: column of the ids.
        networks: name and digest of what predicted.
    """
    known = _POSITIONS | meanings(task, label)
    for name in _POSITIONS:
        if name in schema.names and not pa.types.is_primitive(schema.field(name).type):
            known[name] = _KEPT  # text, such as 10:08:00.1
    fields = [field.with_metadata(known.get(field.name, _KEPT)) for field in schema]
    return pa.schema(fields, {"title": f"predictions of {task.name}", "networks": networks})


def meanings(task: kinds.Task, label: str) -> dict[str, dict[str, str]]:
    """Description, unit and UCD of each column that predictions may have, by its name."""
    known = {
        name: (f"class by the label rule of {name}; empty if unclear", "meta.code.class")
        for name in registry.TASKS
    }
    known[kinds.CLASS] = "predicted class", "meta.code.class"
    known[FEATURES] = "features before the head of the first fold's network", ""
    for column in task.columns:
        text = _prediction(column, task)
        for suffix, (statistic, ucd) in _SUFFIXES.items():
            known[column + suffix] = f"{statistic} of: {text}", ucd
        known[column] = text, _PROBABILITY
    known[label] = "image name, as given", "meta.id;meta.main"
    return {
        name: {"description": text, "unit": "", "ucd": ucd} for name, (text, ucd) in known.items()
    }


def _prediction(column: str, task: kinds.Task) -> str:
    if task.name != kinds.COMPETITION_TASK:
        return f"probability of class {column}"
    question = decision_tree.GALAXY_ZOO_2.question_of(column)
    answer = decision_tree.GALAXY_ZOO_2.answer_text(column)
    return f"predicted fraction of all volunteers who answer '{answer}' to '{question.text}'"


def rename(name: str, names: str) -> str:
    """Name of a column for TOPCAT's expressions and ADQL, which take no dot.

    Args:
        names: of `COLUMN_NAMES`. gz2: as in Galaxy Zoo 2's table (Hart et al. 2016), though its
            fractions are of the volunteers asked, ours of all. words: those without numbers.
    """
    if names == COLUMN_NAMES[0] or name not in _GALAXY_ZOO_2:
        return name
    published = _GALAXY_ZOO_2[name]
    return re.sub(r"\b[ta]\d\d_|(?<=_)a\d\d_", "", published) if names == "words" else published


def check_table(path: Path, carried: pa.Table, columns: Sequence[str], names: str) -> None:
    """Refuse a table that could not hold the columns exactly, by writing them and reading back.

    Args:
        path: ends with one of `TABLE_FORMATS`.
        carried: columns of the input's own table.
        columns: of the predictions.
        names: of `COLUMN_NAMES`.
    """
    tried = {rename(name, names): pa.table({rename(name, names): [0.0]}) for name in columns}
    for name in carried.column_names:
        if name in tried:
            raise InputError(f"--keep {name}: --names {names} has this column, too")
    tried |= {name: carried.select([name]) for name in carried.column_names}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, rows in tried.items():
            scratch = Path(folder) / f"table{path.suffix}"
            schema = pa.schema([rows.schema.field(0).with_metadata(_KEPT)], {})
            try:
                save_table(scratch, rows.cast(schema))
                back = read_one_table(scratch)[name].to_pylist()
                is_same = repr(back) == repr(_written_values(rows[name], path))  # NaN is not NaN
            except ModuleNotFoundError:
                raise
            except Exception:  # noqa: BLE001 they raise anything for types they do not know
                is_same = False
            if not is_same:
                raise InputError(
                    f"--table {paths.shown(path)} cannot hold the name or the values of column "
                    f"'{one_line(name)}' ({rows.schema[0].type}) exactly: use .parquet"
                )


def _written_values(column: pa.ChunkedArray, path: Path) -> list[Any]:
    """List the values of a column as the table at that path holds them, None where missing."""
    kind = TABLE_FORMATS[path.suffix]
    if kind == "parquet":
        return column.to_pylist()
    return _to_column(column, kind).tolist()


def is_own_table(path: Path, columns: Sequence[str], ids: Iterable[str]) -> bool:
    """Check whether a table has a survey's columns and ids, and no others.

    Args:
        path: of the table.
        columns: that the survey may write, that of the ids first.
        ids: of its images.
    """
    try:
        table = read_one_table(path)
        labels = {*map(str, table[columns[0]].to_pylist())}
    except (InputError, LookupError, OSError, ValueError):
        return False
    known = ({rename(name, names) for name in columns} for names in COLUMN_NAMES)
    return labels.issubset(ids) and any({*table.column_names} <= each for each in known)


def read_one_table(path: Path) -> pa.Table:
    """Read a table of one of `TABLE_FORMATS`."""
    if TABLE_FORMATS[path.suffix] == "parquet":
        return parquet.read_table(path)
    from astropy.table import Table  # here: half a second

    table = Table.read(path, format=TABLE_FORMATS[path.suffix])
    table.convert_bytestring_to_unicode()
    return pa.table([_plain_values(column) for column in table.values()], table.colnames)


def _plain_values(column: "Column") -> list[Any]:
    """List the values of a column that astropy read, None where a number is missing."""
    if column.dtype.kind == "U":
        return np.ma.filled(column, "").tolist()  # "" comes masked
    if column.ndim > 1:
        return np.asarray(column).tolist()  # NaN comes masked
    return column.tolist()


def without_features(names: Sequence[str]) -> list[str]:
    """Names of a part's columns but that of the features, which is larger than all others."""
    return [name for name in names if name != FEATURES]


def write_one_table(
    path: Path,
    parts: Sequence[Path],
    names: str,
    order: Order | None = None,
    has_features: bool = True,
) -> None:
    """Write all parts of a survey as one table, with the meaning of its columns.

    The whole table is in memory.

    Args:
        path: ends with one of `TABLE_FORMATS`.
        parts: Parquet files as a `Survey` writes them.
        names: of `COLUMN_NAMES`.
        order: gives the numbers of the rows in the order to write; default that of the parts.
        has_features: whether to write the features, if the parts have any.
    """
    columns = parquet.read_schema(parts[0]).names
    if not has_features:
        columns = without_features(columns)
    table = pa.concat_tables(parquet.read_table(part, columns=columns) for part in parts)
    table = table.take(order(table)) if order else table
    metadata = {
        **table.schema.metadata,  # which rename_columns drops (pyarrow 26.0.1, apache/arrow 48024)
        "version": manifest.code_version(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    table = table.rename_columns([rename(name, names) for name in table.column_names])
    save_table(path, table.replace_schema_metadata(metadata))


def save_table(path: Path, table: pa.Table) -> None:
    """Write a table in the one of `TABLE_FORMATS` that the path ends with."""
    kind = TABLE_FORMATS[path.suffix]
    with files.writing(path) as temporary:
        if kind == "parquet":
            parquet.write_table(table, temporary, compression="zstd")
        elif kind == "fits":
            _write_fits(temporary, _to_astropy(table, kind))
        else:
            more = {"tabledata_format": "binary2"} if kind == "votable" else {}
            _to_astropy(table, kind).write(temporary, format=kind, overwrite=True, **more)


def _to_astropy(table: pa.Table, kind: str) -> "Table":
    from astropy.table import Table  # here: half a second

    result = Table(meta=_texts(table.schema.metadata))
    for field, column in zip(table.schema, table.columns, strict=True):
        result[field.name] = _to_column(column, kind)
        meaning = _texts(field.metadata)
        result[field.name].description = meaning["description"]
        result[field.name].unit = meaning["unit"] or None
        if meaning["ucd"]:
            result[field.name].meta["ucd"] = meaning["ucd"]
    return result


def _texts(metadata: dict[bytes, bytes] | None) -> dict[str, str]:
    return {key.decode(): text.decode() for key, text in (metadata or {}).items()}


def _to_column(column: pa.ChunkedArray, kind: str) -> np.ndarray:
    """(row,) or (row, number) values for a table of astropy's format `kind`."""
    is_fits = kind == "fits"
    if is_fits and column.null_count and pa.types.is_boolean(column.type):
        column = column.cast(pa.int16())  # astropy 8.0.2 reads a missing boolean as False
    values = _to_numpy(column.combine_chunks())
    if is_fits and np.ma.isMaskedArray(values) and values.dtype.kind == "i":
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
    texts = values.dtype == object and not pa.types.is_struct(kind)
    return values.astype(str if texts else _WIDER.get(values.dtype.name, values.dtype))


def _to_masked(column: pa.Array) -> np.ndarray:
    """(row,) values of a column with nulls, as of `_to_numpy`."""
    kind = column.type
    if pa.types.is_boolean(kind):
        filled = column.fill_null(False)
    elif pa.types.is_uint8(kind):
        filled = column.cast(pa.int16()).fill_null(0)  # may have no value left for TNULL
    elif pa.types.is_uint64(kind):
        filled = column.cast(pa.int64()).fill_null(0)  # FITS and VOTable have none with nulls
    elif pa.types.is_integer(kind):
        filled = column.fill_null(0)
    elif pa.types.is_floating(kind):
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


def _write_fits(temporary: Path, table: "Table") -> None:
    """Write a FITS table; `TCOMMn` and `TUCDn` are how TOPCAT reads descriptions and UCDs."""
    from astropy.io import fits

    table.write(temporary, format="fits", overwrite=True)
    with fits.open(temporary, mode="update") as hdus:
        for number, column in enumerate(table.itercols(), 1):
            hdus[1].header[f"TCOMM{number}"] = column.description
            if "ucd" in column.meta:
                hdus[1].header[f"TUCD{number}"] = column.meta["ucd"]
