"""Meaning and names of a survey's columns.

Each field of a part carries `description`, `unit` and `ucd`. Units are VOUnits, UCDs are the IVOA's
UCD1+ words, by which TOPCAT and pyvo know columns.
"""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from galaxyzoo.extras.surveys import BOUNDS, COLUMN_NAMES, FEATURES, SPREAD
from galaxyzoo.tasks import decision_tree, kinds, registry

_PROBABILITY = "stat.probability"
_LOWER, _UPPER = BOUNDS
_SUFFIXES = {  # of a prediction's column -> what it is, UCD
    f"_{SPREAD}": ("standard deviation between the folds' networks", "stat.stdev;stat.probability"),
    f"_{_LOWER}": ("lower bound of the 90 % interval", "stat.probability;stat.min"),
    f"_{_UPPER}": ("upper bound of the 90 % interval", "stat.probability;stat.max"),
}


def meaning(description: str, ucd: str = "", unit: str = "") -> dict[str, str]:
    """Metadata of a column."""
    return {"description": description, "unit": unit, "ucd": ucd}


COPIED = meaning("column copied from the input table")
_POSITIONS = {
    "ra": meaning("right ascension", "pos.eq.ra;meta.main", "deg"),
    "dec": meaning("declination", "pos.eq.dec;meta.main", "deg"),
}


def _published_names() -> dict[str, str]:
    """Names in Galaxy Zoo 2's table of the columns that predictions of votes may have."""
    columns = decision_tree.GALAXY_ZOO_2.columns
    names = {}
    for column, published in zip(columns, decision_tree.PUBLISHED_NAMES, strict=True):
        for suffix in ("", *_SUFFIXES):
            names[column + suffix] = published + suffix
    return names


_PUBLISHED = _published_names()


def features_of(rows: pa.Table) -> np.ndarray:
    """(row, feature) features of rows of a part, at least one, in its precision."""
    values = rows[FEATURES].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(rows), -1)


def prediction_columns(schema: pa.Schema) -> list[str]:
    """Columns of the predictions themselves in the schema of a part."""
    return [field.name for field in schema if decoded(field.metadata).get("ucd") == _PROBABILITY]


def decoded(metadata: dict[bytes, bytes] | None) -> dict[str, str]:
    """Texts of an Arrow field's or schema's metadata; empty where it has none."""
    return {key.decode(): text.decode() for key, text in (metadata or {}).items()}


def describe_columns(schema: pa.Schema, task: kinds.Task, label: str, networks: str) -> pa.Schema:
    """Add a title, and descriptions, units and UCDs to the fields of a part.

    Args:
        task: of the predictions.
        label: column of the ids.
        networks: name and digest of what predicted.
    """
    described = _POSITIONS | meanings(task, label)
    for name in _POSITIONS:
        if name in schema.names and not pa.types.is_primitive(schema.field(name).type):
            described[name] = COPIED  # text, such as 10:08:00.1
    fields = [field.with_metadata(described.get(field.name, COPIED)) for field in schema]
    return pa.schema(fields, {"title": f"predictions of {task.name}", "networks": networks})


def meanings(task: kinds.Task, label: str) -> dict[str, dict[str, str]]:
    """Description, unit and UCD of each column that predictions may have, by its name.

    Args:
        task: of the predictions.
        label: column of the ids.
    """
    described = {}
    for name in registry.TASKS:
        text = f"class by the label rule of {name}; empty if unclear"
        described[name] = meaning(text, "meta.code.class")
    described[kinds.CLASS] = meaning("predicted class", "meta.code.class")
    described[FEATURES] = meaning("features before the head of the first fold's network")
    for column in task.columns:
        text = _prediction(column, task)
        for suffix, (statistic, ucd) in _SUFFIXES.items():
            described[column + suffix] = meaning(f"{statistic} of: {text}", ucd)
        described[column] = meaning(text, _PROBABILITY)
    described[label] = meaning("image name, as given", "meta.id;meta.main")
    return described


def _prediction(column: str, task: kinds.Task) -> str:
    if task.name != kinds.COMPETITION_TASK:
        return f"probability of class {column}"
    question = decision_tree.GALAXY_ZOO_2.question_of(column)
    answer = decision_tree.GALAXY_ZOO_2.answer_text(column)
    return f"predicted fraction of all volunteers who answer '{answer}' to '{question.text}'"


def rename(column: str, style: str) -> str:
    """Name of a column for TOPCAT's expressions and ADQL, which take no dot.

    Args:
        column: of a part; one that has no name in Galaxy Zoo 2's table keeps its own.
        style: of `COLUMN_NAMES`. gz2: as in Galaxy Zoo 2's table (Hart et al. 2016), though its
            fractions are of the volunteers asked, ours of all. words: those without numbers.
    """
    if style == COLUMN_NAMES[0] or column not in _PUBLISHED:
        return column
    published = _PUBLISHED[column]
    if style == "gz2":
        return published
    return re.sub(r"\b[ta]\d\d_|(?<=_)a\d\d_", "", published)


def without_features(columns: Sequence[str]) -> list[str]:
    """Columns of a part but that of the features, which is larger than all others."""
    return [column for column in columns if column != FEATURES]
