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
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from galaxyzoo.core import files, manifest, paths
from galaxyzoo.core.errors import InputError, one_line
from galaxyzoo.extras.surveys import COLUMN_NAMES, FEATURES, TABLE_FORMATS
from galaxyzoo.tasks import decision_tree, kinds, registry

if TYPE_CHECKING:
    from astropy.table import Table

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
        carried: columns of the input's own table, without nulls.
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
                values, back = rows[name].combine_chunks(), read_one_table(scratch)[name]
                plain = values if path.suffix == ".parquet" else _to_numpy(values)
                is_same = repr(back.to_pylist()) == repr(plain.tolist())  # NaN is not NaN
            except ModuleNotFoundError:
                raise
            except Exception:  # noqa: BLE001 they raise anything for types they do not know
                is_same = False
            if not is_same:
                raise InputError(
                    f"--table {paths.shown(path)} cannot hold the name or the values of column "
                    f"'{one_line(name)}' ({rows.schema[0].type}) exactly: use .parquet"
                )


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
    # "" and NaN come masked
    plain = (np.ma.filled(c, "") if c.dtype.kind == "U" else np.asarray(c) for c in table.values())
    return pa.table([values.tolist() for values in plain], table.colnames)


def write_one_table(
    path: Path, parts: Sequence[Path], names: str, order: Order | None = None
) -> None:
    """Write all parts of a survey as one table, with the meaning of its columns.

    The whole table is in memory: 1.7 GB for ten million galaxies.

    Args:
        path: ends with one of `TABLE_FORMATS`.
        parts: Parquet files as a `Survey` writes them.
        names: of `COLUMN_NAMES`.
        order: gives the numbers of the rows in the order to write; default that of the parts.
    """
    table = pa.concat_tables(parquet.read_table(part) for part in parts)
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
            _write_fits(temporary, _to_astropy(table))
        else:
            more = {"tabledata_format": "binary2"} if kind == "votable" else {}
            _to_astropy(table).write(temporary, format=kind, overwrite=True, **more)


def _to_astropy(table: pa.Table) -> "Table":
    from astropy.table import Table  # here: half a second

    result = Table(meta=_texts(table.schema.metadata))
    for field, column in zip(table.schema, table.columns, strict=True):
        result[field.name] = _to_numpy(column.combine_chunks())
        meaning = _texts(field.metadata)
        result[field.name].description = meaning["description"]
        result[field.name].unit = meaning["unit"] or None
        if meaning["ucd"]:
            result[field.name].meta["ucd"] = meaning["ucd"]
    return result


def _texts(metadata: dict[bytes, bytes] | None) -> dict[str, str]:
    return {key.decode(): text.decode() for key, text in (metadata or {}).items()}


def _to_numpy(column: pa.Array) -> np.ndarray:
    """(row,) values, times as ISO 8601, or (row, number) of lists of one length."""
    if isinstance(column, pa.FixedSizeListArray):
        return _to_numpy(column.flatten()).reshape(len(column), -1)
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return np.array(column.to_pylist(), _to_numpy(column.flatten()).dtype)
    if pa.types.is_temporal(column.type) and not pa.types.is_duration(column.type):
        column = pc.replace_substring(column.cast(pa.string()), " ", "T")
    values = column.to_numpy(zero_copy_only=False)
    texts = values.dtype == object and not pa.types.is_struct(column.type)
    return values.astype(str if texts else _WIDER.get(values.dtype.name, values.dtype))


def _write_fits(temporary: Path, table: "Table") -> None:
    """Write a FITS table; `TCOMMn` and `TUCDn` are how TOPCAT reads descriptions and UCDs."""
    from astropy.io import fits

    table.write(temporary, format="fits", overwrite=True)
    with fits.open(temporary, mode="update") as hdus:
        for number, column in enumerate(table.itercols(), 1):
            hdus[1].header[f"TCOMM{number}"] = column.description
            if "ucd" in column.meta:
                hdus[1].header[f"TUCD{number}"] = column.meta["ucd"]
